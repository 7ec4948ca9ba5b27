"""Columns that come later, types that are outgrown, and metrics added later."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from folders import deaths, read_rows, whole

from harness.results.column_types import param_type
from harness.results.repair import repair
from harness.results.rows import TrialRows, to_tables
from harness.results.schema_migration import FillReport, fill_metrics, widen
from harness.results.table_writer import TableWriter
from harness.results.tables import table_schemas


def _schemas(metrics=("accuracy",), objective="accuracy", **params):
    paths = {name.replace("__", "."): param_type(values) for name, values in params.items()}
    return table_schemas(metrics=metrics, objective=objective, params=paths)


def test_an_empty_folder_takes_the_schemas_as_they_are(build, folder):
    assert widen(folder, build.schemas) == build.schemas


def test_parts_that_are_wide_enough_are_not_touched(build, folder):
    build.write(folder, "a")
    before = {path: path.stat().st_mtime_ns for path in folder.glob("*/*.parquet")}
    assert widen(folder, _schemas()) == build.schemas
    assert {path: path.stat().st_mtime_ns for path in folder.glob("*/*.parquet")} == before


def test_late_parameters_are_filled_from_the_configuration(build, folder):
    build.write(folder, "a", width=16)
    wide = widen(folder, _schemas(model__name=["net"], model__depth=[1, 2]))
    [row] = read_rows(folder, "trials")
    assert row["params.model.width"] == 16
    assert row["params.model.name"] == "net"
    assert row["params.model.depth"] is None
    build.write(folder, "b", width=8, schemas=wide)
    assert [row["params.model.name"] for row in whole(folder).values()] == ["net", "net"]


def test_a_new_metric_gets_null_columns(build, folder):
    build.write(folder, "a")
    widen(folder, _schemas(metrics=("accuracy", "macro_f1"), objective="macro_f1"))
    assert {row["val_macro_f1"] for row in read_rows(folder, "folds")} == {None}
    assert {row["val_macro_f1"] for row in read_rows(folder, "epochs")} == {None}
    assert whole(folder)["a"]["val_macro_f1_mean"] is None


@pytest.mark.parametrize(
    ("domain", "kind", "cell"),
    [
        ([0.5], pa.float64(), 8.0),
        (["wide"], pa.string(), "8"),
        ([[1, 2]], pa.string(), "8"),
        ([True], pa.string(), "8"),
    ],
)
def test_a_domain_that_outgrows_its_type_widens_the_column(build, folder, domain, kind, cell):
    build.write(folder, "a")
    wide = widen(folder, _schemas(model__width=domain))
    assert wide["trials"].field("params.model.width").type == kind
    assert whole(folder)["a"]["params.model.width"] == cell
    build.write(folder, "b", width=domain[0], schemas=wide)
    assert {pq.read_schema(path).field("params.model.width").type for path in _trials(folder)} == {
        kind
    }


def test_a_column_never_becomes_narrower(build, folder):
    wide = widen(folder, _schemas(model__width=[0.5]))
    build.write(folder, "a", width=0.5, schemas=wide)
    assert widen(folder, _schemas(model__width=[8])) == wide


def test_null_then_text_is_text(build, folder):
    """A column whose values are all null in old parts has its declared type all the same."""
    build.write(folder, "a")
    assert pq.read_schema(_trials(folder)[0]).field("error").type == pa.string()
    build.write(folder, "b", status="failed", error="diverged: loss is nan")
    whole(folder)


def test_dying_while_the_tables_are_widened_leaves_old_or_new_columns(build, folder):
    build.write(folder, "a", "b")
    for copy in deaths(lambda copy: widen(copy, _schemas(model__name=["net"])), folder):
        repair(copy)
        names = {"params.model.name" in row for row in whole(copy).values()}
        assert len(names) == 1, "some parts are wide and others are not"
        widen(copy, _schemas(model__name=["net"]))
        assert [row["params.model.name"] for row in whole(copy).values()] == ["net", "net"]


def _trials(folder):
    return sorted((folder / "trials").glob("*.parquet"))


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
    assert trial["val_log_loss_mean"] == pytest.approx(LOG_LOSS), "a metric, though called a loss"
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
