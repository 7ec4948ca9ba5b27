"""What a run leaves beside the tables: `runs/<run_id>/`, written and read."""

import json
import os
import secrets
import shutil
from collections.abc import Mapping, Sequence
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
from harness.results.parquet_parts import DamagedPart, read_file
from harness.results.tables import plan_schema

_NOTHING: Mapping[str, Any] = {}


def new_run_id() -> str:
    """Return a name such as `20261121T130501-9f2c`: sorts by time, distinct within a second."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(2)}"


def write_run(
    folder: Path,
    run_id: str,
    *,
    resolved: str,
    record: Mapping[str, Any],
    read: Mapping[str, Mapping[str, Any] | None] = _NOTHING,
) -> Path:
    """Write `runs/<run_id>/`: the resolved file, run.json, what the data is, the distributions.

    Args:
        folder: The results folder.
        run_id: The run.
        resolved: The text of the resolved benchmark file.
        record: JSON values; `plan` within it lists trial id, state and reason of every trial.
        read: File name -> what the data is; None where none was read: then that of the last run
            is copied.

    Returns:
        The run's folder.
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
    """Write a run's plan.parquet, in place of an earlier one; readers see one or the other."""
    staged = folder / TEMPORARY / f"{run_id}-{PLAN}"
    with os.fdopen(create_plain(staged), "wb") as file:
        pq.write_table(pa.Table.from_pylist(list(rows), schema=plan_schema()), file)
    os.replace(staged, folder / RUNS / run_id / PLAN)


def read_plan(file: Path) -> list[dict[str, Any]]:
    """Return the trials of a plan.parquet: `trial_id`, `variant` and `params`, a mapping.

    Raises:
        DamagedPart: Bench has not written the file.
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
    """Return a JSON object.

    Raises:
        DamagedPart: The file holds anything else.
        OSError: It can't be read.
    """
    try:
        content = json.loads(read_plain(file))
    except (ValueError, RecursionError):  # also of bytes that are no text
        raise _damaged(file, "no JSON") from None
    if not isinstance(content, dict):
        raise _damaged(file, "no JSON object")
    return content


def read_resolved(file: Path) -> str:
    """Return the text of a resolved benchmark file.

    Raises:
        DamagedPart: The file holds no text.
    """
    try:
        return read_plain(file).decode("utf-8")
    except UnicodeDecodeError:
        raise _damaged(file, "no UTF-8 text") from None


def _damaged(file: Path, why: str) -> DamagedPart:
    return DamagedPart(f"{file} is damaged ({why}); the next `bench run` sets it aside")


def last_plan(folder: Path) -> list[str]:
    """Return the trial ids of the last run's plan, in its order; none without a plan."""
    file = _last(folder, PLAN)
    return [row["trial_id"] for row in read_plan(file)] if file else []


def last_params(folder: Path) -> dict[str, dict[str, Any]]:
    """Return trial id -> searched path -> value, of the last run's plan; empty without one."""
    file = _last(folder, PLAN)
    return {row["trial_id"]: row["params"] for row in read_plan(file)} if file else {}


def _last(folder: Path, name: str) -> Path | None:
    """Return that file of the newest run that has it."""
    return next(reversed(run_files(folder, name)), None)


def update_run(folder: Path, run_id: str, **values: Any) -> None:
    """Add values, such as timings, to a run's run.json."""
    file = folder / RUNS / run_id / RECORD
    _write_json(folder, file, {**read_json(file), **values})


def _write_json(folder: Path, file: Path, value: Mapping[str, Any]) -> None:
    """Write the file as a whole, or leave it as it was."""
    staged = folder / TEMPORARY / f"{file.parent.name}-{os.getpid()}-{file.name}"
    with os.fdopen(create_plain(staged), "w", encoding="utf-8") as out:
        out.write(json.dumps(value, indent=2, default=str) + "\n")
    os.replace(staged, file)
