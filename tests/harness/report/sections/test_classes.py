"""Classes: counts, rates and curves, each class against the rest."""

import numpy as np
import pytest

from harness.report.sections import classes
from tests.harness.report.folders import Trial, results_of
from tests.harness.report.sections.predictions import pooled


def test_counts_and_rates_come_from_predictions():
    """Cat, dog, dog, cat are called cat, dog, cat, cat."""
    found = classes.compute(pooled([0, 1, 1, 0], [[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.7, 0.3]]))
    assert found.counts.tolist() == [[2, 0], [1, 1]]
    assert found.precision == pytest.approx([2 / 3, 1])
    assert found.recall == pytest.approx([1, 0.5])
    assert found.f1 == pytest.approx([0.8, 2 / 3])
    assert found.auc == pytest.approx([1, 1])


def test_areas_are_those_of_the_worked_example_of_scikit_learn():
    """Its manual: scores 0.1, 0.4, 0.35, 0.8 of 0, 0, 1, 1 have AUC 0.75 and average
    precision 0.83."""
    scores = np.array([0.1, 0.4, 0.35, 0.8])
    found = classes.compute(pooled([0, 0, 1, 1], np.stack([1 - scores, scores], axis=1)))
    assert found.auc[1] == pytest.approx(0.75)
    assert found.average_precision[1] == pytest.approx(0.8333, abs=1e-4)
    recall, precision = found.curves[1]
    assert np.sum(np.diff(recall) * precision[1:]) == pytest.approx(0.8333, abs=1e-4)


def test_a_class_that_does_not_occur_has_no_curve_and_no_area():
    found = classes.compute(pooled([0, 0], [[0.9, 0.1], [0.4, 0.6]]))
    assert np.isnan(found.auc).all()
    assert np.isnan(found.recall[1])
    assert len(found.roc[1][0]) == 0
    assert classes.draw_roc(found, "#0072b2").data == ()


def test_a_long_curve_keeps_its_ends():
    random = np.random.default_rng(0)
    targets, scores = random.integers(0, 2, 5000), random.random(5000)
    found = classes.compute(
        pooled(targets, np.stack([1 - scores, scores], axis=1), ids=["a"] * 5000)
    )
    false, true = found.roc[1]
    assert len(false) == classes.MOST_POINTS
    assert (false[0], true[0], false[-1], true[-1]) == (0, 0, 1, 1)


def test_the_baseline_may_be_chosen_beside_the_best(tmp_path):
    trials = [
        Trial(heads, [score] * 3) for heads, score in [(1, 0.5), (2, 0.6), (4, 0.7), (8, 0.8)]
    ]
    results = results_of(tmp_path, *trials, baseline="num_heads=1")
    (_, choice) = classes.classes(results).blocks
    assert [one.name for one in choice.options] == ["#1 num_heads=8", "#2 num_heads=4",
                                                    "#4 num_heads=1"]  # fmt: skip
