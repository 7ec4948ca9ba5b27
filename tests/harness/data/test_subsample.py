"""Fewer examples: balanced, the same everywhere, nested, and never an empty role."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.examples import Examples
from harness.config.sections import CrossValidation
from harness.data.folds import make_folds
from harness.data.subsample import limited
from harness.errors import BenchError


def _esc10() -> Examples:
    """400 examples, 8 in each of 5 parts and 10 classes."""
    n = 400
    return Examples(
        inputs=np.arange(n)[:, np.newaxis].astype(np.float32),
        targets=np.repeat(np.arange(10), 40),
        example_ids=np.array([f"clip-{index}" for index in range(n)]),
        class_names=tuple("abcdefghij"),
        parts=np.tile(np.arange(1, 6), 80),
        groups=np.array([f"recording-{index // 2}" for index in range(n)]),
    )


def _table(examples: Examples) -> np.ndarray:
    table = np.zeros((10, 5), dtype=int)
    np.add.at(table, (examples.targets, np.asarray(examples.parts) - 1), 1)
    return table


def test_a_hundred_of_four_hundred_is_two_of_each_cell() -> None:
    """Balanced over part and class at once."""
    assert (_table(limited(_esc10(), 100)) == 2).all()


def test_no_limit_or_a_large_one_changes_nothing() -> None:
    """The very same value."""
    examples = _esc10()
    assert limited(examples, None) is examples
    assert limited(examples, 400) is examples


def test_rows_stay_together_and_in_order() -> None:
    """Inputs, ids, parts and groups of an example move as one."""
    part = limited(_esc10(), 60)
    rows = part.inputs[:, 0].astype(int)
    assert (np.diff(rows) > 0).all()
    assert part.example_ids.tolist() == [f"clip-{row}" for row in rows]
    assert np.asarray(part.groups).tolist() == [f"recording-{row // 2}" for row in rows]
    assert np.array_equal(part.parts, rows % 5 + 1)


def test_which_examples_does_not_depend_on_their_order() -> None:
    """The same ids from a file that lists them backwards."""
    examples = _esc10()
    fields = ("inputs", "targets", "example_ids", "parts", "groups")
    backwards = Examples(
        **{name: getattr(examples, name)[::-1] for name in fields},
        class_names=examples.class_names,
    )
    chosen = [set(limited(value, 70).example_ids.tolist()) for value in (examples, backwards)]
    assert chosen[0] == chosen[1]


@settings(max_examples=40, deadline=None)
@given(small=st.integers(10, 399), more=st.integers(1, 100))
def test_a_larger_limit_keeps_the_earlier_examples(small: int, more: int) -> None:
    """Exactly as many as asked for, cells differing by at most one."""
    examples = _esc10()
    few, many = limited(examples, small), limited(examples, min(400, small + more))
    assert len(few.targets) == small
    assert set(few.example_ids.tolist()) < set(many.example_ids.tolist())
    assert np.ptp(_table(few)) <= 1


@pytest.mark.parametrize("limit", [10, 12, 25, 49])
def test_every_fold_keeps_every_role(limit: int) -> None:
    """Even with fewer examples than cells each part has some."""
    part = limited(_esc10(), limit)
    folds = make_folds(
        CrossValidation(strategy="predefined"),
        parts=part.parts,
        groups=part.groups,
        targets=part.targets,
        seed=0,
        repeats=1,
    )
    assert len(folds) == 5
    for fold in folds:
        assert len(fold.train) and len(fold.validation) and len(fold.test)


@pytest.mark.parametrize(
    ("limit", "words"), [(3, "2 of 5 parts empty"), (7, "3 of 10 classes empty")]
)
def test_a_limit_that_empties_a_part_or_class_is_refused(limit: int, words: str) -> None:
    """Folds or classes would silently be others."""
    with pytest.raises(BenchError, match=words):
        limited(_esc10(), limit)
