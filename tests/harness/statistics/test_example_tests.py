"""Tests on examples against published ones and values derived by hand; what is paired, or not."""

import numpy as np
import pandas as pd
import pytest

from harness.statistics.example_tests import (
    compare_examples,
    mcnemar,
    mean_by_example,
    paired_bootstrap,
)


def test_the_exact_mcnemar_is_a_coin():
    """1 of 10 discordant: 2 (1 + 10) / 1024; agreeing examples do not count."""
    found = mcnemar([1] + [0] * 9 + [1] * 30, [0] + [1] * 9 + [1] * 30)

    assert (found.only_a, found.only_b) == (1, 9)
    assert found.p == pytest.approx(22 / 1024)


def test_models_that_are_right_on_the_same_examples_do_not_differ():
    assert mcnemar([True, False], [True, False]).p == 1
    assert mcnemar([True, False], [False, True]).p == 1


def test_examples_have_to_be_the_same():
    with pytest.raises(ValueError, match="same examples"):
        mcnemar([1, 0], [1])
    with pytest.raises(ValueError, match="same examples"):
        paired_bootstrap([], [])


def test_the_bootstrap_interval_is_that_of_the_normal_for_many_examples():
    """A tenth better, a twentieth worse of 2,000: deviation sqrt(0.15 - 0.05^2) / sqrt(2000)."""
    difference = np.repeat([1, -1, 0], [200, 100, 1700])
    found = paired_bootstrap(np.zeros(2000), difference, seed=1)

    half = 1.96 * np.sqrt((0.15 - 0.05**2) / 2000)
    assert found.mean == 0.05
    assert (found.low, found.high) == pytest.approx((0.05 - half, 0.05 + half), abs=0.002)
    assert (found.n_examples, found.n_units) == (2000, 2000)


def test_whole_groups_are_drawn():
    """Ten identical members are one observation: the interval is that of 40 groups, not of 400."""
    scores = np.repeat(np.arange(40) % 2, 10)
    alone = paired_bootstrap(np.zeros(40), np.arange(40) % 2)
    grouped = paired_bootstrap(np.zeros(400), scores, groups=np.repeat(np.arange(40), 10))

    assert (grouped.low, grouped.high) == (alone.low, alone.high)
    assert (grouped.n_examples, grouped.n_units) == (400, 40)


def test_large_groups_weigh_more():
    """One group of three right, one of a single wrong: the draws give 0, 3/4 or 1."""
    found = paired_bootstrap([0, 0, 0, 0], [1, 1, 1, 0], groups=["a", "a", "a", "b"])
    assert (found.low, found.mean, found.high) == (0, 0.75, 1)


def test_the_bootstrap_is_the_same_every_time():
    random = np.random.default_rng(0)
    a, b = random.random(50), random.random(50)
    assert paired_bootstrap(a, b) == paired_bootstrap(a, b)


def test_folds_that_share_an_example_are_one_observation_of_it():
    ids, means = mean_by_example(["b", "a", "b", "a"], [1, 0, 0, 0])
    assert ids.tolist() == ["a", "b"]
    assert means.tolist() == [0, 0.5]


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
    found = compare_examples(a, b.iloc[::-1], role="test")

    assert (found.mcnemar.only_a, found.mcnemar.only_b) == (2, 8)
    assert found.mcnemar.p == pytest.approx(112 / 1024)
    assert (found.accuracy_a.mean, found.accuracy_b.mean) == (0.2, 0.8)
    assert found.difference.mean == pytest.approx(0.6)
    assert (found.grouped, found.n_left_out, found.why_no_mcnemar) == (False, 0, None)


def test_folds_that_share_a_test_part_give_one_mean_an_example_and_no_mcnemar():
    a = pd.concat([frame([1, 1], fold=1), frame([1, 0], fold=2)])
    b = pd.concat([frame([1, 0], fold=1), frame([0, 0], fold=2)])
    found = compare_examples(a, b, role="test")

    assert found.mcnemar is None
    assert "all folds share" in found.why_no_mcnemar
    assert (found.accuracy_a.mean, found.accuracy_b.mean) == (0.75, 0.25)
    assert found.difference.n_examples == 2


def test_repeats_are_averaged_and_mcnemar_takes_the_first():
    a = pd.concat([frame([1, 0], repeat=1), frame([0, 0], repeat=2)])
    b = pd.concat([frame([1, 1], repeat=1), frame([0, 0], repeat=2)])
    found = compare_examples(a, b, role="test")

    assert found.difference.mean == 0.25
    assert (found.mcnemar.only_a, found.mcnemar.only_b) == (0, 1)


def test_groups_are_drawn_whole_unless_each_has_one_member():
    right, wrong = frame([1] * 4, groups=list("aabb")), frame([0] * 4, groups=list("aabb"))
    assert compare_examples(wrong, right, role="test").difference.n_units == 2
    assert compare_examples(wrong, right, role="test").grouped
    single = frame([1] * 4, groups=list("abcd"))
    assert not compare_examples(single, single, role="test").grouped


def test_examples_of_only_one_are_left_out_and_counted():
    found = compare_examples(
        frame([1, 0], ids=["x", "y"]), frame([1, 1], ids=["y", "z"]), role="test"
    )

    assert (found.difference.n_examples, found.n_left_out) == (1, 2)
    assert found.difference.mean == 1


def test_what_can_not_be_paired_is_said():
    one, none = frame([1]), frame([])
    assert compare_examples(none, one, role="test") == "no predictions are stored"
    assert "no example in common" in compare_examples(one, frame([1], ids=["other"]), role="test")
    assert "true classes" in compare_examples(one, frame([1], target=2), role="test")
