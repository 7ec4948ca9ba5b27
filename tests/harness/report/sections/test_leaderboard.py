"""The leaderboard's columns, means and unfinished trials."""

import pytest

from harness.report.sections import leaderboard
from tests.harness.report.folders import Trial, results_of

EVEN = Trial(1, [0.5, 0.6, 0.7])


def test_the_leaderboard_scores_validation_and_test(tmp_path):
    board = leaderboard.compute(results_of(tmp_path, EVEN, Trial(2, status="pruned")))
    assert board.columns == ("val_accuracy", "test_accuracy")
    assert board.scores[EVEN.trial_id]["val_accuracy"].mean == pytest.approx(0.6)
    assert [one.status for one in board.unfinished] == ["pruned"]
