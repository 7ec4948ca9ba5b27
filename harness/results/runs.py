"""What a run leaves beside the tables, and the short answer after it."""

import json
import os
import secrets
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from harness.results.layout import (
    PLAN,
    RECORD,
    RESOLVED,
    RUNS,
    TEMPORARY,
    create_plain,
    read_plain,
    run_files,
)
from harness.results.parts import DamagedPart, read_file, read_schema
from harness.results.promised import lost_rows
from harness.results.schema import STATUSES, plan_schema
from harness.results.table_reader import parts

_NOTHING: Mapping[str, Any] = {}
RANKED = ("status", "n_folds", "n_repeats", "n_parameters", "fit_time_s", "error", "findings")


@dataclass(frozen=True)
class RankedTrial:
    """One trial of a plan as the summary shows it; numbers are null where it is not complete.

    validation, test: mean of the objective over folds and repeats; *_std with ddof 1.
    """

    trial_id: str
    status: str
    params: Mapping[str, Any]
    validation: float | None
    validation_std: float | None
    test: float | None
    test_std: float | None
    n_parameters: int | None
    fit_time_s: float | None
    error: str | None
    findings: str | None


@dataclass(frozen=True)
class Summary:
    """How a plan stands. best: the complete trial with the best validation mean."""

    trials: int
    complete: int
    failed: int
    pruned: int
    interrupted: int
    missing: int
    objective: str
    best: RankedTrial | None
    ranking: tuple[RankedTrial, ...]
    results: str


def new_run_id() -> str:
    """`20261121T130501-9f2c`: sorts by time, distinct within a second."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(2)}"


def write_run(
    folder: Path,
    run_id: str,
    *,
    resolved: str,
    record: Mapping[str, Any],
    read: Mapping[str, Mapping[str, Any] | None] = _NOTHING,
) -> Path:
    """Writes `runs/<run_id>/`: the resolved file, run.json, what the data is, the distributions.

    record: JSON values; `plan` within it lists trial id, state and reason of every trial.
    read: file name -> what was found in the data; None where none was read: then that of the last
    run stands.
    """
    from harness.results.provenance import installed_distributions

    before = {name: _last(folder, name) for name in read}
    run_folder = folder / RUNS / run_id
    run_folder.mkdir(parents=True, exist_ok=True)
    (run_folder / RESOLVED).write_text(resolved, encoding="utf-8")
    listed = "\n".join(f"{name}=={version}" for name, version in installed_distributions())
    (run_folder / "distributions.txt").write_text(listed + "\n", encoding="utf-8")
    for name, value in read.items():
        last = before[name]
        if value is not None:
            _write_json(folder, run_folder / name, value)
        elif last is not None:
            shutil.copyfile(last, run_folder / name)
    write_plan(folder, run_id, record["plan"])
    _write_json(folder, run_folder / RECORD, {k: v for k, v in record.items() if k != "plan"})
    return run_folder


def write_plan(folder: Path, run_id: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Writes a run's plan.parquet, in place of an earlier one; readers see one or the other."""
    staged = folder / TEMPORARY / f"{run_id}-{PLAN}"
    with os.fdopen(create_plain(staged), "wb") as file:
        pq.write_table(pa.Table.from_pylist(list(rows), schema=plan_schema()), file)
    os.replace(staged, folder / RUNS / run_id / PLAN)


def read_plan(file: Path) -> list[dict[str, Any]]:
    """The trials of a plan.parquet: `trial_id`, `variant` and `params`, which is a mapping.

    Raises DamagedPart for a file that bench has not written.
    """
    rows: list[dict[str, Any]] = read_file(file, ["trial_id", "variant", "params"]).to_pylist()
    for number, row in enumerate(rows, start=1):
        try:
            row["params"] = dict(json.loads(row["params"] or "{}"))
        except (ValueError, TypeError, RecursionError):
            raise _damaged(file, f"row {number}, params: no JSON object") from None
        if row["trial_id"] is None:
            raise _damaged(file, f"row {number}, trial_id: nothing")
    return rows


def read_json(file: Path) -> dict[str, Any]:
    """A JSON object. Raises DamagedPart for anything else, OSError where it can't be read."""
    try:
        found = json.loads(read_plain(file))
    except (ValueError, RecursionError):  # also of bytes that are no text
        raise _damaged(file, "no JSON") from None
    if not isinstance(found, dict):
        raise _damaged(file, "no JSON object")
    return found


