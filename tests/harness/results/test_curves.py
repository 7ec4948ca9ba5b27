"""Fold means of epochs, as a scheduler heard them."""

from pathlib import Path

import pytest

from harness.results.curves import fold_means
from harness.results.row_tables import TrialRows, to_tables
from harness.results.table_writer import TableWriter
from tests.harness.results.folders import Builder

SCHEMAS = Builder.schemas


def write(folder: Path, trial_id: str, *folds: list[float], stage: str = "training") -> None:
    """A pruned trial whose folds had these validation accuracies after their epochs."""
    rows = [
        {"stage": stage, "repeat": 1, "fold": fold, "epoch": epoch, "val_accuracy": value}
        for fold, values in enumerate(folds, start=1)
        for epoch, value in enumerate(values, start=1)
    ]
    trial = {"trial_id": trial_id, "status": "pruned", "config": '{"model": {}}'}
    writer = TableWriter(folder, SCHEMAS)
    writer.add(trial_id, to_tables(TrialRows(trial, epochs=rows), SCHEMAS))
    writer.close()


def test_an_epoch_is_the_mean_over_folds(tmp_path: Path) -> None:
    """0.2 and 0.4, then 0.6 and 0.8."""
    write(tmp_path, "a", [0.2, 0.6], [0.4, 0.8])
    (curve,) = fold_means(tmp_path, ["a"], metric="accuracy").values()
    assert [epoch for epoch, _ in curve] == [1, 2]
    assert [value for _, value in curve] == pytest.approx([0.3, 0.7])


def test_who_stopped_early_counts_with_its_last_value(tmp_path: Path) -> None:
    """As in training: fold 2 stays at 0.4."""
    write(tmp_path, "a", [0.2, 0.6, 0.8], [0.4])
    curve = fold_means(tmp_path, ["a"], metric="accuracy")["a"]
    assert [value for _, value in curve] == pytest.approx([0.3, 0.5, 0.6])


def test_only_training_of_the_named_trials_counts(tmp_path: Path) -> None:
    """Pretraining has a task of its own; another metric was not recorded."""
    write(tmp_path, "a", [0.2])
    write(tmp_path, "b", [0.9], stage="pretraining")
    assert list(fold_means(tmp_path, ["a", "b"], metric="accuracy")) == ["a"]
    assert fold_means(tmp_path, [], metric="accuracy") == {}
    assert fold_means(tmp_path, ["a"], metric="macro_f1") == {}
