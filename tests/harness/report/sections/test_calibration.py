"""Calibration: bins, errors and scores by hand."""

import numpy as np
import pytest

from harness.report.sections import calibration
from tests.harness.report.sections.predictions import pooled


def test_bins_hold_equally_many_and_their_distances_are_averaged():
    """Confidences 0.6, 0.6 with one right: off by 0.1. 0.9, 1.0 with both right: off by 0.05."""
    confidence = np.array([0.9, 0.6, 1.0, 0.6])
    bins = calibration.reliability(confidence, np.array([1, 0, 1, 1], bool), n_bins=2)
    assert bins.counts.tolist() == [2, 2]
    assert bins.confidence == pytest.approx([0.6, 0.95])
    assert bins.accuracy == pytest.approx([0.5, 1.0])
    assert bins.error == pytest.approx((0.1 + 0.05) / 2)


def test_brier_score_is_the_squared_distance_over_all_classes():
    """Half and half is 0.5 away; certain and wrong is 2 away; certain and right 0."""
    probabilities = np.array([[0.5, 0.5], [0.0, 1.0], [1.0, 0.0]])
    assert calibration.brier_score(np.array([0, 0, 0]), probabilities) == pytest.approx(2.5 / 3)


def test_chance_alone_keeps_the_error_above_zero():
    """100 predictions at 0.5 in one bin: the share right is off by sqrt(2 / pi) * 0.05."""
    found = calibration.expected_error(np.full(100, 0.5), n_bins=1)
    assert found == pytest.approx(np.sqrt(2 / np.pi) * 0.05, rel=0.1)


def test_certain_predictions_leave_nothing_to_chance():
    assert calibration.expected_error(np.ones(50), n_bins=2) == 0


@pytest.mark.parametrize(("n", "bins"), [(5, 1), (100, 5), (10_000, 15)])
def test_few_predictions_make_few_bins(n, bins):
    assert calibration.bins_for(n) == bins


def test_log_loss_and_accuracy_are_those_of_the_pooled_predictions():
    found = calibration.compute(pooled([0, 1], [[0.8, 0.2], [0.6, 0.4]]))
    assert found.log_loss == pytest.approx(-(np.log(0.8) + np.log(0.4)) / 2, rel=1e-6)
    assert (found.accuracy, found.confidence) == (0.5, pytest.approx(0.7))
    assert found.independent


def test_repeated_examples_get_no_interval():
    found = calibration.compute(pooled([0, 0], [[0.8, 0.2], [0.6, 0.4]], ids=["a", "a"]))
    (line,) = calibration.draw([found]).data
    assert not found.independent
    assert line.error_y.array is None
