"""Joining the results of two machines: each trial once, by its identity."""

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from harness.errors import BenchError
from harness.results.column_types import conform, params_from_config, union_schema
from harness.results.integrity import check_cells, check_trials
from harness.results.layout import PLAN, RESOLVED, TEMPORARY, check_plain, run_files
from harness.results.parquet_parts import (
    DamagedPart,
    is_plain_name,
    read_file,
    read_schema,
    rows_of,
)
from harness.results.repair import repair
from harness.results.runs import (
    last_plan,
    new_run_id,
    read_plan,
    read_resolved,
    write_run,
)
from harness.results.schema_migration import widen
from harness.results.table_reader import DoneTrial, done_trials, parts
from harness.results.table_writer import TableWriter, compact
from harness.results.tables import PARAMS, TABLES, table_schemas
from harness.results.trial_config import param_value

WORTH = {"interrupted": 0, "failed": 1, "pruned": 2, "complete": 3}
LOST = -1  # whatever its status: rows of it are gone
_BESIDE = ("runs", "weights", "pretraining")


@dataclass(frozen=True)
class MergeReport:
    """What came over from one folder.

    Attributes:
        new: Trials that the target lacked.
        better: Those whose row in the source was worth more, such as complete for failed, or had
            more repeats.
        kept: Trials of both; the target's stay.
        different: Of those, complete ones whose objective differs: (target's value, source's).
        damaged: The source's files that can't be read; their trials stayed behind.
        lost: Trials of the source that stayed behind since rows of them are gone, with the tables.
    """

    new: tuple[str, ...]
    better: tuple[str, ...]
    kept: tuple[str, ...]
    different: Mapping[str, tuple[float | None, float | None]]
    damaged: tuple[Path, ...]
    lost: Mapping[str, tuple[str, ...]]


def benchmark_of(source: Path) -> str:
    """Return the benchmark that wrote a results folder, whatever the folder is called now.

    Raises:
        BenchError: It holds no finished trial, or those of several benchmarks.
    """
    check_plain(source)
    names: set[str] = set()
    for path in parts(source, "trials"):
        try:
            names |= set(read_file(path, ["benchmark"])["benchmark"].to_pylist())
        except DamagedPart:
            continue
    if len(names - {None}) != 1:
        held = f"trials of {', '.join(sorted(map(str, names)))}" if names else "no finished trial"
        raise BenchError(f"{source} holds {held}; a benchmark's results folder holds one's")
    name = str(names.pop())
    if not is_plain_name(name):
        raise BenchError(f"{source} holds trials of {name!r}, which names no benchmark")
    return name


def merge(source: Path, target: Path, *, command: str) -> MergeReport:
    """Copy into `target` the trials of `source` that it lacks or has only a lesser row of.

    A trial comes over as a whole, with its rows in all tables, its weights and the run that wrote
    it. A run of its own records the plans of both, so that a report shows them together.

    Args:
        source: A results folder, of which nothing changes.
        target: Another one, held by the caller.
        command: As it was typed.
    """
    check_plain(source)
    repair(target)
    damaged = _damaged(source)
    ours, readable = done_trials(target), _readable_trials(source, damaged)
    theirs = {trial_id: row for trial_id, row in readable.items() if not row.lost}
    taken = [
        trial_id
        for trial_id, row in theirs.items()
        if trial_id not in ours or _is_better(row, ours[trial_id])
    ]
    plan = list(dict.fromkeys([*last_plan(target), *_last_plan(source), *taken]))
    _copy_beside(source, target, taken)
    _copy_rows(source, target, taken, damaged=damaged, present=ours)
    if taken:
        _record(target, plan, command)
    compact(target)
    kept = tuple(trial_id for trial_id in theirs if trial_id not in taken)
    return MergeReport(
        new=tuple(trial_id for trial_id in taken if trial_id not in ours),
        better=tuple(trial_id for trial_id in taken if trial_id in ours),
        kept=kept,
        different=_different(kept, source, target, {path.name for path in damaged}),
        damaged=tuple(damaged),
        lost={trial_id: row.lost for trial_id, row in readable.items() if row.lost},
    )


def _last_plan(source: Path) -> list[str]:
    """Return the last plan, nothing where it is damaged: what comes over is planned in any case."""
    try:
        return last_plan(source)
    except DamagedPart:
        return []


def _damaged(source: Path) -> list[Path]:
    """Return the files that can't be read, or hold what no run writes."""
    damaged = []
    for table in TABLES:
        for path in parts(source, table):
            try:
                rows = read_file(path)
                check_cells(table, rows, [path])
                if table == "trials":
                    check_trials(path, rows.to_pylist())
            except DamagedPart:
                damaged.append(path)
    return damaged


def _readable_trials(source: Path, damaged: Sequence[Path]) -> dict[str, DoneTrial]:
    """Return the trials of all parts that are whole in every table."""
    left_out = {path.name for path in damaged}
    return done_trials(source, leaving_out=left_out)


def _is_better(theirs: DoneTrial, ours: DoneTrial) -> bool:
    def worth(row: DoneTrial) -> tuple[int, int]:
        return LOST if row.lost else WORTH.get(row.status, 0), row.n_repeats

    return worth(theirs) > worth(ours)


