"""Intervals by hand."""

import math

import numpy as np
import pytest

from harness.statistics.intervals import Difference, Estimate, difference, estimate

T_2 = 4.302652729911275  # 97.5 % quantile of Student's t with two degrees of freedom


def test_the_interval_is_widened_by_the_size_ratio():
    """Standard deviation 0.1, variance factor 1/3 + 1/2."""
    found = estimate([0.6, 0.7, 0.8], 0.5)
    half = T_2 * 0.1 * math.sqrt(1 / 3 + 1 / 2)
    assert found == pytest.approx(Estimate(0.7, 0.7 - half, 0.7 + half))


def test_one_fold_has_no_interval_and_a_hole_no_mean():
    assert estimate([0.7], 0.5) == Estimate(0.7)
    assert estimate([0.7, math.nan], 0.5) == Estimate(None)


def test_a_difference_pairs_the_folds():
    """Every fold differs by 0.1: no spread, so the interval is a point."""
    found = difference(np.array([0.6, 0.8]), np.array([0.5, 0.7]), 0.5)
    assert (found.mean, found.low, found.high) == pytest.approx((0.1, 0.1, 0.1))
    assert found.p_higher == 1.0
    assert difference(np.array([0.6]), np.array([0.5]), 0.5) == Difference(pytest.approx(0.1))
