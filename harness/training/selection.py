"""Which epoch counts, and when to stop: plain functions of validation objectives."""

from collections.abc import Sequence
from math import isnan


def improves(value: float, best: float, *, mode: str) -> bool:
    """Whether a value beats the best so far; a tie does not, nor does an undefined (nan) value.

    mode: `max` or `min`, the metric's direction.
    """
    if isnan(value) or isnan(best):
        return isnan(best) and not isnan(value)
    return value > best if mode == "max" else value < best


def best_index(values: Sequence[float], *, mode: str) -> int:
    """Index of the best value; ties go to the earlier one."""
    best = 0
    for index, value in enumerate(values):
        if improves(value, values[best], mode=mode):
            best = index
    return best


def out_of_patience(fold_means: Sequence[float], *, patience: int | None, mode: str) -> bool:
    """Whether the last `patience` epochs (one fold mean each) brought no improvement."""
    if patience is None:
        return False
    return len(fold_means) - 1 - best_index(fold_means, mode=mode) >= patience
