"""At start the tables are brought back to whole, committed trials, and it is said what was done."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from folders import read_rows, whole

from harness.errors import BenchError
from harness.results.parquet_parts import part_name, write_file
from harness.results.repair import RepairReport, repair
from harness.results.table_reader import done_trials
from harness.results.table_writer import TableWriter
from harness.results.tables import TABLES


def test_a_missing_or_whole_folder_needs_nothing(build, folder):
    assert repair(folder) == RepairReport()
    build.write(folder, "a", "b")
    assert repair(folder) == RepairReport()
    assert repair(folder).lines() == []
    assert set(whole(folder)) == {"a", "b"}


def test_parts_that_no_trials_part_commits_are_removed(build, folder):
    build.write(folder, "a", "b")
    (folder / "trials" / part_name(["b"])).unlink()
    report = repair(folder)
    assert report.removed == 5
    assert set(whole(folder)) == {"a"}
    assert report.lines() == ["removed rows of unfinished trials from 5 files"]


def test_single_rows_without_a_trials_row_are_removed(build, folder):
    """The trials part lost one of its two rows; its neighbours follow."""
    writer = TableWriter(folder, build.schemas)
    for trial_id in ("a", "b"):
        writer.add(trial_id, build.tables(trial_id))
    writer.close()
    path = folder / "trials" / part_name(["a", "b"])
    write_file(path, build.tables("a")["trials"])
    assert repair(folder).removed == 5
    assert set(whole(folder)) == {"a"}
    assert repair(folder).removed == 0


def test_rows_of_repeats_beyond_the_trials_row_are_removed(build, folder):
    build.write(folder, "a", "b", repeats=(1, 2))
    write_file(folder / "trials" / part_name(["a"]), build.tables("a", repeats=(1,))["trials"])
    assert repair(folder).removed == 5
    assert {key: row["n_repeats"] for key, row in whole(folder).items()} == {"a": 1, "b": 2}


def test_epochs_of_a_failed_trial_stay_whatever_its_repeats(build, folder):
    build.write(folder, "a", status="failed", repeats=(1, 2))
    failed = build.tables("a", status="failed", n_repeats=0)["trials"]
    write_file(folder / "trials" / part_name(["a"]), failed)
    assert repair(folder).removed == 0
    assert len(read_rows(folder, "epochs")) == 4


def test_a_trial_in_two_parts_belongs_to_the_one_that_finished_later(build, folder):
    from datetime import UTC, datetime

    for day, name in ((2, "late"), (1, "early")):
        moment = datetime(2026, 1, day, tzinfo=UTC)
        for table, rows in build.tables("a", accuracy=day / 4, finished_at=moment).items():
            write_file(folder / table / part_name([name]), rows)
    assert repair(folder).removed == len(TABLES)
    assert whole(folder)["a"]["val_accuracy_mean"] == 0.5


@pytest.mark.parametrize("table", TABLES)
def test_a_part_cut_in_half_is_set_aside_and_its_trials_are_missing(build, folder, table):
    build.write(folder, "a", "b")
    path = folder / table / part_name(["a"])
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    report = repair(folder)
    assert report.damaged == (path,)
    assert report.missing == ("a",)
    assert report.lines() == [
        f"{path} is damaged: set aside in .damaged/",
        "1 trials of damaged files count as missing",
    ]
    assert set(whole(folder)) == {"b"} == set(done_trials(folder))
    assert len(list((folder / ".damaged").glob("*/*.parquet"))) == len(TABLES)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"no parquet at all"])
def test_files_that_are_no_parquet_are_set_aside(build, folder, content):
    build.write(folder, "a")
    junk = folder / "epochs" / part_name(["b"])
    junk.write_bytes(content)
    assert repair(folder).damaged == (junk,)
    assert set(whole(folder)) == {"a"}


def test_a_flipped_bit_is_an_error_that_names_the_file(build, folder):
    """Pages carry checksums, so a damaged number is never read as another number."""
    build.write(folder, "a")
    path = folder / "trials" / part_name(["a"])
    column = pq.ParquetFile(path).metadata.row_group(0).column(2)
    content = bytearray(path.read_bytes())
    start = column.dictionary_page_offset or column.data_page_offset
    content[start + column.total_compressed_size - 3] ^= 0xFF
    path.write_bytes(bytes(content))
    with pytest.raises(BenchError, match="is damaged"):
        done_trials(folder)


def test_temporary_files_are_cleared(build, folder):
    build.write(folder, "a")
    (folder / ".tmp" / "left.parquet").write_bytes(b"half")
    repair(folder)
    assert not (folder / ".tmp").exists() or not list((folder / ".tmp").iterdir())


def test_tables_of_a_newer_version_are_left_alone(build, folder):
    build.write(folder, "a")
    path = folder / "folds" / part_name(["a"])
    rows = pq.ParquetFile(path).read()
    place = rows.schema.get_field_index("schema_version")
    newer = rows.set_column(place, rows.schema.field(place), pa.array([99] * len(rows), pa.int32()))
    write_file(path, newer)
    with pytest.raises(BenchError, match="newer version of bench: schema version 99"):
        repair(folder)
    assert len(list(folder.glob("*/*.parquet"))) == len(TABLES)
