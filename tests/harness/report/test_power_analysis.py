"""What so few folds can show, by hand."""

import numpy as np
import pytest

from harness.report.power_analysis import power, power_text, sign_text
from harness.statistics.fold_tests import smallest_detectable

ROWS = np.array([[0.0, 0.1, 0.2], [0.1, 0.3, 0.5], [0.2, 0.3, 0.4]])


def test_the_median_spread_decides_what_is_seen():
    """Standard deviations 0.1, 0.2, 0.1; three comparisons, so Holm starts at 0.05 / 3."""
    found = power(ROWS, size_ratio=0.5, n_repeats=1)
    single = smallest_detectable(0.1, n=3, test_train_ratio=0.5)
    assert (found.n, found.n_comparisons) == (3, 3)
    assert found.detectable == pytest.approx(single)
    assert found.of_all == pytest.approx(
        smallest_detectable(0.1, n=3, test_train_ratio=0.5, alpha=0.05 / 3)
    )
    assert found.of_all > found.detectable


def test_a_fold_or_no_spread_has_no_power():
    assert power(np.array([[0.1], [0.2]]), size_ratio=0.5, n_repeats=1) is None
    assert power(np.array([[0.1, 0.1]]), size_ratio=0.5, n_repeats=1) is None
    assert power(np.array([[0.1, np.nan]]), size_ratio=0.5, n_repeats=1) is None


def test_the_repeats_that_one_point_would_take_are_told():
    """0.016 / sqrt(n) with 80 % power: without shared train examples the normal law asks for
    (2.8 x 1.6)**2 = 20 scores, which is 7 repeats of 3 folds."""
    wide = 0.016 * ROWS[:1] / 0.1
    found = power(wide, size_ratio=0.0, n_repeats=1)
    assert found.repeats in (7, 8)
    assert f"you would need about {found.repeats} repeats (now 1)" in power_text(found)


def test_where_no_number_of_repeats_helps_that_is_said():
    """The variance never falls below half of 0.1 squared: 2.8 x 0.07 is far above 0.01."""
    found = power(ROWS, size_ratio=0.5, n_repeats=1)
    assert found.repeats is None
    assert "No number of repeats would show a difference of 0.01" in power_text(found)


def test_six_pairs_are_enough_for_a_sign_test_and_five_are_not():
    assert "5 pairs can't give p below 0.0625" in sign_text(5)
    assert sign_text(6) == ""
