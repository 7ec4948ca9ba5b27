"""Rows become tables of exactly the declared schema, or an error that names the column."""

import math
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest

from harness.results.column_types import conform, param_type
from harness.results.rows import FoldPredictions, TrialRows, from_ipc, to_ipc, to_tables
from harness.results.tables import table_schemas


def test_tables_have_the_declared_schemas(build):
    tables = build.tables("t1")
    assert {name: table.schema for name, table in tables.items()} == build.schemas
    assert {name: len(table) for name, table in tables.items()} == {
        "attention": 2,
        "layers": 2,
        "predictions": 6,
        "epochs": 2,
        "folds": 2,
        "trials": 1,
    }


def test_a_trial_without_folds_keeps_typed_empty_tables(build):
    tables = to_tables(TrialRows({"trial_id": "t1", "status": "failed"}), build.schemas)
    assert tables["predictions"].schema == build.schemas["predictions"]
    assert [len(tables[name]) for name in ("predictions", "epochs", "folds", "trials")] == [
        0,
        0,
        0,
        1,
    ]


def test_every_row_carries_the_trial_and_the_schema_version(build):
    for table in build.tables("t1").values():
        assert set(table["trial_id"].to_pylist()) == {"t1"}
        assert set(table["schema_version"].to_pylist()) == {1}


def test_predictions_keep_their_order_and_values(build):
    group = FoldPredictions(
        repeat=2,
        fold=3,
        role="test",
        example_ids=np.array(["x", "y"]),
        groups=["g", "h"],
        targets=np.array([1, 0]),
        predicted=np.array([1, 1]),
        probabilities=np.array([[0.25, 0.75], [0.5, 0.5]]),
    )
    rows = TrialRows({"trial_id": "t1"}, predictions=[build.predictions(1, 1), group])
    table = to_tables(rows, build.schemas)["predictions"]
    assert table["role"].to_pylist() == ["validation"] * 3 + ["test"] * 2
    assert table["repeat"].to_pylist() == [1, 1, 1, 2, 2]
    assert table["fold"].to_pylist() == [1, 1, 1, 3, 3]
    assert table["example_id"].to_pylist() == ["a", "b", "c", "x", "y"]
    assert table["group"].to_pylist() == [None, None, None, "g", "h"]
    assert table["target"].to_pylist() == [0, 1, 1, 1, 0]
    assert table["predicted"].to_pylist() == [0, 1, 0, 1, 1]
    assert table["probabilities"].to_pylist()[2:4] == [[0.5, 0.5], [0.25, 0.75]]


def test_nan_and_absent_values_are_null(build):
    folds = [{"repeat": 1, "fold": 1, "val_accuracy": math.nan}, {"repeat": 1, "fold": 2}]
    table = to_tables(TrialRows({"trial_id": "t1"}, folds=folds), build.schemas)["folds"]
    assert table["val_accuracy"].to_pylist() == [None, None]


def test_times_keep_their_zone(build):
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    table = build.tables("t1", started_at=moment)["trials"]
    assert table["started_at"].to_pylist() == [moment]


def test_parameters_come_from_the_configuration_where_the_row_lacks_them(build):
    assert build.tables("t1", width=16)["trials"]["params.model.width"].to_pylist() == [16]
    given = build.tables("t1", width=16, **{"params.model.width": 8})["trials"]
    assert given["params.model.width"].to_pylist() == [8]


def test_mixed_parameters_become_text():
    schemas = table_schemas(
        metrics=("accuracy",),
        objective="accuracy",
        params={"model.kernel": param_type([[3, 3], 5])},
    )
    cells = [
        to_tables(TrialRows({"trial_id": "t", "params.model.kernel": value}), schemas)["trials"][
            "params.model.kernel"
        ].to_pylist()
        for value in ([3, 3], 5)
    ]
    assert cells == [["[3, 3]"], ["5"]]


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        (TrialRows({"trial_id": "t", "stauts": "failed"}), "no column stauts.*'status'"),
        (TrialRows({"trial_id": "t"}, folds=[{"fold": "two"}]), "folds.fold is int32"),
        (TrialRows({"trial_id": "t"}, epochs=[{"lr": "0.1"}]), "epochs.lr is double"),
        (TrialRows({"trial_id": "t", "attempt": 2**40}), "trials.attempt is int32"),
    ],
)
def test_a_wrong_row_is_named(build, rows, text):
    with pytest.raises(ValueError, match=text):
        to_tables(rows, build.schemas)


def test_predictions_of_the_train_role_or_uneven_length_are_refused(build):
    with pytest.raises(ValueError, match="not 'train'"):
        to_tables(
            TrialRows({"trial_id": "t"}, predictions=[build.predictions(1, 1, "train")]),
            build.schemas,
        )
    block = build.predictions(1, 1)
    short = FoldPredictions(**{**vars(block), "example_ids": ["a"]})
    with pytest.raises(ValueError, match="differ in length"):
        to_tables(TrialRows({"trial_id": "t"}, predictions=[short]), build.schemas)


def test_the_wire_changes_nothing(build):
    tables = build.tables("t1")
    assert from_ipc(to_ipc(tables)) == tables


def test_conforming_keeps_the_meaning_of_cells():
    table = pa.table({"n": pa.array([1, None]), "flag": pa.array([True, False])})
    wide = pa.schema([("flag", pa.string()), ("n", pa.float64()), ("new", pa.int32())])
    assert conform(table, wide).to_pydict() == {
        "flag": ["true", "false"],
        "n": [1.0, None],
        "new": [None, None],
    }
