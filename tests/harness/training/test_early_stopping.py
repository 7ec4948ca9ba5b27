"""Which epoch counts, and when patience ends."""

from math import nan

import pytest

from harness.training.early_stopping import best_index, out_of_patience


@pytest.mark.parametrize(
    ("values", "mode", "best"),
    [
        ([0.1, 0.5, 0.5, 0.4], "max", 1),
        ([0.9, 0.2, 0.2, 0.3], "min", 1),
        ([nan, 0.2, nan, 0.3], "max", 3),
        ([nan, nan], "max", 0),
        ([0.5], "min", 0),
    ],
)
def test_the_best_epoch_is_the_earliest_of_equals(
    values: list[float], mode: str, best: int
) -> None:
    """Ties go to the earlier epoch; undefined values never win against defined ones."""
    assert best_index(values, mode=mode) == best


def test_patience_counts_epochs_since_the_best() -> None:
    """Patience 2: the second epoch without improvement ends it."""
    assert not out_of_patience([0.5, 0.4], patience=2, mode="max")
    assert out_of_patience([0.5, 0.4, 0.5], patience=2, mode="max")
    assert not out_of_patience([0.5, 0.4, 0.6], patience=2, mode="max")


def test_without_patience_nothing_stops() -> None:
    """The default trains all epochs."""
    assert not out_of_patience([0.5] * 100, patience=None, mode="max")