def _different(
    trial_ids: Sequence[str], source: Path, target: Path, left_out: set[str]
) -> dict[str, tuple[float | None, float | None]]:
    """Return complete trials of both whose objective is not the same number."""
    if not trial_ids:
        return {}
    objective = _objective(target)
    here = done_trials(target, objective=objective)
    there = done_trials(source, objective=objective, leaving_out=left_out)
    pairs = {trial_id: (here[trial_id], there[trial_id]) for trial_id in trial_ids}
    return {
        trial_id: (a.objective_mean, b.objective_mean)
        for trial_id, (a, b) in pairs.items()
        if a.status == b.status == "complete"
        and a.n_repeats == b.n_repeats
        and a.objective_mean != b.objective_mean
    }


def _objective(folder: Path) -> str:
    config = next(iter(done_trials(folder).values())).settings
    return str(param_value(config, "objective.metric"))


def _copy_rows(
    source: Path,
    target: Path,
    taken: Sequence[str],
    *,
    damaged: Sequence[Path],
    present: Mapping[str, Any],
) -> None:
    if not taken:
        return
    left_out = {path.name for path in damaged}
    schemas = widen(target, _schemas(source, left_out))
    writer = TableWriter(target, schemas)
    for trial_id, tables in _trials(source, taken, left_out, schemas):
        writer.add(trial_id, tables, replace=trial_id in present)
    writer.close()


def _schemas(source: Path, left_out: set[str]) -> dict[str, pa.Schema]:
    """Return the source's columns, table by table; those of an empty table are its fixed ones."""
    schemas = table_schemas(metrics=(), objective="accuracy", params={})
    for table in TABLES:
        for path in parts(source, table):
            if path.name not in left_out:
                schemas[table] = union_schema(schemas[table], read_schema(path))
    return schemas


def _trials(
    source: Path, taken: Sequence[str], left_out: set[str], schemas: Mapping[str, pa.Schema]
) -> Iterator[tuple[str, dict[str, pa.Table]]]:
    """Yield trial id and its rows in all tables, part by part."""
    wanted = set(taken)
    for path in parts(source, "trials"):
        if path.name in left_out:
            continue
        ids = sorted(wanted & set(read_file(path, ["trial_id"])["trial_id"].to_pylist()))
        wanted -= set(ids)
        files = {table: _file(source, table, path.name) for table in TABLES}
        rows = {table: _part(file, schemas[table]) for table, file in files.items()}
        for trial_id in ids:
            yield trial_id, {table: rows_of(rows[table], [trial_id]) for table in TABLES}


def _file(source: Path, table: str, name: str) -> Path | None:
    return next((path for path in parts(source, table) if path.name == name), None)


def _part(file: Path | None, schema: pa.Schema) -> pa.Table:
    if file is None:
        return schema.empty_table()
    data = read_file(file)
    new = [name for name in schema.names if name not in data.schema.names]
    return params_from_config(
        conform(data, schema), [name for name in new if name.startswith(PARAMS)]
    )


def _copy_beside(source: Path, target: Path, taken: Sequence[str]) -> None:
    """Copy runs, pretrained weights, and weights of the trials that come over.

    Before their rows, so that a copy that was broken off is made again.
    """
    for name in _BESIDE:
        for path in sorted((source / name).glob("*")):
            wanted = (
                path.name in taken
                if name == "weights"
                else not (target / name / path.name).exists()
            )
            if wanted:
                _copy(path, target / name / path.name, staged=target / TEMPORARY / path.name)


def _copy(path: Path, copy: Path, *, staged: Path) -> None:
    """Copy a file or folder whole or not at all, without following links out of the source."""
    copy.parent.mkdir(parents=True, exist_ok=True)
    staged.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        shutil.copytree(path, staged, symlinks=True)
        shutil.rmtree(copy, ignore_errors=True)
    else:
        shutil.copyfile(path, staged, follow_symlinks=False)
    os.replace(staged, copy)


def _record(target: Path, plan: Sequence[str], command: str) -> None:
    """Record a run that stands for the trials of both, with the newest run's file."""
    resolved = run_files(target, RESOLVED)
    if not resolved:
        return
    planned = _planned(target)
    rows = [
        {"trial_id": trial_id, **planned.get(trial_id, {}), "state": "done", "reason": "merged"}
        for trial_id in plan
    ]
    run_id = new_run_id()
    write_run(
        target,
        run_id,
        resolved=read_resolved(resolved[-1]),
        record={"run_id": run_id, "plan": rows, "command": command},
        read={"data_card.json": None, "previews.json": None},
    )


def _planned(target: Path) -> dict[str, dict[str, Any]]:
    """Return trial id -> variant and params, as in the last plan that holds it."""
    planned: dict[str, dict[str, Any]] = {}
    for file in run_files(target, PLAN):
        for row in read_plan(file):
            params = json.dumps(row["params"], ensure_ascii=False)
            planned[row["trial_id"]] = {"variant": row["variant"], "params": params}
    return planned
