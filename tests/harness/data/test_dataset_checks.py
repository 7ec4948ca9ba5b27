"""A dataset file that says one thing and loads another is told so."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from data_prep.examples import Description, Examples, Fitted
from harness.data.dataset_checks import (
    content_codes,
    group_codes,
    refuse_bad_inputs,
    refuse_undescribed,
    refuse_unequal_fits,
    repeated_codes,
    shared_codes,
    shortfall,
)
from harness.data.types import Fold
from harness.errors import BenchError
from tests.builders import make_trial_data

EXAMPLES = Examples(
    inputs=np.zeros((4, 2), dtype=np.float32),
    targets=np.array([0, 1, 0, 1]),
    example_ids=np.array(["a", "b", "c", "d"]),
    class_names=("no", "yes"),
    parts=np.array([1, 1, 2, 2]),
)
DESCRIPTION = Description(
    title="", input_shape=(2,), class_names=("no", "yes"), n_examples=4, source="", licence="",
    parts=(1, 2),
)  # fmt: skip


def test_what_agrees_passes() -> None:
    """Labels and inputs as described."""
    refuse_undescribed(EXAMPLES, DESCRIPTION, file="f.py")
    refuse_bad_inputs(EXAMPLES.inputs, EXAMPLES, DESCRIPTION, file="f.py")


def test_all_differences_are_listed_at_once() -> None:
    """Number, classes, parts and groups, each with both sides."""
    other = replace(DESCRIPTION, n_examples=5, class_names=("x", "y"), parts=(), has_groups=True)
    with pytest.raises(BenchError) as caught:
        refuse_undescribed(EXAMPLES, other, file="f.py")
    text = str(caught.value)
    assert text.startswith("f.py:")
    for words in (
        "examples: load gives 4, describe says 5",
        "classes: load gives no, yes, describe says x, y",
        "parts: load gives 1, 2",
        "groups: load gives False, describe says True",
    ):
        assert words in text


@pytest.mark.parametrize(
    ("inputs", "scale", "words"),
    [
        (np.zeros((4, 3), dtype=np.float32), None, r"shape is \(3,\), describe says \(2,\)"),
        (np.zeros((4, 2), dtype=np.int64), None, "reach the model as int64, describe says float32"),
        (np.zeros((4, 2), dtype=bool), None, "bool reach the model as nothing"),
        (np.array([[0, 1], [np.nan, 0], [0, 0], [np.inf, 0]]), None, "2 examples .* finite: b, d"),
    ],
)
def test_bad_inputs_are_named(inputs: np.ndarray, scale: float | None, words: str) -> None:
    """Shape, type and the examples whose values no model can use."""
    with pytest.raises(BenchError, match=words):
        refuse_bad_inputs(inputs, replace(EXAMPLES, inputs=inputs), DESCRIPTION, file="f.py")


def test_bytes_with_a_scale_are_numbers() -> None:
    """uint8 images reach the model as float32; -1 is a number there, but no id."""
    images = np.full((4, 2), -1, dtype=np.int8)
    scaled = replace(EXAMPLES, inputs=images, input_scale=0.5)
    refuse_bad_inputs(images, scaled, DESCRIPTION, file="f.py")
    ids = replace(DESCRIPTION, input_dtype="int64")
    with pytest.raises(BenchError, match="4 examples have ids below 0"):
        refuse_bad_inputs(images, replace(EXAMPLES, inputs=images), ids, file="f.py")


def _fitted(**arguments: Any) -> Fitted:
    return Fitted(inputs=np.zeros((4, 2)), model_arguments=arguments)


@pytest.mark.parametrize(
    ("one", "other", "words"),
    [
        (_fitted(vocabulary_size=10), _fitted(vocabulary_size=11), "argument vocabulary_size"),
        (_fitted(table=np.zeros((3, 2))), _fitted(table=np.zeros((4, 2))), "argument table"),
        (_fitted(size=1), _fitted(), "argument size"),
        (_fitted(), Fitted(inputs=np.zeros((4, 3))), "inputs"),
        (_fitted(), Fitted(), "inputs"),
    ],
)
def test_fits_of_different_shapes_are_refused(one: Fitted, other: Fitted, words: str) -> None:
    """One model shape must serve every fold."""
    with pytest.raises(BenchError, match=f"fit: {words} differs between folds"):
        refuse_unequal_fits([one, other], file="f.py")


def test_fits_may_differ_in_values() -> None:
    """Word vectors and thresholds are learned, after all."""
    one, other = _fitted(table=np.zeros(3), bias=0.1), _fitted(table=np.ones(3), bias=0.2)
    refuse_unequal_fits([one, other], file="f.py")


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
