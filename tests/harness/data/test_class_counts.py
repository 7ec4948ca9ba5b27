"""A file that asks for more train examples of a class than there are is told so."""

from dataclasses import replace

import numpy as np
import pytest

from harness.data.class_counts import shortfall
from tests.builders import make_trial_data


@pytest.fixture
def data():
    """Two folds: 4 a, 2 b, 3 c train in the first, 4 a, 3 b, 1 c in the second."""
    made = make_trial_data(n=12, num_classes=3)
    first, second = made.folds
    return replace(
        made,
        targets=np.array([0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 2]),
        folds=(
            replace(first, train=np.array([0, 1, 2, 3, 4, 5, 7, 8, 9])),
            replace(second, train=np.array([0, 1, 2, 3, 4, 5, 6, 11])),
        ),
    )


@pytest.mark.parametrize(
    ("asked", "expected"),
    [(None, None), (1, None), (2, "fewer of c 1"), (4, "fewer of c 1, b 2"), (9, "c 1, b 2, a 4")],
)
def test_the_smallest_fold_counts(data, asked: int | None, expected: str | None) -> None:
    """Fewest first."""
    said = shortfall(data, asked)

    assert (said is None) == (expected is None)
    assert said is None or said.endswith(expected)


def test_of_many_classes_a_few_are_named() -> None:
    """The rest are counted."""
    data = make_trial_data(n=40, num_classes=8)
    data = replace(data, folds=(replace(data.folds[0], train=np.arange(8)),))

    assert (shortfall(data, 2) or "").endswith("a 1, b 1, c 1, d 1, e 1 and 3 more classes")