def read_resolved(file: Path) -> str:
    """The text of a resolved benchmark file. Raises DamagedPart where it is none."""
    try:
        return read_plain(file).decode("utf-8")
    except UnicodeDecodeError:
        raise _damaged(file, "no UTF-8 text") from None


def _damaged(file: Path, why: str) -> DamagedPart:
    return DamagedPart(f"{file} is damaged ({why}); the next `bench run` sets it aside")


def last_plan(folder: Path) -> list[str]:
    """The trial ids of the last run's plan, in its order; empty without one."""
    file = _last(folder, PLAN)
    return [row["trial_id"] for row in read_plan(file)] if file else []


def last_params(folder: Path) -> dict[str, dict[str, Any]]:
    """Trial id -> searched path -> value, of the last run's plan; empty without one."""
    file = _last(folder, PLAN)
    return {row["trial_id"]: row["params"] for row in read_plan(file)} if file else {}


def _last(folder: Path, name: str) -> Path | None:
    """That file of the newest run that has it."""
    return next(reversed(run_files(folder, name)), None)


def update_run(folder: Path, run_id: str, **values: Any) -> None:
    """Adds values, such as timings, to a run's run.json."""
    file = folder / RUNS / run_id / RECORD
    _write_json(folder, file, {**read_json(file), **values})


def summarize(folder: Path, trial_ids: Sequence[str], *, objective: str, mode: str) -> Summary:
    """The state of these trials in the tables of `folder`, ranked by validation."""
    ranked = _ranked(_rows(folder, objective), trial_ids, objective=objective, mode=mode)
    complete = [trial for trial in ranked if trial.status == "complete"]
    counts = {status: sum(trial.status == status for trial in ranked) for status in STATUSES}
    return Summary(
        trials=len(trial_ids),
        **counts,
        missing=len(trial_ids) - len(ranked),
        objective=objective,
        best=complete[0] if complete else None,
        ranking=tuple(ranked),
        results=str(folder),
    )


def _rows(folder: Path, objective: str) -> dict[str, dict[str, Any]]:
    numbers = [f"{role}_{objective}_{end}" for role in ("val", "test") for end in ("mean", "std")]
    rows: dict[str, dict[str, Any]] = {}
    for part in parts(folder, "trials"):
        params = [name for name in read_schema(part).names if name.startswith("params.")]
        columns = ["trial_id", *RANKED, *numbers, *params]
        rows |= {row["trial_id"]: row for row in read_file(part, columns).to_pylist()}
    lost = lost_rows(folder)
    return {trial_id: row for trial_id, row in rows.items() if trial_id not in lost}


def _ranked(
    rows: Mapping[str, Mapping[str, Any]],
    trial_ids: Sequence[str],
    *,
    objective: str,
    mode: str,
) -> list[RankedTrial]:
    trials = [_trial(rows[one], objective) for one in trial_ids if one in rows]
    sign = -1.0 if mode == "max" else 1.0

    def place(trial: RankedTrial) -> tuple[bool, float]:
        done = trial.status == "complete" and trial.validation is not None
        return (not done, sign * (trial.validation or 0.0) if done else 0.0)

    return sorted(trials, key=place)


def _trial(row: Mapping[str, Any], objective: str) -> RankedTrial:
    params = {
        name.removeprefix("params."): value
        for name, value in row.items()
        if name.startswith("params.")
    }
    return RankedTrial(
        trial_id=row["trial_id"],
        status=row["status"],
        params=params,
        validation=row.get(f"val_{objective}_mean"),
        validation_std=row.get(f"val_{objective}_std"),
        test=row.get(f"test_{objective}_mean"),
        test_std=row.get(f"test_{objective}_std"),
        n_parameters=row.get("n_parameters"),
        fit_time_s=row.get("fit_time_s"),
        error=row.get("error"),
        findings=row.get("findings"),
    )


def _write_json(folder: Path, file: Path, value: Mapping[str, Any]) -> None:
    """The file as a whole, or as it was."""
    staged = folder / TEMPORARY / f"{file.parent.name}-{os.getpid()}-{file.name}"
    with os.fdopen(create_plain(staged), "w", encoding="utf-8") as out:
        out.write(json.dumps(value, indent=2, default=str) + "\n")
    os.replace(staged, file)
