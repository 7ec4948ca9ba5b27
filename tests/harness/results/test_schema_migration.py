"""Columns that come later, types that are outgrown, and many parts made few."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from folders import deaths, read_rows, whole

from harness.results import schema_migration as module
from harness.results.parts import part_name
from harness.results.repair import repair
from harness.results.schema import param_type, table_schemas
from harness.results.schema_migration import compact, widen
from harness.results.table_writer import TableWriter


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


def test_compaction_leaves_the_same_rows_in_one_part_sorted_by_trial(build, folder):
    build.write(folder, "c", "a")
    build.write(folder, "b", status="failed")
    before = whole(folder)
    assert compact(folder, threshold=2) == 3
    assert whole(folder) == before
    assert {path.name for path in folder.glob("*/*.parquet")} == {part_name(["a", "b", "c"])}
    folds = [(row["trial_id"], row["fold"]) for row in read_rows(folder, "folds")]
    assert folds == [("a", 1), ("a", 2), ("c", 1), ("c", 2)]


def test_few_parts_are_left_alone(build, folder):
    build.write(folder, "a", "b")
    assert compact(folder, threshold=2) == 0
    assert len(_trials(folder)) == 2


def test_large_parts_are_not_joined_further(build, folder, monkeypatch):
    """So a trial that is replaced never costs the rewriting of everything."""
    build.write(folder, "a", "b", "c")
    monkeypatch.setattr(module, "PART_BYTES", 1)
    assert compact(folder, threshold=0) == 0
    assert set(whole(folder)) == {"a", "b", "c"}


def test_a_trial_of_a_compacted_part_can_be_replaced(build, folder):
    build.write(folder, "a", "b", "c")
    compact(folder, threshold=0)
    writer = TableWriter(folder, build.schemas)
    writer.add("b", build.tables("b", accuracy=0.75), replace=True)
    writer.close()
    rows = whole(folder)
    assert [rows[one]["val_accuracy_mean"] for one in "abc"] == [0.5, 0.75, 0.5]


def test_dying_while_the_tables_are_widened_leaves_old_or_new_columns(build, folder):
    build.write(folder, "a", "b")
    for copy in deaths(lambda copy: widen(copy, _schemas(model__name=["net"])), folder):
        repair(copy)
        names = {"params.model.name" in row for row in whole(copy).values()}
        assert len(names) == 1, "some parts are wide and others are not"
        widen(copy, _schemas(model__name=["net"]))
        assert [row["params.model.name"] for row in whole(copy).values()] == ["net", "net"]


def test_dying_while_parts_are_joined_neither_loses_nor_doubles(build, folder):
    build.write(folder, "a", "b", "c")
    before = whole(folder)
    for copy in deaths(lambda copy: compact(copy, threshold=1), folder):
        repair(copy)
        assert whole(copy) == before


def _trials(folder):
    return sorted((folder / "trials").glob("*.parquet"))
