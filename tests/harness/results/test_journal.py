"""A change of several files happens wholly, and readers see it before it is finished."""

import pytest
from folders import Died, dying_at, whole

from harness.results.journal import commit, finish_pending, live_files, pending
from harness.results.parquet_parts import (
    Part,
    part_name,
    read_file,
    rows_of,
    write_file,
)


def _replacement(build, folder, **choices):
    tables = build.tables("a", **choices)
    return [Part(table, part_name(["a"]), tables[table]) for table in tables]


def _old(folder):
    return [(path.parent.name, path.name) for path in folder.glob("[!.]*/*.parquet")]


def test_nothing_is_pending_in_a_fresh_or_missing_folder(folder):
    assert pending(folder) is None
    assert not finish_pending(folder)
    assert live_files(folder, "trials") == {}


def test_a_change_replaces_the_old_files(build, folder):
    build.write(folder, "a")
    commit(folder, _replacement(build, folder, accuracy=0.75), deletes=_old(folder))
    assert whole(folder)["a"]["val_accuracy_mean"] == 0.75
    assert {path.name for path in folder.glob("*/*.parquet")} == {part_name(["a"])}
    assert list((folder / ".tmp").iterdir()) == []


def test_parts_without_rows_get_no_file(build, folder):
    build.write(folder, "a")
    commit(folder, _replacement(build, folder, status="failed"), deletes=_old(folder))
    assert sorted(path.parent.name for path in folder.glob("*/*.parquet")) == ["epochs", "trials"]


def test_readers_see_a_begun_change_as_finished_at_every_step(build, folder):
    """From the moment the journal lies there, each table shows the new part and it alone."""
    build.write(folder, "a")
    for step in range(5, 14):
        with dying_at(step):
            commit(folder, _replacement(build, folder, accuracy=step / 100), deletes=_old(folder))
        if pending(folder) is not None:
            for table in ("predictions", "epochs", "folds", "trials"):
                assert list(live_files(folder, table)) == [part_name(["a"])]
            [path] = live_files(folder, "trials").values()
            assert read_file(path)["val_accuracy_mean"].to_pylist() == [step / 100]
            assert finish_pending(folder)
        whole(folder)


def test_finishing_twice_does_no_harm(build, folder):
    build.write(folder, "a")
    with pytest.raises(Died), _dies_after_the_journal(folder):
        commit(folder, _replacement(build, folder), deletes=_old(folder))
    assert finish_pending(folder)
    assert not finish_pending(folder)
    whole(folder)


def test_the_next_change_finishes_the_last_one_first(build, folder):
    build.write(folder, "a")
    with pytest.raises(Died), _dies_after_the_journal(folder):
        commit(folder, _replacement(build, folder), deletes=_old(folder))
    commit(folder, [Part("trials", part_name(["b"]), build.tables("b", status="failed")["trials"])])
    assert set(live_files(folder, "trials")) == {part_name(["a"]), part_name(["b"])}
    assert pending(folder) is None


def test_a_file_reads_back_as_it_was_written(build, tmp_path):
    for table, rows in build.tables("a").items():
        write_file(tmp_path / f"{table}.parquet", rows)
        assert read_file(tmp_path / f"{table}.parquet").equals(rows)


def test_columns_that_a_part_lacks_are_left_out(build, tmp_path):
    rows = build.tables("a")["folds"]
    write_file(tmp_path / "part.parquet", rows)
    found = read_file(tmp_path / "part.parquet", ["fold", "no_such", "repeat"])
    assert found.column_names == ["repeat", "fold"]
    assert len(rows_of(rows, ["b"])) == 0


def _dies_after_the_journal(folder):
    """A context whose body dies right after journal.json was put in place."""
    import os
    from contextlib import contextmanager
    from unittest.mock import patch

    real = os.replace

    def replace(source, target):
        real(source, target)
        if str(target).endswith("journal.json"):
            raise Died

    @contextmanager
    def patched():
        with patch.object(os, "replace", replace):
            yield

    return patched()
