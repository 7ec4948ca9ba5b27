"""Summaries by hand, and what a null does to them."""

import math

import pandas as pd
import pytest

from harness.errors import BenchError
from harness.results.summaries import loss_summary, mean_std, metric_summary, rank


def test_the_deviation_is_the_samples():
    """Mean 3, squares 4 + 1 + 0 + 1 + 4 over 4."""
    assert mean_std([1, 2, 3, 4, 5]) == (3.0, math.sqrt(2.5))


def test_one_value_has_no_deviation_and_no_value_no_mean():
    assert mean_std([0.5]) == (0.5, None)
    assert mean_std([]) == (None, None)


@pytest.mark.parametrize("hole", [None, math.nan])
def test_a_fold_without_a_value_leaves_no_mean(hole):
    assert mean_std([0.5, hole]) == (None, None)


def test_a_trial_is_summarised_over_all_folds_and_repeats():
    folds = [
        {"val_accuracy": 0.5, "val_loss": 1.0, "train_accuracy": 1.0},
        {"val_accuracy": 0.75, "val_loss": 2.0, "train_accuracy": 1.0},
    ]
    summary = metric_summary(folds, ["accuracy"]) | loss_summary(folds)
    assert summary["val_accuracy_mean"] == 0.625
    assert summary["val_accuracy_std"] == pytest.approx(math.sqrt(2 * 0.125**2))
    assert summary["train_accuracy_std"] == 0.0
    assert summary["val_loss_mean"] == 1.5
    assert summary["test_accuracy_mean"] is None
    assert summary["test_loss_mean"] is None
    assert set(summary) == {
        *(f"{s}_accuracy_{n}" for s in ("train", "val", "test") for n in ("mean", "std")),
        *(f"{s}_loss_mean" for s in ("train", "val", "test")),
    }


def test_only_complete_trials_are_ranked_and_ties_go_by_id():
    trials = pd.DataFrame(
        {
            "trial_id": ["d", "c", "b", "a", "e"],
            "status": ["complete", "complete", "complete", "pruned", "complete"],
            "val_accuracy_mean": [0.5, 0.9, 0.5, 1.0, None],
        }
    )
    assert rank(trials, "accuracy", "max")["trial_id"].tolist() == ["c", "b", "d", "e"]
    assert rank(trials, "accuracy", "min")["trial_id"].tolist() == ["b", "d", "c", "e"]


def test_ranking_by_a_metric_without_a_column_is_refused():
    with pytest.raises(BenchError, match="val_macro_f1_mean"):
        rank(pd.DataFrame({"trial_id": [], "status": []}), "macro_f1", "max")
