"""A metric added later is computed from predictions, where there are any."""

import numpy as np
import pytest
from folders import deaths, read_rows, whole

from harness.results.metric_backfill import FillReport, fill_metrics
from harness.results.repair import repair
from harness.results.row_tables import TrialRows, to_tables
from harness.results.schema import table_schemas
from harness.results.schema_migration import widen
from harness.results.table_writer import TableWriter

LATER = table_schemas(metrics=("accuracy", "macro_f1", "log_loss"), objective="accuracy", params={})
# Targets 0 1 1, predicted 0 1 0: both classes have F1 2/3.
MACRO_F1 = 2 / 3
LOG_LOSS = -np.log([0.75, 0.75, 0.5]).mean()


def test_validation_and_test_columns_are_filled_and_train_stays_null(build, folder):
    build.write(folder, "a", "b")
    widen(folder, LATER)
    report = fill_metrics(folder, ["accuracy", "macro_f1", "log_loss"])
    assert report == FillReport(filled=("a", "b"))
    for row in read_rows(folder, "folds"):
        assert row["val_macro_f1"] == pytest.approx(MACRO_F1)
        assert row["val_log_loss"] == pytest.approx(LOG_LOSS)
        assert row["train_macro_f1"] is None
        assert row["test_macro_f1"] is None
        assert row["val_accuracy"] == 0.5, "a metric that was there is left alone"
    trial = whole(folder)["a"]
    assert trial["val_macro_f1_mean"] == pytest.approx(MACRO_F1)
    assert trial["val_macro_f1_std"] == pytest.approx(0.0)
    assert trial["train_macro_f1_mean"] is None
    assert trial["val_accuracy_mean"] == 0.5


def test_test_predictions_fill_the_test_columns(build, folder):
    rows = build.rows("a")
    tests = [build.predictions(1, fold, "test") for fold in (1, 2)]
    both = TrialRows(rows.trial, rows.folds, rows.epochs, [*rows.predictions, *tests])
    writer = TableWriter(folder, build.schemas)
    writer.add("a", to_tables(both, build.schemas))
    writer.close()
    widen(folder, LATER)
    fill_metrics(folder, ["macro_f1"])
    assert [row["test_macro_f1"] for row in read_rows(folder, "folds")] == pytest.approx(
        [MACRO_F1, MACRO_F1]
    )
    assert [row["test_macro_f1_mean"] for row in read_rows(folder, "trials")] == pytest.approx(
        [MACRO_F1]
    )


def test_without_predictions_the_columns_stay_null_and_it_is_said(build, folder):
    rows = build.rows("a")
    bare = TrialRows(rows.trial, rows.folds, rows.epochs)
    writer = TableWriter(folder, build.schemas)
    writer.add("a", to_tables(bare, build.schemas))
    writer.add("b", build.tables("b"))
    writer.close()
    widen(folder, LATER)
    report = fill_metrics(folder, ["macro_f1"])
    assert (report.filled, report.without_predictions) == (("b",), ("a",))
    assert report.lines() == [
        "computed new metrics of 1 trials from predictions",
        "new metrics stay empty for 1 trials: no predictions were kept",
    ]
    values = {row["trial_id"]: row["val_macro_f1"] for row in read_rows(folder, "folds")}
    assert values["a"] is None
    assert values["b"] == pytest.approx(MACRO_F1)


def test_nothing_is_done_twice(build, folder):
    build.write(folder, "a")
    widen(folder, LATER)
    fill_metrics(folder, ["macro_f1"])
    assert fill_metrics(folder, ["macro_f1", "accuracy"]) == FillReport()


def test_failed_trials_are_passed_over(build, folder):
    build.write(folder, "a", status="failed")
    widen(folder, LATER)
    assert fill_metrics(folder, ["macro_f1"]) == FillReport()


def test_dying_meanwhile_leaves_folds_and_trials_in_agreement(build, folder):
    build.write(folder, "a")
    widen(folder, LATER)
    for copy in deaths(lambda copy: fill_metrics(copy, ["macro_f1"]), folder):
        repair(copy)
        filled = {row["val_macro_f1"] is not None for row in read_rows(copy, "folds")}
        assert filled == {whole(copy)["a"]["val_macro_f1_mean"] is not None}
