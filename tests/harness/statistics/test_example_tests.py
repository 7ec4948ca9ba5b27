"""Example-paired statistics against published examples and values derived by hand."""

import numpy as np
import pytest

from harness.statistics.example_tests import (
    count_behind,
    mcnemar,
    mean_by_example,
    paired_bootstrap,
    wilson,
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


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_intervals_are_those_of_newcombe(successes, n, low, high):
    """Newcombe 1998, table I, method 3."""
    found = wilson(successes, n)
    assert (found.low, found.high) == pytest.approx((low, high), abs=5e-5)


def test_more_successes_than_examples_are_refused():
    with pytest.raises(ValueError, match="between 0 and n"):
        wilson(3, 2)


def test_an_accuracy_is_a_whole_number_of_examples():
    """0.5875 is 47 of 80; 0.5870 would be 46.96 of them."""
    assert count_behind(0.5875, 80) == 47
    assert count_behind(0.5870, 80) is None
    assert count_behind(0.59, 80, decimals=2) == 47
