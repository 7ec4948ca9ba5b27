"""Examples on both sides of a split are found by their content."""

import numpy as np

from harness.data.duplicates import (
    content_codes,
    group_codes,
    repeated_codes,
    shared_codes,
)
from harness.data.types import Fold


def _fold(train: list[int], validation: list[int], test: list[int]) -> Fold:
    return Fold(1, 1, None, np.array(train), np.array(validation), np.array(test, dtype=int), "")


def test_equal_content_has_equal_codes() -> None:
    """Rows 0 and 2 are byte for byte the same; codes count from 0 in order of appearance."""
    inputs = np.array([[1.0, 2.0], [1.0, 3.0], [1.0, 2.0]], dtype=np.float32)
    codes = content_codes(inputs)
    assert codes.tolist() == [0, 1, 0]
    assert repeated_codes(codes).tolist() == [0]


def test_views_that_skip_are_read_by_value() -> None:
    """A strided view equals its copy."""
    inputs = np.arange(12).reshape(3, 4)
    assert np.array_equal(content_codes(inputs[:, ::2]), content_codes(inputs[:, ::2].copy()))


def test_texts_are_content_too() -> None:
    """Before they become ids."""
    assert content_codes(np.array(["one", "two", "one"])).tolist() == [0, 1, 0]


def test_duplicates_within_a_role_are_not_shared() -> None:
    """Only what crosses the split flatters a score."""
    codes = np.array([7, 7, 8, 9])
    assert shared_codes(codes, [_fold([0, 1], [2], [3])]).tolist() == []
    assert shared_codes(codes, [_fold([0, 2], [1], [3])]).tolist() == [7]


def test_every_pair_of_roles_of_every_fold_counts() -> None:
    """Train and test, then validation and test."""
    codes = np.array([1, 2, 1, 2])
    assert shared_codes(codes, [_fold([0], [1], [2])]).tolist() == [1]
    assert shared_codes(codes, [_fold([0], [1], []), _fold([0], [1], [3])]).tolist() == [2]


def test_group_codes_follow_names() -> None:
    """Sorted names number the groups."""
    assert group_codes(np.array(["b", "a", "b"])).tolist() == [1, 0, 1]
