"""The data card in words: what the data is, how even its classes are, how it was prepared."""

import pytest

from harness.report.blocks import Figure, Gallery, Table, Text
from harness.report.sections.data_card import (
    card_blocks,
    compute,
    draw_validated,
    words,
)

CARD = {
    "title": "Barks", "source": "here", "licence": "none", "sample_rate_hz": 16000,
    "dataset": {"name": "barks", "limit": 120, "normalize": "standard", "subset": "all",
                "front_end": {"name": "log_mel", "n_mels": 40, "f_max": None}},
    "n_examples": 120, "input_shape": [1, 40, 9], "counts": {"cat": 90, "dog": 30},
    "folds": [
        {"repeat": 1, "fold": 1, "counts": {"train": {"cat": 60, "dog": 20},
                                            "validation": {"cat": 30, "dog": 10}}},
        {"repeat": 1, "fold": 2, "counts": {"train": {"cat": 70, "dog": 15},
                                            "validation": {"cat": 20, "dog": 15}}},
    ],
    "n_duplicates": 1, "findings": ["shared_examples"], "examples": {"cat": ["a"], "dog": ["b"]},
}  # fmt: skip


def test_it_says_what_the_data_is_and_how_it_was_prepared():
    found = words(CARD)
    assert found[0] == "Barks. Source: here. Licence: none."
    assert "120 examples of shape 1 x 40 x 9, 2 classes, 16,000 Hz" in found[1]
    assert found[3] == (
        "Preparation: dataset barks (subset=all); log_mel (n_mels=40); at most 120 examples, "
        "balanced over parts and classes; each channel to zero mean and unit variance of the "
        "fold's train examples."
    )


def test_what_reading_does_to_files_is_part_of_the_preparation():
    told = words(CARD | {"preprocessing": "channels averaged"})[3]
    assert told.startswith("Preparation: dataset barks (subset=all); channels averaged; log_mel")


def test_equal_contents_are_told_from_contents_shared_by_roles():
    assert "1 content that occurs more than once, also across the roles" in words(CARD)[1]
    assert words(CARD | {"findings": []})[1].endswith("1 content that occurs more than once.")
    assert words(CARD | {"n_duplicates": 0})[1].endswith("no two of equal content.")


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ({"cat": 90, "dog": 30}, "From 30 (dog) to 90 (cat) examples of a class. cat is the "
         "largest: always guessing it would be right for 75.0 % of all."),
        ({"cat": 11, "dog": 10}, "Nearly balanced: 10 to 11 examples of a class."),
        ({"cat": 40, "dog": 40}, "Balanced: 40 examples of every class."),
    ],
)  # fmt: skip
def test_the_balance_says_what_guessing_would_get(counts, said):
    """90 of 120 are three quarters."""
    assert compute(CARD | {"counts": counts}).balance == said


def test_only_uneven_classes_are_drawn():
    uneven = card_blocks(CARD, {})
    even = card_blocks(CARD | {"counts": {"cat": 60, "dog": 60}}, {})
    assert [one.title for one in uneven if isinstance(one, Figure)] == [
        "Examples of each class", "Validation examples of each class in each fold"
    ]  # fmt: skip
    assert {type(one) for one in even} == {Text, Table}


def test_validation_examples_are_counted_by_class_and_fold():
    found = compute(CARD)
    assert found.validated == ((30, 20), (10, 15))
    assert draw_validated(found).data[0].x == ("1", "2")


def test_a_card_of_an_older_run_says_what_it_knows():
    """Such a card has neither title nor preparation."""
    old = {key: CARD[key] for key in ("n_examples", "input_shape", "counts", "folds")}
    assert [text.split()[0] for text in words(old)] == ["120", "From"]


def test_examples_stand_between_folds_and_classes():
    shown = {"n_classes": 2, "classes": [{"class": "cat", "ids": ["a"], "texts": ["meow"]}]}
    kinds = [type(one) for one in card_blocks(CARD, shown)]
    assert kinds[-3:] == [Table, Gallery, Table]
