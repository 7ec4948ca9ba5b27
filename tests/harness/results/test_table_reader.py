"""What was written is read alike by us, pandas, DuckDB and Polars."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from folders import dying_at

from harness.errors import BenchError
from harness.results.journal import pending
from harness.results.parquet_parts import write_file
from harness.results.rows import TrialRows, to_tables
from harness.results.table_reader import (
    done_trials,
    fold_means,
    fold_rows,
    part_names,
    parts,
    probability_matrix,
    read_results,
    read_table,
)
from harness.results.table_writer import TableWriter
from harness.results.tables import TABLES
from tests.harness.results.folders import Builder


def test_done_trials_are_what_planning_needs(build, folder):
    build.write(folder, "a", fit_time_s=1.5, attempt=2, code_fingerprint="c0de")
    build.write(folder, "b", status="failed", error="diverged: loss is nan")
    done = done_trials(folder, objective="accuracy")
    assert done["a"].objective_mean == 0.5
    assert (done["a"].attempt, done["a"].fit_time_s, done["a"].n_repeats) == (2, 1.5, 1)
    assert done["a"].config == '{"model": {"name": "net", "width": 8}}'
    assert (done["b"].status, done["b"].error) == ("failed", "diverged: loss is nan")
    assert done["b"].objective_mean is None
    assert done["b"].code_fingerprint == ""
    assert done_trials(folder)["a"].objective_mean is None


def test_without_a_folder_nothing_is_done(folder):
    assert done_trials(folder) == {}
    with pytest.raises(BenchError, match="no results in"):
        read_results(folder)


def test_results_are_sorted_by_trial_and_free_of_uncommitted_rows(build, folder):
    build.write(folder, "b", "a")
    for table in ("predictions", "epochs", "folds"):
        write_file(folder / table / "orphan.parquet", build.tables("c")[table])
    results = read_results(folder)
    assert results.trials["trial_id"].tolist() == ["a", "b"]
    assert results.folds["trial_id"].tolist() == ["a", "a", "b", "b"]
    assert results.folds["fold"].tolist() == [1, 2, 1, 2]
    assert results.epochs["trial_id"].tolist() == ["a", "a", "b", "b"]
    assert set(results.predictions()["trial_id"]) == {"a", "b"}


def test_predictions_are_read_by_trial_role_and_column(build, folder):
    build.write(folder, "a", "b")
    results = read_results(folder)
    frame = results.predictions(trial_ids=["b"], role="validation")
    assert len(frame) == 6
    assert set(frame["trial_id"]) == {"b"}
    assert results.predictions(role="test").empty
    narrow = results.predictions(trial_ids=["a"], columns=["example_id", "target"])
    assert narrow.columns.tolist() == ["example_id", "target"]
    matrix = probability_matrix(frame)
    assert matrix.dtype == np.float32
    assert matrix[:3].tolist() == [[0.75, 0.25], [0.25, 0.75], [0.5, 0.5]]


def test_a_trials_predictions_are_looked_for_in_its_own_part(build, folder):
    """Another part is not opened; one that has gone since is made up for by reading all."""
    for trial_id in ("a", "b"):
        build.write(folder, trial_id)
    names = part_names(folder)
    wanted = [("trial_id", "in", ["a"])]
    everywhere = read_table(folder, "predictions", filters=wanted)
    other = folder / "predictions" / names["b"]
    content = other.read_bytes()
    other.write_bytes(b"")

    found = read_table(folder, "predictions", filters=wanted, within=[names["a"]])
    assert len(found) == len(everywhere) > 0
    other.write_bytes(content)
    gone = read_table(folder, "predictions", filters=wanted, within=["gone.parquet"])
    assert gone.equals(found)


def test_a_table_without_parts_is_empty_with_its_columns(build, folder):
    build.write(folder, "a", status="failed")
    frame = read_results(folder).predictions()
    assert frame.empty
    assert "probabilities" in frame.columns
    assert probability_matrix(frame).shape == (0, 0)


def test_unknown_tables_and_columns_name_the_nearest(build, folder):
    build.write(folder, "a")
    with pytest.raises(BenchError, match="no table 'fold'; there are"):
        read_table(folder, "fold")
    with pytest.raises(BenchError, match="no column 'val_acuracy'; did you mean 'val_accuracy'"):
        read_table(folder, "folds", columns=["val_acuracy"])


def test_fold_rows_are_plain_and_in_order(build, folder):
    build.write(folder, "a", "b", repeats=(1, 2))
    rows = fold_rows(folder, ["b", "z"])
    assert [(row["repeat"], row["fold"]) for row in rows["b"]] == [(1, 1), (1, 2), (2, 1), (2, 2)]
    assert rows["z"] == []
    assert fold_rows(folder, []) == {}


def test_a_change_under_way_is_read_as_finished(build, folder):
    build.write(folder, "a")
    seen = []
    for step in range(16):
        writer = TableWriter(folder, build.schemas)
        writer.add("a", build.tables("a", accuracy=step / 100), replace=True)
        with dying_at(step):
            writer.flush()
        if pending(folder):
            results = read_results(folder)
            seen.append(results.trials["val_accuracy_mean"].tolist() == [step / 100])
            assert results.folds["val_accuracy"].tolist() == [step / 100] * 2
            assert len(results.predictions()) == 6
    assert seen and all(seen)


def test_a_newer_schema_is_refused_by_name(build, folder):
    build.write(folder, "a")
    [path] = parts(folder, "trials")
    rows = pq.ParquetFile(path).read()
    place = rows.schema.get_field_index("schema_version")
    write_file(path, rows.set_column(place, rows.schema.field(place), pa.array([2], pa.int32())))
    for read in (read_results, done_trials):
        with pytest.raises(BenchError, match="newer version of bench: schema version 2, this one"):
            read(folder)


@pytest.fixture
def mixed(build, folder):
    """Several parts: complete, failed, replaced; groups in none."""
    build.write(folder, "a", "b", fit_time_s=2.0)
    build.write(folder, "c", status="failed", error="no")
    return folder


@pytest.mark.parametrize("table", TABLES)
def test_pandas_reads_each_folder_as_it_lies(mixed, table):
    ours = _plain(read_table(mixed, table))
    assert _plain(pd.read_parquet(mixed / table)) == ours
    assert len(ours) > 1


@pytest.mark.parametrize("table", TABLES)
def test_duckdb_reads_each_folder_as_it_lies(mixed, table):
    duckdb = pytest.importorskip("duckdb", reason="DuckDB is not installed")
    rows = duckdb.sql(f"select * from '{mixed / table}/*.parquet'").to_arrow_table()
    assert _plain(rows.to_pandas()) == _plain(read_table(mixed, table))


@pytest.mark.parametrize("table", TABLES)
def test_polars_reads_each_folder_as_it_lies(mixed, table):
    polars = pytest.importorskip("polars", reason="Polars is not installed")
    rows = polars.read_parquet(mixed / table).to_arrow()
    assert _plain(rows.to_pandas()) == _plain(read_table(mixed, table))


def _plain(frame):
    """Rows as text, in an order of their own: what a reader sees, whatever its types are."""
    listed = frame.astype(object).where(frame.notna(), None)
    if "probabilities" in listed:
        listed["probabilities"] = [tuple(map(float, cell)) for cell in listed["probabilities"]]
    return sorted(str(list(row.items())) for row in listed.to_dict("records"))


def test_a_thousand_done_trials_are_known_at_once(build, folder):
    """Measured at 0.02 s; much more would be felt in every command."""
    writer = TableWriter(folder, build.schemas)
    for place in range(1000):
        writer.add(f"{place:016x}", build.tables(f"{place:016x}"))
    writer.close()
    start_s = time.process_time()
    assert len(done_trials(folder, objective="accuracy")) == 1000
    assert time.process_time() - start_s < 0.5


def test_asking_what_is_done_imports_neither_pandas_nor_torch(build, folder):
    build.write(folder, "a")
    code = (
        "import sys; from pathlib import Path;"
        "from harness.results.table_reader import done_trials\n"
        "from harness.results.repair import repair\n"
        f"repair(Path({str(folder)!r})); done_trials(Path({str(folder)!r}));"
        "slow = {'pandas', 'torch', 'ray', 'sklearn', 'scipy', 'pyarrow.dataset'};"
        "print(slow & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def write_curves(folder: Path, trial_id: str, *folds: list[float], stage: str = "training") -> None:
    """A pruned trial whose folds had these validation accuracies after their epochs."""
    rows = [
        {"stage": stage, "repeat": 1, "fold": fold, "epoch": epoch, "val_accuracy": value}
        for fold, values in enumerate(folds, start=1)
        for epoch, value in enumerate(values, start=1)
    ]
    trial = {"trial_id": trial_id, "status": "pruned", "config": '{"model": {}}'}
    writer = TableWriter(folder, Builder.schemas)
    writer.add(trial_id, to_tables(TrialRows(trial, epochs=rows), Builder.schemas))
    writer.close()


def test_an_epoch_is_the_mean_over_folds(tmp_path: Path) -> None:
    """0.2 and 0.4, then 0.6 and 0.8."""
    write_curves(tmp_path, "a", [0.2, 0.6], [0.4, 0.8])
    (curve,) = fold_means(tmp_path, ["a"], metric="accuracy").values()
    assert [epoch for epoch, _ in curve] == [1, 2]
    assert [value for _, value in curve] == pytest.approx([0.3, 0.7])


def test_who_stopped_early_counts_with_its_last_value(tmp_path: Path) -> None:
    """As in training: fold 2 stays at 0.4."""
    write_curves(tmp_path, "a", [0.2, 0.6, 0.8], [0.4])
    curve = fold_means(tmp_path, ["a"], metric="accuracy")["a"]
    assert [value for _, value in curve] == pytest.approx([0.3, 0.5, 0.6])


def test_only_training_of_the_named_trials_counts(tmp_path: Path) -> None:
    """Pretraining has a task of its own; another metric was not recorded."""
    write_curves(tmp_path, "a", [0.2])
    write_curves(tmp_path, "b", [0.9], stage="pretraining")
    assert list(fold_means(tmp_path, ["a", "b"], metric="accuracy")) == ["a"]
    assert fold_means(tmp_path, [], metric="accuracy") == {}
    assert fold_means(tmp_path, ["a"], metric="macro_f1") == {}
