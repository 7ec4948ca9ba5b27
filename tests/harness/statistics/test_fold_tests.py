"""Fold-paired statistics against published examples and values derived by hand."""

import math

import numpy as np
import pytest

from harness.statistics.fold_tests import (
    corrected_t,
    correlated_t,
    holm,
    repeats_needed,
    smallest_detectable,
    smallest_sign_p,
    too_few_for_signs,
    unpaired_corrected_t,
)

# Area under the ROC curve, rbf minus linear kernel, times 25 -> number of folds; 10 x 10 folds of
# 100 moons: scikit-learn's gallery, "Statistical comparison of models using grid search".
MOONS = {-3: 1, -2: 2, -1: 10, 0: 53, 1: 29, 2: 4, 5: 1}


def moons():
    return np.repeat(list(MOONS), list(MOONS.values())) / 25


def test_the_corrected_t_is_that_of_the_published_example():
    """Printed there: t = 0.750 and one-sided p = 0.227; without the correction t = 2.611."""
    found = corrected_t(moons(), test_train_ratio=10 / 90)

    assert found.t == pytest.approx(0.750, abs=0.0005)
    assert found.p / 2 == pytest.approx(0.227, abs=0.0005)
    assert corrected_t(moons(), test_train_ratio=0).t == pytest.approx(2.611, abs=0.0005)


def test_the_correlated_t_is_that_of_the_published_example():
    """Printed there: rbf is better with 77.3 %, and practically equal within ±0.01 with 43.2 %."""
    assert correlated_t(moons(), test_train_ratio=10 / 90, rope=0).p_right == pytest.approx(
        0.773, abs=0.0005
    )
    within = correlated_t(moons(), test_train_ratio=10 / 90, rope=0.01)
    assert within.p_rope == pytest.approx(0.432, abs=0.0005)
    assert within.p_left + within.p_rope + within.p_right == pytest.approx(1)


def test_the_interval_of_five_folds_by_hand():
    """Factor 1/5 + 1/4 = 0.45 and t(4) = 2.776 from any table, deviation sqrt(2.5)."""
    found = corrected_t([1, 2, 3, 4, 5], test_train_ratio=0.25)

    half = 2.776445 * math.sqrt(2.5 * 0.45)
    assert found.variance_factor == pytest.approx(0.45)
    assert (found.low, found.high) == pytest.approx((3 - half, 3 + half), abs=1e-5)
    assert (found.mean, found.std, found.degrees_of_freedom, found.n) == (3, math.sqrt(2.5), 4, 5)


def test_a_single_value_says_nothing_about_its_spread():
    found = corrected_t([0.5], test_train_ratio=0.25)

    assert (found.low, found.high) == (-math.inf, math.inf)
    assert math.isnan(found.p)


def test_equal_scores_are_no_evidence():
    found = corrected_t([0.0, 0.0, 0.0], test_train_ratio=0.25)

    assert (found.low, found.high, found.t, found.p) == (0, 0, 0, 1)
    assert correlated_t([0.0, 0.0], test_train_ratio=0.25).p_rope == 1


def test_rounding_noise_of_equal_fractions_is_no_spread():
    differences = np.array([0.1 + 0.2, 0.3, 0.7]) - np.array([0.3, 0.1 + 0.2, 0.7])
    assert corrected_t(differences, test_train_ratio=0.25).p == 1


@pytest.mark.parametrize("values", [[], [0.1, None], [0.1, math.nan]])
def test_a_fold_without_a_score_is_refused(values):
    with pytest.raises(ValueError, match="every fold needs a score"):
        corrected_t(values, test_train_ratio=0.25)


def test_unpaired_means_are_compared_by_welch():
    """Uncorrected: the variances 2.5 / 5 and 10 / 5 add up to 2.5; 6.25 / (0.0625 + 1) = 5.88."""
    found = unpaired_corrected_t([1, 2, 3, 4, 5], [2, 4, 6, 8, 10], ratio_a=0, ratio_b=0)

    assert found.mean == 3
    assert found.t == pytest.approx(3 / math.sqrt(2.5))
    assert found.degrees_of_freedom == pytest.approx(6.25 / 1.0625)


def test_unpaired_single_folds_have_no_interval():
    assert unpaired_corrected_t([0.5], [0.6, 0.8], ratio_a=0.2, ratio_b=0.2).high == math.inf


def test_holm_adjusts_in_the_order_of_the_values():
    """0.005 x 4, 0.01 x 3, 0.03 x 2, then never below the one before."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx((0.03, 0.06, 0.06, 0.02))
    assert holm([0.6, 0.7]) == (1.0, 1.0)
    assert holm([]) == ()


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
