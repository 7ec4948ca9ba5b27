"""The row classes: the schemas that follow from them, and the rows that training builds."""

from pathlib import Path

import pyarrow as pa
import pytest

from harness.results.column_types import param_type
from harness.results.tables import (
    N_ROWS,
    ROWS,
    TABLES,
    EpochRow,
    FoldRow,
    TrialRow,
    columns,
    table_schemas,
)

VERSION_1 = Path(__file__).with_name("schema_version_1.txt")
PARAMS = {
    "model.name": param_type(["a"]),
    "training.lr": param_type([0.1]),
    "model.width": param_type([8]),
    "model.bias": param_type([True]),
}


def test_the_schemas_are_those_of_version_1_to_the_last_field() -> None:
    """Written down from the version in which schemas were spelled out, table by table."""
    schemas = table_schemas(metrics=("accuracy", "macro_f1"), objective="macro_f1", params=PARAMS)
    lines = []
    for table, schema in schemas.items():
        lines += [f"# {table}", *(f"{field.name}: {field.type}" for field in schema)]
    assert lines == VERSION_1.read_text(encoding="utf-8").splitlines()


def test_the_trials_row_is_written_last() -> None:
    assert TABLES == ("attention", "layers", "predictions", "epochs", "folds", "trials")


def test_all_columns_may_be_null_and_none_occurs_twice() -> None:
    """The objective `accuracy` has a column that epochs have anyway."""
    schemas = table_schemas(metrics=("accuracy",), objective="accuracy", params={})
    for schema in schemas.values():
        assert all(field.nullable for field in schema)
        assert len(set(schema.names)) == len(schema.names)
        assert schema.field("schema_version").type == pa.int32()


def test_a_rule_gives_metric_by_metric_and_word_by_word() -> None:
    [rule] = [column for column in columns("trials") if column.name.endswith("{mean,std}")]
    names = rule.names(metrics=("accuracy", "log_loss"), objective="accuracy")
    assert names[:4] == [
        "train_accuracy_mean",
        "train_accuracy_std",
        "val_accuracy_mean",
        "val_accuracy_std",
    ]
    assert names[-1] == "test_log_loss_std"
    assert len(names) == 2 * 3 * 2


def test_trials_count_the_rows_of_every_other_table() -> None:
    counted = [column.name for column in columns("trials") if column.name.startswith(N_ROWS)]
    assert counted == [f"{N_ROWS}{table}" for table in TABLES[:-1]]


@pytest.mark.parametrize("row", ROWS, ids=TABLES)
def test_every_column_says_what_it_means(row: type) -> None:
    assert all(column.meaning and column.kind.words for column in columns(row.table))
    assert row.__doc__


def test_cells_spread_what_follows_from_a_rule() -> None:
    row = FoldRow(repeat=1, fold=2, scores={"val_accuracy": 0.5}, losses={"val_loss": 0.25})
    cells = row.cells()
    assert (cells["fold"], cells["val_accuracy"], cells["val_loss"]) == (2, 0.5, 0.25)
    assert cells["best_epoch"] is None
    assert "scores" not in cells


def test_the_objective_names_its_column_and_is_left_out_without_a_name() -> None:
    row = EpochRow(stage="training", epoch=1, val_accuracy=0.5, val_objective=0.25)
    assert row.cells(objective="macro_f1")["val_macro_f1"] == 0.25
    plain = row.cells()
    assert not {"val_macro_f1", "val_objective", "val_<objective>"} & plain.keys()


def test_the_cells_of_a_row_are_columns_of_its_table() -> None:
    schema = table_schemas(metrics=(), objective="macro_f1", params=PARAMS)["trials"]
    cells = TrialRow(trial_id="a", params={"params.model.width": 8}).cells()
    assert cells.keys() <= set(schema.names)
