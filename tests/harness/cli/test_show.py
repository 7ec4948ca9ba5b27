"""`bench show`: a dataset's card without a benchmark."""

from pathlib import Path

import pytest

from data_prep.examples import Description
from harness.data.card import suitable


def described(**changes) -> Description:
    """A dataset with these parts and groups."""
    return Description("t", (1,), ("a", "b"), 10, "s", "l", **changes)


def test_the_card_is_told_and_written(bench, user: Path) -> None:
    """One picture a class."""
    result = bench("show", "digits", "limit=200")
    assert result.code == 0
    assert "200 examples of shape 1 x 8 x 8, 10 classes" in result.out
    assert "at most 200 examples" in result.out
    assert "page: digits.html" in result.out
    page = (user / "digits.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == 10


def test_folds_are_cut_as_asked(bench, user: Path) -> None:
    out = user / "card.html"
    result = bench("show", "digits", "--cv", "kfold,n_splits=3", "--out", str(out))
    assert "3 folds, kfold" in result.out
    assert out.exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("digit",), "did you mean 'digits'?"),
        (("digits", "size=3"), "has no option 'size'"),
        (("digits", "limit=0"), "limit: "),
        (("image_folder",), "data_prep/image_folder.py needs path=…"),
        (("image_folder", "path=nowhere"), "nothing lies at"),
        (("digits", "--cv", "stratifed"), "'stratified'"),
        (("digits", "--cv", "predefined"), "predefined"),
    ],
)
def test_a_mistake_is_told_in_a_line(bench, arguments, said) -> None:
    result = bench("show", *arguments)
    assert result.code == 2
    assert said in result.err
    assert "Traceback" not in result.err


@pytest.mark.parametrize(
    ("changes", "strategy"),
    [
        ({"parts": ("train", "validation", "test")}, "official"),
        ({"parts": ("train", "test")}, "stratified"),
        ({"parts": (1, 2, 3), "has_groups": True}, "predefined"),
        ({"has_groups": True}, "group"),
        ({}, "stratified"),
    ],
)
def test_folds_suit_the_datasets_own_parts_and_groups(changes, strategy) -> None:
    assert suitable(described(**changes))["strategy"] == strategy
