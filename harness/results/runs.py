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
    run_folder = folder / "runs" / run_id
    run_folder.mkdir(parents=True, exist_ok=True)
    (run_folder / "benchmark.yaml").write_text(resolved, encoding="utf-8")
    listed = "\n".join(f"{name}=={version}" for name, version in installed_distributions())
    (run_folder / "distributions.txt").write_text(listed + "\n", encoding="utf-8")
    for name, value in read.items():
        last = before[name]
        if value is not None:
            _write_json(run_folder / name, value)
        elif last is not None:
            shutil.copyfile(last, run_folder / name)
    write_plan(folder, run_id, record["plan"])
    _write_json(run_folder / "run.json", {k: v for k, v in record.items() if k != "plan"})
    return run_folder


def write_plan(folder: Path, run_id: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Writes a run's plan.parquet, in place of an earlier one; readers see one or the other."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    staged = folder / ".tmp" / f"plan-{run_id}.parquet"
    staged.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(list(rows), schema=plan_schema()), staged)
    os.replace(staged, folder / "runs" / run_id / "plan.parquet")


def last_plan(folder: Path) -> list[str]:
    """The trial ids of the last run's plan, in its order; empty without one."""
    from harness.results.parts import read_file

    file = _last(folder, "plan.parquet")
    ids: list[str] = read_file(file, ["trial_id"])["trial_id"].to_pylist() if file else []
    return ids


def last_params(folder: Path) -> dict[str, dict[str, Any]]:
    """Trial id -> searched path -> value, of the last run's plan; empty without one."""
    from harness.results.parts import read_file

    file = _last(folder, "plan.parquet")
    rows = read_file(file, ["trial_id", "params"]).to_pylist() if file else []
    return {row["trial_id"]: json.loads(row["params"] or "{}") for row in rows}


def _last(folder: Path, name: str) -> Path | None:
    """That file of the newest run that has it."""
    return max((folder / "runs").glob(f"*/{name}"), default=None)


def update_run(folder: Path, run_id: str, **values: Any) -> None:
    """Adds values, such as timings, to a run's run.json."""
    file = folder / "runs" / run_id / "run.json"
    _write_json(file, {**json.loads(file.read_text(encoding="utf-8")), **values})


def plan_schema() -> Any:
    """Columns of plan.parquet: the trials a run stood for, in plan order."""
    import pyarrow as pa

    names = ("trial_id", "variant", "params", "state", "reason")
    return pa.schema([(name, pa.string()) for name in names])


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


STATUSES = ("complete", "failed", "pruned", "interrupted")


def _rows(folder: Path, objective: str) -> dict[str, dict[str, Any]]:
    from harness.results.parts import read_file, read_schema
    from harness.results.read import parts

    numbers = [f"{role}_{objective}_{end}" for role in ("val", "test") for end in ("mean", "std")]
    rows: dict[str, dict[str, Any]] = {}
    for part in parts(folder, "trials"):
        params = [name for name in read_schema(part).names if name.startswith("params.")]
        columns = ["trial_id", *RANKED, *numbers, *params]
        rows |= {row["trial_id"]: row for row in read_file(part, columns).to_pylist()}
    return rows


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


def _write_json(file: Path, value: Mapping[str, Any]) -> None:
    file.write_text(json.dumps(value, indent=2, default=str) + "\n", encoding="utf-8")
