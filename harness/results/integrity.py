"""What a results folder promises: values that a run may have written, and no row of a trial gone.

A folder from somebody else may hold anything, so it is checked whenever it is opened. The footers
of the parts say how many rows there are: a folder of a thousand trials is checked in milliseconds,
and single rows are counted only where a sum is wrong.
"""

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from harness.errors import BenchError
from harness.results.journal import live_files
from harness.results.layout import MOST_NAMED
from harness.results.parquet_parts import (
    DamagedPart,
    Extent,
    is_plain_name,
    read_extent,
    read_file,
    rows_by_trial,
)
from harness.results.tables import N_ROWS, STATUSES, TABLES, columns

LOST = "rows are gone: "  # before the tables that lack them, in the reason of a trial
COLUMNS = (
    *("trial_id", "run_id", "status", "n_folds", "n_repeats", "config", "class_names", "versions"),
    *(f"{N_ROWS}{table}" for table in TABLES[:-1]),
)  # of trials, looked at when a folder is opened
_ATTEMPTS = 20  # a run may replace parts between one look and the next
_OTHERS = TABLES[:-1]

Row = Mapping[str, Any]
LostTables = dict[str, tuple[str, ...]]


def check_trials(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Check values of trials rows.

    Args:
        path: The part they were read from.
        rows: Its rows; a column that was not read is not looked at.

    Raises:
        DamagedPart: A row has a value that no trials row can have; the text names row and column.
    """
    for number, row in enumerate(rows, start=1):
        for column, (allowed, test) in _VALUES.items():
            if column in row and not test(row[column]):
                value = repr(row[column])[:80]
                raise DamagedPart(
                    f"{path} is damaged: row {number}, {column}: found {value}; "
                    f"allowed: {allowed}; the next `bench run` sets it aside"
                )


def check_cells(table: str, rows: pa.Table, paths: Sequence[Path]) -> None:
    """Check values of a table other than `trials`.

    Args:
        table: The table.
        rows: As read from the files `paths`; a column that was not read is not looked at.
        paths: The files; they are read again only to name the one with a wrong value.

    Raises:
        BenchError: A file holds what no run writes; the text names it, the column and the value.
    """
    if table == "trials" or next(_problems(table, rows), None) is None:
        return
    for path in paths:
        for problem in _problems(table, read_file(path, rows.schema.names)):
            raise BenchError(
                f"{path} holds what no run writes: {problem}; remove the file, and `bench run` "
                "trains its trials again"
            )


def _problems(table: str, rows: pa.Table) -> Iterator[str]:
    """Yield each column that holds what it can't, and what is wrong with it."""
    import pyarrow.compute as pc

    held = {name: rows[name] for name in rows.schema.names}
    for column in columns(table):
        name = column.name
        if name not in held:
            continue
        if column.filled and held[name].null_count:
            yield f"{name}: nothing in {held[name].null_count:,} rows"
        if column.lowest is not None and len(rows):
            smallest = pc.min(held[name]).as_py()
            if smallest is not None and smallest < column.lowest:
                yield f"{name}: {smallest}"
        if column.allowed:
            others = set(pc.unique(held[name]).to_pylist()) - {*column.allowed, None}
            if others:
                yield f"{name}: found {min(others)!r:.80}; allowed: {', '.join(column.allowed)}"
    if table == "epochs" and {"stage", "repeat", "fold"} <= held.keys():
        training = pc.equal(held["stage"], "training")
        for name in ("repeat", "fold"):
            if pc.any(pc.and_(training, pc.is_null(held[name]))).as_py():
                yield f"{name}: nothing in rows of training"
    if table == "predictions" and "probabilities" in held and len(rows):
        yield from _improbable(held)


def _improbable(held: Mapping[str, pa.ChunkedArray]) -> Iterator[str]:
    """Yield what is wrong with probabilities, and classes that have none."""
    import pyarrow.compute as pc

    lists = held["probabilities"]
    sizes = pc.list_value_length(lists)
    if lists.null_count or not pc.min(sizes).as_py() or not _one_size_a_trial(held, sizes):
        yield "probabilities: lists that are not of one length"
        return
    values = pc.list_flatten(lists)
    if values.null_count or not pc.all(pc.is_finite(values)).as_py():
        yield "probabilities: values that are no numbers"
    for name in ("target", "predicted"):
        if name in held and not pc.all(pc.less(held[name], sizes)).as_py():
            yield f"{name}: a class that has no probability"


def _one_size_a_trial(held: Mapping[str, pa.ChunkedArray], sizes: pa.ChunkedArray) -> bool:
    """Return whether each trial has lists of one length; trials may differ in their classes."""
    keys = held.get("trial_id", pa.chunked_array([pa.repeat("", len(sizes))]))
    of_trials = pa.table({"trial": keys, "size": sizes}).group_by("trial")
    extremes = of_trials.aggregate([("size", "min"), ("size", "max")])
    return bool(extremes["size_min"].equals(extremes["size_max"]))


def lost_rows(folder: Path, *, leaving_out: Collection[str] = ()) -> LostTables:
    """Return the trials that have other rows than their trials row promises.

    Args:
        folder: The results folder.
        leaving_out: Names of parts that are not looked at.

    Returns:
        Trial id -> the tables in which rows of it are gone.

    Raises:
        DamagedPart: A part has another schema, or values that no trial can have.
    """
    for _ in range(_ATTEMPTS):
        try:
            before = _stamp(folder)
            lost = _lost(folder, leaving_out)
            if not lost or _stamp(folder) == before:
                return lost
        except FileNotFoundError:  # a compaction took it away
            continue
    return _lost(folder, leaving_out)


def lost_lines(folder: Path, lost: Mapping[str, Sequence[str]]) -> list[str]:
    """Return one line about trials whose rows are gone (see `lost_rows`), none without any."""
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
    """Return why a trial is trained again that lost rows in these tables."""
    return f"{LOST}{' and '.join(tables)}"


def promised_rows(row: Row, table: str) -> int | None:
    """Return how many rows a trial has in a table; None where its row, an older one, lacks it."""
    n = row.get(f"{N_ROWS}{table}")
    if n is not None or table != "folds" or row["status"] != "complete":
        return n
    folds, repeats = row.get("n_folds"), row.get("n_repeats")
    return None if folds is None or repeats is None else folds * repeats


def _lost(folder: Path, leaving_out: Collection[str]) -> LostTables:
    trials = live_files(folder, "trials")  # first: what is written later has its rows already
    others = {table: live_files(folder, table) for table in _OTHERS}
    lost: LostTables = {}
    for name, path in trials.items():
        if name in leaving_out:
            continue
        rows = read_file(path, COLUMNS).to_pylist()
        check_trials(path, rows)
        missing = {table: _missing(rows, table, others[table].get(name)) for table in _OTHERS}
        for row in rows:
            tables = tuple(t for t in reversed(_OTHERS) if row["trial_id"] in missing[t])
            if tables:
                lost[row["trial_id"]] = tables
    return lost


def _missing(rows: Sequence[Row], table: str, path: Path | None) -> set[str]:
    """Return the trials of one part that have other rows than promised in its neighbour."""
    promised = {row["trial_id"]: promised_rows(row, table) for row in rows}
    known = [n for n in promised.values() if n is not None]
    if len(known) == len(promised) and _extent(promised) == _read_extent(path):
        return set()
    counts = rows_by_trial(path) if path and known else {}
    return {
        trial_id
        for trial_id, n in promised.items()
        if n is not None and counts.get(trial_id, 0) != n
    }


def _extent(promised: Mapping[str, int | None]) -> Extent:
    """Return what a part's footer says where everything is there."""
    ids = [trial_id for trial_id, n in promised.items() if n]
    n_rows = sum(n or 0 for n in promised.values())
    return Extent(n_rows, min(ids, default=None), max(ids, default=None))


def _read_extent(path: Path | None) -> Extent:
    return read_extent(path) if path else Extent(0, None, None)


def _stamp(folder: Path) -> list[tuple[str, int, int]]:
    """Return name, time and size of every part: equal stamps mean that nothing was replaced."""
    paths = [path for table in TABLES for path in live_files(folder, table).values()]
    return [
        (path.name, about.st_mtime_ns, about.st_size) for path in paths for about in [path.stat()]
    ]


def _is_count(value: object) -> bool:
    return value is None or (isinstance(value, int) and 0 <= value < 2**31)


def _is_name(value: object) -> bool:
    return value is None or (isinstance(value, str) and is_plain_name(value) and len(value) < 200)


@lru_cache(maxsize=4096)
def _is_config(text: str | None) -> bool:
    config = _parsed(text, {})
    sections = ("dataset", "model", "training", "pretraining", "cross_validation", "objective")
    if not isinstance(config, dict):
        return False
    metric = config.get("objective") or {}
    return all(isinstance(config.get(name) or {}, dict) for name in sections) and isinstance(
        metric.get("metric", ""), str
    )


@lru_cache(maxsize=64)
def _is_list(text: str | None) -> bool:
    names = _parsed(text, [])
    return isinstance(names, list) and all(isinstance(name, str) for name in names)


@lru_cache(maxsize=64)
def _is_mapping(text: str | None) -> bool:
    return isinstance(_parsed(text, {}), dict)


def _parsed(text: str | None, nothing: object) -> object:
    if text is None:
        return nothing
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


_VALUES: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "trial_id": ("a name", lambda value: value is not None and _is_name(value)),
    "run_id": ("a run's name", _is_name),
    "status": (", ".join(STATUSES), lambda value: value in STATUSES),
    "n_folds": ("a count", _is_count),
    "n_repeats": ("a count", _is_count),
    "config": ("a JSON object of sections", _is_config),
    "class_names": ("a JSON list of texts", _is_list),
    "versions": ("a JSON object", _is_mapping),
    **{
        f"{N_ROWS}{table}": ("a count", lambda value: value is None or value >= 0)
        for table in _OTHERS
    },
}
