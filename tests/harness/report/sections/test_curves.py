"""Learning curves: means over folds, each fold, best epoch and last."""

import pandas as pd
import pytest

from harness.report.overfitting import overfit_summaries
from harness.report.sections import curves
from tests.harness.report.folders import Trial, results_of
from tests.harness.report.sections.predictions import configuration

EVEN = Trial(1, [0.5, 0.6, 0.7])
ONE = configuration()


def epochs(*folds, train=1.0, stage="training", trial_id=ONE.trial_id):
    """Rows of `epochs`: validation accuracies of each fold, train at a constant."""
    return pd.DataFrame([
        {"trial_id": trial_id, "stage": stage, "repeat": 1, "fold": fold, "epoch": epoch,
         "val_accuracy": value, "train_accuracy": train}
        for fold, values in enumerate(folds, start=1)
        for epoch, value in enumerate(values, start=1)
    ])  # fmt: skip


def test_a_curve_is_the_mean_over_folds_with_its_band(tmp_path):
    results = results_of(tmp_path, EVEN)
    rows = results.epochs([EVEN.trial_id])
    (found,) = curves.compute(rows, results.complete, "val_accuracy", "train_accuracy")
    assert found.epochs == (1, 2)
    assert found.mean == pytest.approx((0.3, 0.6))
    assert (found.low[1], found.high[1]) == (0.5, 0.7)


def test_a_curve_ends_where_its_first_fold_does():
    (found,) = curves.compute(epochs([0.1], [0.2, 0.3]), (ONE,), "val_accuracy", "train_accuracy")
    assert found.epochs == (1,)


def test_pretraining_is_no_part_of_a_curve():
    before = epochs([0.9, 0.9, 0.9], stage="pretraining").assign(repeat=None, fold=None)
    rows = pd.concat([before.astype({"repeat": float, "fold": float}), epochs([0.1, 0.2])])
    (found,) = curves.compute(rows, (ONE,), "val_accuracy", "train_accuracy")
    assert found.mean == pytest.approx((0.1, 0.2))
    (fold,) = curves.fold_curves(rows, ONE, "val_accuracy", "train_accuracy")
    assert (fold.name, fold.values) == ("fold 1", (0.1, 0.2))


def test_every_fold_has_a_line_of_its_own():
    found = curves.fold_curves(epochs([0.1, 0.2], [0.3, 0.4]), ONE, "val_accuracy", "none")
    assert [(one.name, one.values, one.train) for one in found] == [
        ("fold 1", (0.1, 0.2), ()),
        ("fold 2", (0.3, 0.4), ()),
    ]
    assert len(curves.draw_folds(found, "#0072b2", "accuracy").data) == 2


def test_the_last_epoch_loses_what_the_best_had_more():
    """Fold 1 peaks at epoch 2 and loses 0.2, fold 2 at epoch 3 and loses nothing."""
    rows = epochs([0.5, 0.8, 0.6], [0.5, 0.6, 0.7], train=0.9)
    (found,) = overfit_summaries(rows, (ONE,), metric="accuracy", mode="max", size_ratio=0.5)
    assert found.epochs == (2, 3)
    assert (found.at_best, found.at_last) == (pytest.approx(0.75), pytest.approx(0.65))
    assert found.lost.mean == pytest.approx(0.1)
    assert found.gap_best == pytest.approx(0.15)
    assert found.gap_last == pytest.approx(0.25)


def test_the_earlier_of_equal_epochs_is_best_and_less_is_better_for_a_loss():
    rows = epochs([0.5, 0.2, 0.2, 0.4])
    (found,) = overfit_summaries(rows, (ONE,), metric="accuracy", mode="min", size_ratio=0.5)
    assert found.epochs == (2,)
    assert found.lost.mean == pytest.approx(0.2)


def test_long_curves_keep_their_last_epoch(tmp_path):
    (found,) = curves.compute(epochs(range(1, 1001)), (ONE,), "val_accuracy", "train_accuracy")
    band, _, line = curves.draw([found], "accuracy").data
    assert len(line.x) == curves.MOST_POINTS
    assert (line.x[-1], line.y[-1]) == (1000, 1000)
    assert len(band.x) == 2 * curves.MOST_POINTS
