"""Which epoch counts, and when to stop: plain functions of validation objectives."""

from collections.abc import Sequence

from harness.metrics import better


def best_index(values: Sequence[float], *, mode: str) -> int:
    """Index of the best value; ties go to the earlier one, nan is worse than any number.

    mode: `max` or `min`, the metric's direction.
    """
    best = 0
    for index, value in enumerate(values):
        if better(mode, value, values[best]):
            best = index
    return best


def out_of_patience(fold_means: Sequence[float], *, patience: int | None, mode: str) -> bool:
    """Whether the last `patience` epochs (one fold mean each) brought no improvement."""
    if patience is None:
        return False
    return len(fold_means) - 1 - best_index(fold_means, mode=mode) >= patience
