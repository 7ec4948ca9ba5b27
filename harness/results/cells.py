"""What the cells of a results folder may hold; one from somebody else may hold anything."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from harness.errors import BenchError
from harness.results.parts import DamagedPart, is_plain_name, read_file
from harness.results.schema import N_ROWS, PREDICTED_ROLES, STATUSES, TABLES

COLUMNS = (
    *("trial_id", "run_id", "status", "n_folds", "n_repeats", "config", "class_names", "versions"),
    *(f"{N_ROWS}{table}" for table in TABLES[:-1]),
)  # of trials, looked at when a folder is opened
_STAGES = ("pretraining", "training")
_NEVER_NULL = {
    "folds": ("repeat", "fold"),
    "epochs": ("stage", "epoch"),
    "predictions": ("repeat", "fold", "role", "example_id", "target", "predicted"),
    "attention": ("repeat", "fold", "class", "token", "block", "head", "count", "score_sum"),
    "layers": ("repeat", "fold", "epoch", "position", "layer", "module"),
}
_COUNTED = ("repeat", "fold", "epoch", "target", "predicted", "block", "head", "position", "count")


def check_trials(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Raises DamagedPart, naming row and column, for a value that no trials row can have.

    A column that was not read is not looked at.
    """
    for number, row in enumerate(rows, start=1):
        for column, (allowed, test) in _VALUES.items():
            if column in row and not test(row[column]):
                found = repr(row[column])[:80]
                raise DamagedPart(
                    f"{path} is damaged: row {number}, {column}: found {found}; "
                    f"allowed: {allowed}; the next `bench run` sets it aside"
                )


def check_cells(table: str, rows: pa.Table, paths: Sequence[Path]) -> None:
    """Raises BenchError, naming the file, for rows that no run writes into this table.

    rows: as read from the files `paths`; a column that was not read is not looked at.
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
    """Column and what is wrong with it."""
    import pyarrow.compute as pc

    held = {name: rows[name] for name in rows.schema.names}
    for name in ("trial_id", *_NEVER_NULL.get(table, ())):
        if name in held and held[name].null_count:
            yield f"{name}: nothing in {held[name].null_count:,} rows"
    for name in _COUNTED:
        if name in held and len(rows) and (pc.min(held[name]).as_py() or 0) < 0:
            yield f"{name}: {pc.min(held[name]).as_py()}"
    for name, allowed in (("role", PREDICTED_ROLES), ("stage", _STAGES)):
        if name in held:
            others = set(pc.unique(held[name]).to_pylist()) - {*allowed, None}
            if others:
                yield f"{name}: found {min(others)!r:.80}; allowed: {', '.join(allowed)}"
    if table == "epochs" and {"stage", "repeat", "fold"} <= held.keys():
        training = pc.equal(held["stage"], "training")
        for name in ("repeat", "fold"):
            if pc.any(pc.and_(training, pc.is_null(held[name]))).as_py():
                yield f"{name}: nothing in rows of training"
    if table == "predictions" and "probabilities" in held and len(rows):
        yield from _improbable(held)


def _improbable(held: Mapping[str, pa.ChunkedArray]) -> Iterator[str]:
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
    """Trials of one table may be of datasets with different classes."""
    keys = held.get("trial_id", pa.chunked_array([pa.repeat("", len(sizes))]))
    of_trials = pa.table({"trial": keys, "size": sizes}).group_by("trial")
    found = of_trials.aggregate([("size", "min"), ("size", "max")])
    return bool(found["size_min"].equals(found["size_max"]))


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
    **{f"{N_ROWS}{table}": ("a count", lambda value: value is None or value >= 0)
       for table in TABLES[:-1]},
}  # fmt: skip
