"""The answer: the best, who can't be told apart from it, and what choosing did."""

import pytest

from harness.report.sections import answer
from tests.harness.report.folders import FILE, Trial, results_of

EVEN = Trial(1, [0.5, 0.6, 0.7])
BETTER = Trial(4, [0.7, 0.8, 0.9])


def test_the_answer_names_the_best_and_who_is_not_told_apart(tmp_path):
    """Every fold differs by 0.2, so the other one is told apart."""
    found = answer.compute(results_of(tmp_path, EVEN, BETTER))
    assert found.best.label == "num_heads=4"
    assert found.validation.mean == pytest.approx(0.8)
    assert (found.tied, found.tried) == (0, 2)


def test_without_a_complete_trial_there_is_no_answer(tmp_path):
    assert answer.compute(results_of(tmp_path, Trial(1, status="failed"))) is None


LOW = Trial(1, [0.5, 0.6, 0.7])
HIGH = Trial(4, [0.7, 0.8, 0.9])
NEAR = Trial(2, [0.7, 0.9, 0.8])


def test_the_answer_says_what_could_have_been_seen(tmp_path):
    results = results_of(tmp_path, HIGH, NEAR)
    text = answer.sentence(answer.compute(results), results)
    assert "no difference to the other one was seen, and the smallest that could" in text


def test_the_optimism_of_the_winner_is_told_with_the_nested_estimate(tmp_path):
    """Validation picks 4 heads in folds 1 and 2, and 2 heads in fold 3: tests 0.5, 0.5 and 0.6."""
    results = results_of(
        tmp_path,
        Trial(4, [0.8, 0.8, 0.7], test=[0.5, 0.5, 0.5]),
        Trial(2, [0.6, 0.6, 0.8], test=[0.6, 0.6, 0.6]),
    )
    found = answer.compute(results)
    assert found.optimism.gap == pytest.approx(0.7667 - 0.5, abs=1e-4)
    assert found.nested.mean == pytest.approx(1.6 / 3)


def test_the_baseline_of_the_file_is_answered_first(tmp_path):
    text = FILE + "baseline: {model.num_heads: 1}\n"
    found = answer.compute(results_of(tmp_path, LOW, HIGH, text=text))
    assert found.baseline.difference.mean == pytest.approx(0.2)


def test_one_fold_has_an_interval_over_its_examples(tmp_path):
    """Wilson for 20 of 40: 0.352 to 0.648."""
    results = results_of(tmp_path, Trial(1, [0.5]))
    found = answer.compute(results).validation
    assert (found.low, found.high) == pytest.approx((0.352, 0.648), abs=5e-4)
