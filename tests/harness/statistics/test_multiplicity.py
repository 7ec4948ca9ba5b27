"""Adjusted p-values by hand."""

import pytest

from harness.statistics.multiplicity import holm


def test_holm_adjusts_in_the_order_of_the_values():
    """0.005 x 4, 0.01 x 3, 0.03 x 2, then never below the one before."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx((0.03, 0.06, 0.06, 0.02))
    assert holm([0.6, 0.7]) == (1.0, 1.0)
    assert holm([]) == ()


def test_what_was_not_tested_does_not_count():
    assert holm([None, 0.02, None, 0.03]) == (None, pytest.approx(0.04), None, pytest.approx(0.04))
