"""What the trials table promises is looked for when a folder is opened, whatever took it away."""

import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from harness.results.integrity import lost_rows
from harness.results.layout import unknown_lines
from harness.results.parquet_parts import part_name, read_extent, read_file, write_file
from harness.results.table_reader import done_trials, read_results
from harness.results.table_writer import TableWriter
from harness.results.tables import N_ROWS, TABLES

OTHERS = TABLES[:-1]


@pytest.fixture
def two(build: Any, folder: Path) -> Path:
    """A folder in which the trials a and b share their parts."""
    writer = TableWriter(folder, build.schemas)
    for trial_id in ("a", "b"):
        writer.add(trial_id, build.tables(trial_id))
    writer.close()
    return folder


def part(folder: Path, table: str) -> Path:
    """Of both trials."""
    return folder / table / part_name(["a", "b"])


def test_a_whole_folder_has_lost_nothing(two: Path) -> None:
    assert lost_rows(two) == {}
    assert all(row.lost == () for row in done_trials(two).values())


def test_a_row_says_how_many_rows_its_trial_has(two: Path) -> None:
    """Two folds of one repeat, three predictions each."""
    row = read_file(part(two, "trials")).to_pylist()[0]
    counts = {table: row[f"{N_ROWS}{table}"] for table in OTHERS}
    assert counts == {"attention": 2, "layers": 2, "predictions": 6, "epochs": 2, "folds": 2}


@pytest.mark.parametrize("table", OTHERS)
def test_a_part_that_is_gone_is_missed(two: Path, table: str) -> None:
    part(two, table).unlink()
    assert lost_rows(two) == {"a": (table,), "b": (table,)}


@pytest.mark.parametrize("table", OTHERS)
def test_a_part_of_fewer_rows_is_missed_for_the_trial_that_lost_them(two: Path, table: str) -> None:
    rows = read_file(part(two, table))
    write_file(part(two, table), rows.slice(0, len(rows) - 1))
    assert lost_rows(two) == {"b": (table,)}
    assert done_trials(two)["b"].lost == (table,)


def test_another_trials_rows_in_its_place_are_no_rows_of_it(build: Any, two: Path) -> None:
    write_file(part(two, "folds"), build.tables("c", repeats=(1, 2))["folds"])
    assert lost_rows(two) == {"a": ("folds",), "b": ("folds",)}


def test_a_trial_without_predictions_promises_none(build: Any, folder: Path) -> None:
    tables = build.tables("a")
    writer = TableWriter(folder, build.schemas)
    writer.add("a", {**tables, "predictions": tables["predictions"].slice(0, 0)})
    writer.close()
    assert lost_rows(folder) == {}


@pytest.mark.parametrize("status", ["failed", "pruned", "interrupted"])
def test_epochs_of_a_trial_that_is_not_complete_are_missed_too(
    build: Any, folder: Path, status: str
) -> None:
    build.write(folder, "a", status=status)
    assert lost_rows(folder) == {}
    shutil.rmtree(folder / "epochs")
    assert lost_rows(folder) == {"a": ("epochs",)}


def test_an_older_row_promises_a_row_for_each_fold_and_repeat(build: Any, two: Path) -> None:
    """Before there were counts."""
    rows = read_file(part(two, "trials"))
    place = rows.schema.get_field_index("n_folds")
    rows = rows.set_column(place, rows.schema.field(place), pa.array([2, 2], pa.int32()))
    write_file(part(two, "trials"), rows.select([n for n in rows.schema.names if N_ROWS not in n]))
    assert lost_rows(two) == {}
    part(two, "folds").unlink()
    assert lost_rows(two) == {"a": ("folds",), "b": ("folds",)}


def test_repeats_that_are_added_are_promised_with_the_old_ones(build: Any, folder: Path) -> None:
    build.write(folder, "a")
    writer = TableWriter(folder, build.schemas)
    more = {**build.tables("a", repeats=(2,)), "trials": build.tables("a", n_repeats=2)["trials"]}
    writer.add("a", more, replace=True, keep_repeats=(1,))
    writer.close()
    assert lost_rows(folder) == {}
    assert read_file(folder / "trials" / part_name(["a"]))[f"{N_ROWS}folds"].to_pylist() == [4]


def test_footers_alone_are_read_of_a_whole_folder(
    two: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that many trials cost little."""
    monkeypatch.setattr("harness.results.integrity.rows_by_trial", _never)
    assert lost_rows(two) == {}
    assert read_extent(part(two, "predictions")) == (12, "a", "b")


def _never(path: Path) -> dict[str, int]:
    raise AssertionError(f"{path} was read")


COPIES = [
    "{stem} (1).parquet",
    "{stem} - Copy.parquet",
    "{stem}_1.parquet",
    "{stem} (conflicted copy 2026-01-02 030405).parquet",
    "{stem} (Ann's conflicted copy 2026-01-02).parquet",
    "{stem}-DESKTOP-1234.parquet",
    "{stem}.sync-conflict-20260102-030405-ABCDEFG.parquet",
    "{stem}.conflict1.parquet",
    "~${stem}.parquet",
    ".{stem}.parquet.swp",
    ".{stem}.parquet.icloud",
    ".syncthing.{stem}.parquet.tmp",
    "{stem}.parquet.partial",
    "._{stem}.parquet",
    "extra.parquet",
]


@pytest.mark.parametrize("name", COPIES)
@pytest.mark.parametrize("table", ["trials", "folds", "predictions"])
def test_what_sync_programs_leave_is_no_data_and_named_once(
    two: Path, name: str, table: str
) -> None:
    before = read_results(two)
    copy = part(two, table).with_name(name.format(stem=part(two, table).stem))
    shutil.copyfile(part(two, table), copy)

    after = read_results(two)
    assert lost_rows(two) == {}
    assert after.trials.equals(before.trials)
    assert after.folds.equals(before.folds)
    assert len(after.predictions()) == len(before.predictions())
    [line] = unknown_lines(two)
    assert line.endswith(f"bench gives no such names: {table}/{copy.name}")


def test_many_unknown_files_are_counted(two: Path) -> None:
    for number in range(8):
        (two / "folds" / f"copy {number}.parquet").write_bytes(b"")
    [line] = unknown_lines(two)
    assert line.endswith("folds/copy 4.parquet and 3 more")


def test_rows_that_no_part_of_trials_commits_are_not_read(build: Any, two: Path) -> None:
    """A part with a name of ours, from another machine."""
    write_file(two / "folds" / part_name(["c"]), build.tables("c")["folds"])
    assert len(read_results(two).folds) == 4
