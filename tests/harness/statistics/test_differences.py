"""Fold-paired statistics against published examples and values derived by hand."""

import math

import numpy as np
import pytest

from harness.statistics.differences import (
    Difference,
    adjusted,
    corrected_t,
    correlated_t,
    paired_difference,
    unpaired_corrected_t,
    untested_difference,
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

    assert (found.mean, found.low, found.high, found.p, found.t) == (0.5, None, None, None, None)


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
    assert unpaired_corrected_t([0.5], [0.6, 0.8], ratio_a=0.2, ratio_b=0.2).high is None


def test_a_paired_difference_subtracts_the_reference_fold_by_fold():
    """Every fold differs by 0.1: no spread, so the interval is a point."""
    found = paired_difference([0.6, 0.8], [0.5, 0.7], test_train_ratio=0.5)
    assert (found.mean, found.low, found.high) == pytest.approx((0.1, 0.1, 0.1))
    assert (found.n, found.paired, found.posterior.p_right) == (2, True, 1.0)


def test_one_fold_has_no_posterior_and_a_hole_no_mean():
    alone = paired_difference([0.75], [0.5], test_train_ratio=0.5)
    assert (alone.mean, alone.p, alone.posterior) == (0.25, None, None)
    holed = paired_difference([0.6, math.nan], [0.5, 0.7], test_train_ratio=0.5)
    assert math.isnan(holed.mean)
    assert (holed.low, holed.p, holed.posterior) == (None, None, None)


def test_other_examples_leave_a_difference_of_means_alone():
    found = untested_difference([0.5, 0.75], [0.25, 0.25])
    assert (found.mean, found.paired, found.low, found.p) == (0.375, False, None, None)
    assert math.isnan(untested_difference([0.5, math.nan], [0.25, 0.25]).mean)


def test_differences_looked_at_together_are_adjusted_but_for_those_without_a_paired_test():
    """Two of four are paired and tested: 0.01 x 2, then 0.04."""
    differences = [
        Difference(0.1, 3, p=0.04),
        Difference(0.1, 1),
        Difference(0.1, 3, p=0.01),
        Difference(0.1, 3, p=0.001, paired=False),
    ]
    found = adjusted(differences)
    assert [one.p_holm for one in found] == [0.04, None, 0.02, None]
    assert [one.is_clear for one in found] == [True, False, True, False]
