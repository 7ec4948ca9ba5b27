"""Parallel coordinates and the importance of parameters."""

import sys

import pytest

from harness.report.sections import importance
from tests.harness.report.folders import Trial, results_of

EVEN = Trial(1, [0.5, 0.6, 0.7])
BETTER = Trial(4, [0.7, 0.8, 0.9])


def test_parallel_coordinates_take_switches_for_words():
    """True and False are places on the axis, not numbers."""
    axis = importance._axis("batch_norm", [True, False, True])
    assert axis["ticktext"] == ["False", "True"]
    assert axis["values"] == [1, 0, 1]


def test_importance_goes_to_the_parameter_that_matters(tmp_path):
    trials = EVEN, BETTER, Trial(2, [0.9, 0.9, 0.9])
    assert importance.compute(results_of(tmp_path / "three", *trials)) is None
    with_fourth = results_of(tmp_path / "four", *trials, Trial(3, [0.1] * 3))
    assert importance.compute(with_fourth).shares == (("num_heads", pytest.approx(1.0)),)
    assert "4 configurations are few" in importance.importance(with_fourth).blocks[-1].text


def test_without_optuna_the_report_says_what_importance_needs(tmp_path, monkeypatch):
    trials = [Trial(heads, [heads / 10, heads / 10, 0.5]) for heads in (1, 2, 4, 8)]
    monkeypatch.setitem(sys.modules, "optuna", None)
    made = importance.importance(results_of(tmp_path, *trials))
    assert "needs optuna" in made.blocks[-1].text
