"""What the trials table promises of every trial, checked whenever a results folder is opened.

The footers of the parts say how many rows there are, so that a folder of a thousand trials is
checked in milliseconds; single rows are counted only where a sum is wrong.
"""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.results.cells import COLUMNS, check_trials
from harness.results.journal import live_files
from harness.results.layout import MOST_NAMED
from harness.results.parts import Extent, read_extent, read_file, rows_by_trial
from harness.results.schema import N_ROWS, TABLES

ATTEMPTS = 20  # a run may replace parts between one look and the next
LOST = "rows are gone: "  # before the tables that lack them, in the reason of a trial
OTHERS = TABLES[:-1]
Row = Mapping[str, Any]
Lost = dict[str, tuple[str, ...]]


def lost_rows(folder: Path, *, leaving_out: Collection[str] = ()) -> Lost:
    """Trial id -> the tables in which it has other rows than its trials row promises.

    leaving_out: names of parts that are not looked at. Raises DamagedPart for a part of another
    schema, or with values that no trial can have.
    """
    for _ in range(ATTEMPTS):
        try:
            before = _stamp(folder)
            lost = _lost(folder, leaving_out)
            if not lost or _stamp(folder) == before:
                return lost
        except FileNotFoundError:  # a compaction took it away
            continue
    return _lost(folder, leaving_out)


def lost_lines(folder: Path, lost: Mapping[str, Sequence[str]]) -> list[str]:
    """One line about trials whose rows are gone; empty where there are none."""
    if not lost:
        return []
    named = [f"{trial_id} ({', '.join(tables)})" for trial_id, tables in lost.items()]
    more = f" and {len(named) - MOST_NAMED:,} more" if len(named) > MOST_NAMED else ""
    what = "1 trial has" if len(lost) == 1 else f"{len(lost):,} trials have"
    return [
        f"{what} lost rows in {folder}: {', '.join(named[:MOST_NAMED])}{more}; left out here, "
        "`bench run` trains what its file still asks for again"
    ]


def lost_reason(tables: Sequence[str]) -> str:
    """Why such a trial is trained again."""
    return f"{LOST}{' and '.join(tables)}"


def promised_rows(row: Row, table: str) -> int | None:
    """How many rows a trial has in a table; None where its row, an older one, does not say."""
    n = row.get(f"{N_ROWS}{table}")
    if n is not None or table != "folds" or row["status"] != "complete":
        return n
    folds, repeats = row.get("n_folds"), row.get("n_repeats")
    return None if folds is None or repeats is None else folds * repeats


def _lost(folder: Path, leaving_out: Collection[str]) -> Lost:
    trials = live_files(folder, "trials")  # first: what is written later has its rows already
    others = {table: live_files(folder, table) for table in OTHERS}
    lost: Lost = {}
    for name, path in trials.items():
        if name in leaving_out:
            continue
        rows = read_file(path, COLUMNS).to_pylist()
        check_trials(path, rows)
        missing = {table: _missing(rows, table, others[table].get(name)) for table in OTHERS}
        for row in rows:
            tables = tuple(t for t in reversed(OTHERS) if row["trial_id"] in missing[t])
            if tables:
                lost[row["trial_id"]] = tables
    return lost


def _missing(rows: Sequence[Row], table: str, path: Path | None) -> set[str]:
    """The trials of one part that have other rows than promised in its neighbour."""
    promised = {row["trial_id"]: promised_rows(row, table) for row in rows}
    known = [n for n in promised.values() if n is not None]
    if len(known) == len(promised) and _extent(promised) == _read_extent(path):
        return set()
    counts = rows_by_trial(path) if path and known else {}
    return {one for one, n in promised.items() if n is not None and counts.get(one, 0) != n}


def _extent(promised: Mapping[str, int | None]) -> Extent:
    """What a part's footer says where everything is there."""
    ids = [trial_id for trial_id, n in promised.items() if n]
    return Extent(sum(n or 0 for n in promised.values()), min(ids, default=None),
                  max(ids, default=None))  # fmt: skip


def _read_extent(path: Path | None) -> Extent:
    return read_extent(path) if path else Extent(0, None, None)


def _stamp(folder: Path) -> list[tuple[str, int, int]]:
    paths = [path for table in TABLES for path in live_files(folder, table).values()]
    return [
        (path.name, about.st_mtime_ns, about.st_size) for path in paths for about in [path.stat()]
    ]
