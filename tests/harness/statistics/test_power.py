"""What so few folds can show, by hand."""

import math

import numpy as np
import pytest

from harness.statistics.power import (
    power,
    repeats_needed,
    smallest_detectable,
    smallest_sign_p,
    too_few_for_signs,
)

ROWS = np.array([[0.0, 0.1, 0.2], [0.1, 0.3, 0.5], [0.2, 0.3, 0.4]])


def test_the_median_spread_decides_what_is_seen():
    """Standard deviations 0.1, 0.2, 0.1; three comparisons, so Holm starts at 0.05 / 3."""
    found = power(ROWS, test_train_ratio=0.5, n_repeats=1)
    single = smallest_detectable(0.1, n=3, test_train_ratio=0.5)
    assert (found.n, found.n_comparisons) == (3, 3)
    assert found.detectable == pytest.approx(single)
    assert found.of_all == pytest.approx(
        smallest_detectable(0.1, n=3, test_train_ratio=0.5, alpha=0.05 / 3)
    )
    assert found.of_all > found.detectable


def test_a_fold_or_no_spread_has_no_power():
    assert power(np.array([[0.1], [0.2]]), test_train_ratio=0.5, n_repeats=1) is None
    assert power(np.array([[0.1, 0.1]]), test_train_ratio=0.5, n_repeats=1) is None
    assert power(np.array([[0.1, np.nan]]), test_train_ratio=0.5, n_repeats=1) is None


def test_the_repeats_that_one_point_would_take_are_told():
    """0.016 / sqrt(n) with 80 % power: without shared train examples the normal law asks for
    (2.8 x 1.6)**2 = 20 scores, which is 7 repeats of 3 folds."""
    wide = 0.016 * ROWS[:1] / 0.1
    found = power(wide, test_train_ratio=0.0, n_repeats=1)
    assert found.repeats in (7, 8)


def test_where_no_number_of_repeats_helps_there_is_none():
    """The variance never falls below half of 0.1 squared: 2.8 x 0.07 is far above 0.01."""
    found = power(ROWS, test_train_ratio=0.5, n_repeats=1)
    assert found.repeats is None


def test_five_folds_are_too_few_for_signs():
    assert smallest_sign_p(5) == 0.0625
    assert smallest_sign_p(1) == 1
    assert [n for n in range(1, 9) if too_few_for_signs(n)] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(("effect", "pairs"), [(0.2, 199), (0.5, 34), (0.8, 15)])
def test_repeats_are_those_of_a_power_analysis(effect, pairs):
    """Cohen's effects at 80 % power, two-sided 5 %, paired: 199, 34 and 15 pairs (G*Power)."""
    assert repeats_needed(effect, 1, n_folds=1, test_train_ratio=0) == pairs


def test_detectable_differences_shrink_no_further_than_the_shared_examples_allow():
    """Many values: (1.960 + 0.842) standard errors, of which sqrt(1/4) of a deviation stays."""
    limit = 2.8016 * math.sqrt(0.25)

    assert smallest_detectable(1, n=10**6, test_train_ratio=0.25) == pytest.approx(limit, abs=1e-3)
    assert repeats_needed(1.3, 1, n_folds=5, test_train_ratio=0.25) is None
    assert repeats_needed(1.5, 1, n_folds=5, test_train_ratio=0.25) > 1


def test_without_a_difference_or_a_second_value_nothing_is_detectable():
    assert repeats_needed(0, 1, n_folds=5, test_train_ratio=0.25) is None
    assert smallest_detectable(1, n=1, test_train_ratio=0.25) == math.inf
