"""Two trials example by example: what is paired, and what is said where it can't be."""

import pandas as pd
import pytest

from harness.statistics.example_comparison import compare_items


def frame(right, *, ids=None, fold=1, repeat=1, groups=None, target=1):
    """Predictions of examples of one class, right or wrong as told."""
    return pd.DataFrame(
        {
            "repeat": repeat,
            "fold": fold,
            "example_id": ids or [f"e{i:02d}" for i in range(len(right))],
            "group": groups or [None] * len(right),
            "target": target,
            "predicted": [target if one else 0 for one in right],
        }
    )


def test_examples_are_paired_by_their_names_whatever_their_order():
    """b is right where a is wrong: 8 examples only b, 2 only a; p = 2 (1 + 10 + 45) / 1024."""
    a, b = frame([1] * 2 + [0] * 8), frame([0] * 2 + [1] * 8)
    found = compare_items(a, b.iloc[::-1], role="test")

    assert (found.mcnemar.only_a, found.mcnemar.only_b) == (2, 8)
    assert found.mcnemar.p == pytest.approx(112 / 1024)
    assert (found.accuracy_a.mean, found.accuracy_b.mean) == (0.2, 0.8)
    assert found.difference.mean == pytest.approx(0.6)
    assert (found.grouped, found.n_left_out, found.why_no_mcnemar) == (False, 0, None)


def test_folds_that_share_a_test_part_give_one_mean_an_example_and_no_mcnemar():
    a = pd.concat([frame([1, 1], fold=1), frame([1, 0], fold=2)])
    b = pd.concat([frame([1, 0], fold=1), frame([0, 0], fold=2)])
    found = compare_items(a, b, role="test")

    assert found.mcnemar is None
    assert "all folds share" in found.why_no_mcnemar
    assert (found.accuracy_a.mean, found.accuracy_b.mean) == (0.75, 0.25)
    assert found.difference.n_examples == 2


def test_repeats_are_averaged_and_mcnemar_takes_the_first():
    a = pd.concat([frame([1, 0], repeat=1), frame([0, 0], repeat=2)])
    b = pd.concat([frame([1, 1], repeat=1), frame([0, 0], repeat=2)])
    found = compare_items(a, b, role="test")

    assert found.difference.mean == 0.25
    assert (found.mcnemar.only_a, found.mcnemar.only_b) == (0, 1)


def test_groups_are_drawn_whole_unless_each_has_one_member():
    right, wrong = frame([1] * 4, groups=list("aabb")), frame([0] * 4, groups=list("aabb"))
    assert compare_items(wrong, right, role="test").difference.n_units == 2
    assert compare_items(wrong, right, role="test").grouped
    single = frame([1] * 4, groups=list("abcd"))
    assert not compare_items(single, single, role="test").grouped


def test_examples_of_only_one_are_left_out_and_counted():
    found = compare_items(frame([1, 0], ids=["x", "y"]), frame([1, 1], ids=["y", "z"]), role="test")

    assert (found.difference.n_examples, found.n_left_out) == (1, 2)
    assert found.difference.mean == 1


def test_what_can_not_be_paired_is_said():
    one, none = frame([1]), frame([])
    assert compare_items(none, one, role="test") == "no predictions are stored"
    assert "no example in common" in compare_items(one, frame([1], ids=["other"]), role="test")
    assert "true classes" in compare_items(one, frame([1], target=2), role="test")
