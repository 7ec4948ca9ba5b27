"""Intervals by hand."""

import math

import pytest

from harness.statistics.intervals import Estimate, count_behind, estimate, wilson

T_2 = 4.302652729911275  # 97.5 % quantile of Student's t with two degrees of freedom


def test_the_interval_is_widened_by_the_size_ratio():
    """Standard deviation 0.1, variance factor 1/3 + 1/2."""
    found = estimate([0.6, 0.7, 0.8], 0.5)
    half = T_2 * 0.1 * math.sqrt(1 / 3 + 1 / 2)
    assert found == pytest.approx(Estimate(0.7, 0.7 - half, 0.7 + half))


def test_one_fold_has_no_interval_and_a_hole_no_mean():
    assert estimate([0.7], 0.5) == Estimate(0.7)
    assert estimate([0.7, math.nan], 0.5) == Estimate(None)


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
