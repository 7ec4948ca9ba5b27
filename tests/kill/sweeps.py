"""Sweeps that are disturbed, and what must be true of their tables in the end."""

import importlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harness.results.tables import TABLES
from tests.commands import bench, bench_here, start_bench

NAME = "sweep"
FILE = """\
question: Is what is finished kept?
dataset: {name: digits}
model: {name: linear}
training: {epochs: 24, batch_size: 16, optimizer: adam, fold_execution: loop}
cross_validation: {strategy: stratified, n_splits: 4}
search:
  space:
    training.lr: [0.001, 0.002, 0.003, 0.004, 0.005, 0.006]
objective: {metric: accuracy}
"""
KEYS = ("trial_id", "stage", "repeat", "fold", "epoch", "role", "example_id")
KEYS += ("position", "class", "token", "block", "head")
CIRCUMSTANCES = ("run_id", "attempt", "git_commit", "device", "versions")
STARTED_WITHIN_S = 150
ENDED_WITHIN_S = 100


def user_folder(folder: Path, text: str = FILE) -> Path:
    """A working directory that holds the benchmark file."""
    (folder / f"{NAME}.yaml").write_text(text)
    return folder


def go_on(folder: Path, *, through: Sequence[str] = ()) -> "subprocess.CompletedProcess[str]":
    """The same command again, or the first time, to its end. through: a command that runs it."""
    return bench("run", NAME, folder=folder, through=through)


def undisturbed_run(folder: Path) -> None:
    """The sweep where nothing happens to it: in this process, whose rows are those with Ray."""
    done = bench_here("run", NAME, "--in-process", folder=folder)
    assert done.returncode == 0, done.stderr


def tables_of(folder: Path) -> Path:
    """Where the sweep's tables lie."""
    return folder / "results" / NAME


@contextmanager
def running(folder: Path) -> Iterator["subprocess.Popen[str]"]:
    """The sweep as a process that leads a group of its own; nothing of it outlives the block."""
    process = start_bench("run", NAME, folder=folder)
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def wait_for_rows(process: "subprocess.Popen[str]", folder: Path) -> None:
    """Until a trial is finished and others are not."""
    wait_until(lambda: any((tables_of(folder) / "trials").glob("*.parquet")), process)


def wait_until(happened: Callable[[], bool], process: "subprocess.Popen[str]") -> None:
    """Until it is true of a process that runs."""
    deadline = time.monotonic() + STARTED_WITHIN_S
    while not happened():
        assert process.poll() is None, process.communicate()[0]
        if time.monotonic() > deadline:
            pytest.fail(f"not within {STARTED_WITHIN_S} s; it said:\n{_killed(process)}")
        time.sleep(0.05)


def ended(process: "subprocess.Popen[str]") -> tuple[int, str]:
    """Its exit code and all that it said."""
    try:
        out, _ = process.communicate(timeout=ENDED_WITHIN_S)
    except subprocess.TimeoutExpired:
        pytest.fail(f"no end within {ENDED_WITHIN_S} s; it said:\n{_killed(process)}")
    return process.returncode, out


def below(process: "subprocess.Popen[str]") -> dict[int, str]:
    """Process id -> name of everything that it started, at any depth."""
    importlib.import_module("ray")  # which brings psutil along
    import psutil

    return {one.pid: one.name() for one in psutil.Process(process.pid).children(recursive=True)}


def still_there(processes: dict[int, str], *, within_s: float = 15) -> list[str]:
    """Those that have not ended in that time."""
    deadline = time.monotonic() + within_s
    while left := [name for pid, name in processes.items() if _lives(pid)]:
        if time.monotonic() > deadline:
            return left
        time.sleep(0.1)
    return []


def assert_same_results(one: Path, other: Path) -> None:
    """Two results folders hold the same rows, each once, but for times, machines and attempts."""
    for table in TABLES:
        left, right = (_telling(root / table) for root in (one, other))
        assert left.num_rows == right.num_rows, table
        assert left.schema.names == right.schema.names, table
        differing = [name for name in left.schema.names if not left[name].equals(right[name])]
        assert differing == [], table


def statuses(folder: Path) -> dict[str, int]:
    """Status -> how many trials have it."""
    rows = pd.read_parquet(tables_of(folder) / "trials", columns=["status"])
    return {str(key): int(count) for key, count in rows["status"].value_counts().items()}


def _killed(process: "subprocess.Popen[str]") -> str:
    """All that it had said when it was killed here with its group."""
    os.killpg(process.pid, signal.SIGKILL)
    return process.communicate()[0]


def _telling(table: Path) -> pa.Table:
    """What must be the same whenever and wherever it was trained, in one order."""
    if not table.exists():
        return pa.table({})
    rows = pq.read_table(table)
    keys = [name for name in KEYS if name in rows.schema.names and rows[name].null_count == 0]
    keys = ["trial_id"] if table.name == "trials" else keys
    distinct = rows.group_by(keys).aggregate([]).num_rows
    assert distinct == rows.num_rows, f"{table} holds rows twice"
    circumstances = [name for name in rows.schema.names if name.endswith(("_s", "_at", "_mb"))]
    known = [name for name in CIRCUMSTANCES if name in rows.schema.names]
    return rows.sort_by([(name, "ascending") for name in keys]).drop([*circumstances, *known])


def _lives(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
