"""A plan and its results folder: tables as wide as it asks for, and what a run leaves of it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from harness.config.read import dump_resolved, parse_benchmark
from harness.config.sections import DatasetSection, Training
from harness.engine.identity import canonical_json
from harness.engine.plan import Plan, PlannedTrial
from harness.engine.resolve import file_defaults
from harness.errors import BenchError
from harness.plugins import catalog
from harness.results.column_types import param_type
from harness.results.layout import (
    CARD,
    PLAN,
    PREVIEWS,
    RECORD,
    RESOLVED,
    part_files,
    run_files,
    run_folders,
)
from harness.results.lock import writable
from harness.results.repair import repair
from harness.results.runs import (
    last_plan,
    read_json,
    read_plan,
    read_resolved,
    write_plan,
    write_run,
)
from harness.results.schema_migration import fill_metrics, is_wide_enough, widen
from harness.results.tables import TABLES, table_schemas

FolderState = frozenset[tuple[str, int, int, int]]


def folder_state(folder: Path) -> FolderState:
    """Return what tells whether anybody wrote into a folder since a plan was made from it.

    A plan reads the tables' parts and the plans of earlier runs, which are written under other
    names and moved into place: path, inode, size and time of change are others then.
    """
    files = [file for table in TABLES for file in part_files(folder, table).values()]
    state = []
    for file in (*files, *run_files(folder, PLAN)):
        try:
            status = file.stat()
        except FileNotFoundError:  # another run has just moved it
            continue
        state.append((str(file), status.st_ino, status.st_size, status.st_mtime_ns))
    return frozenset(state)


def mend(folder: Path) -> list[str]:
    """Bring the tables back to whole trials; the caller holds the folder.

    Returns:
        What that took, a line each.
    """
    with writable(folder):
        return repair(folder).lines()


def run_schemas(plan: Plan) -> dict[str, pa.Schema]:
    """Return the tables' schemas as this plan alone needs them; types come from the domains."""
    values: dict[str, list[Any]] = {}
    annotations: dict[str, object] = {}
    for trial in (*plan.trials, *plan.representatives):
        for path, value in trial.resolved.params.items():
            values.setdefault(path, []).append(value)
            if path not in annotations:
                annotations[path] = _annotation(trial, path)
    params = {path: param_type(values[path], annotations[path]) for path in values}
    spec = plan.spec
    return table_schemas(metrics=spec.metrics, objective=spec.objective.metric, params=params)


def tables_fit(plan: Plan) -> bool:
    """Return whether the tables have every column that this plan asks for."""
    return is_wide_enough(plan.folder, run_schemas(plan))


def fit_tables(plan: Plan) -> tuple[dict[str, pa.Schema], list[str]]:
    """Widen the tables to what the plan asks for and fill metrics that are new.

    The caller holds the folder.

    Returns:
        The schemas of new parts, and what a user should know.
    """
    schemas = widen(plan.folder, run_schemas(plan))
    return schemas, fill_metrics(plan.folder, plan.spec.metrics).lines()


def record_run(
    plan: Plan,
    run_id: str,
    *,
    settings: Mapping[str, Any],
    data_card: Mapping[str, Any] | None = None,
    previews: Mapping[str, Any] | None = None,
) -> None:
    """Write `runs/<run_id>/`.

    Args:
        plan: The plan.
        run_id: Of the run.
        settings: How it was called, as JSON values.
        data_card: By data key; None where no data was read: then those of the last run stand.
        previews: As `data_card`.
    """
    named = plan.representatives or plan.trials
    configurations = [trial.resolved for trial in named]
    write_run(
        plan.folder,
        run_id,
        resolved=dump_resolved(plan.spec, **file_defaults(configurations)),
        record={"run_id": run_id, "plan": _rows(plan.trials), **settings},
        read={"data_card.json": data_card, "previews.json": previews},
    )


def record_trials(plan: Plan, run_id: str, sampled: Sequence[PlannedTrial]) -> None:
    """Write the plan of a run again, with what was sampled since it began."""
    write_plan(plan.folder, run_id, _rows((*plan.trials, *sampled)))


def is_recorded(plan: Plan) -> bool:
    """Return whether the last run stood for exactly these trials; of sampled ones in any order."""
    last, now = last_plan(plan.folder), [trial.trial_id for trial in plan.trials]
    if not _is_readable(plan.folder):
        return False
    return last == now if plan.adaptive is None else sorted(last) == sorted(now)


def _annotation(trial: PlannedTrial, path: str) -> object:
    section, key = path.split(".", 1)
    if section == "training":
        return Training.model_fields[key].annotation
    if section == "dataset" and key in DatasetSection.model_fields:
        return DatasetSection.model_fields[key].annotation
    entry = trial.resolved.model if section == "model" else trial.resolved.dataset
    argument = catalog.signature(entry).arguments.get(key)
    return argument.annotation if argument else str


def _is_readable(folder: Path) -> bool:
    """Return whether the last run left all that a report needs, as this version reads it."""
    runs = run_folders(folder)
    if not runs:
        return False
    try:
        read_plan(runs[-1] / PLAN)
        parse_benchmark(read_resolved(runs[-1] / RESOLVED), file=str(runs[-1] / RESOLVED))
        for name in (RECORD, CARD, PREVIEWS):
            if name == RECORD or (runs[-1] / name).exists():
                read_json(runs[-1] / name)
    except (BenchError, OSError):
        return False
    return True


def _rows(trials: Sequence[PlannedTrial]) -> list[dict[str, str | None]]:
    return [
        {
            "trial_id": trial.trial_id,
            "variant": trial.resolved.variant,
            "params": canonical_json(dict(trial.resolved.params)),
            "state": trial.state,
            "reason": trial.reason,
        }
        for trial in trials
    ]
