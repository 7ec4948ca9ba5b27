"""A real process is killed before each file operation of a change in turn: every trial is whole."""

import subprocess
import sys
from pathlib import Path

import pytest
from folders import whole

from harness.results.repair import repair

KILLED = """
import os, shutil, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from folders import Builder
from harness.results.column_types import param_type
from harness.results.tables import table_schemas
from harness.results.schema_migration import widen
from harness.results.table_writer import TableWriter, compact

start, change, build = Path(sys.argv[2]), sys.argv[3], Builder()
wide = table_schemas(
    metrics=("accuracy",), objective="accuracy", params={"model.name": param_type(["net"])}
)


def act(folder):
    if change == "compact":
        compact(folder, threshold=1)
    elif change == "widen":
        widen(folder, wide)
    else:
        writer = TableWriter(folder, build.schemas)
        writer.add("b", build.tables("b", accuracy=0.75), replace=True)
        writer.add("d", build.tables("d", accuracy=0.75))
        writer.close()


def die_before(step):
    reached = 0

    def counted(real):
        def call(*arguments, **keywords):
            nonlocal reached
            reached += 1
            if reached > step:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*arguments, **keywords)
        return call

    for name in ("replace", "unlink", "fsync"):
        setattr(os, name, counted(getattr(os, name)))


for step in range(1000):
    folder = start.with_name(f"{start.name}-{step}")
    shutil.copytree(start, folder)
    if (child := os.fork()) == 0:
        die_before(step)
        act(folder)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    print(folder if os.WIFSIGNALED(status) else f"ended {os.WEXITSTATUS(status)}", flush=True)
    if not os.WIFSIGNALED(status):
        break
"""


def killed_at_each_step(folder: Path, change: str) -> list[Path]:
    """Copies of the folder in which a process died while it changed the tables."""
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(Path(__file__).parent), str(folder), change],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    *copies, end = done.stdout.splitlines()
    assert end == "ended 0", done.stderr
    assert len(copies) > 5
    return [Path(copy) for copy in copies]


@pytest.fixture
def three(build, folder):
    """Three trials, each in a part of its own."""
    build.write(folder, "a", "b", "c")
    return folder


def test_parts_are_joined_wholly_or_not_at_all(three):
    before = whole(three)
    for copy in killed_at_each_step(three, "compact"):
        repair(copy)
        assert whole(copy) == before


def test_tables_are_widened_wholly_or_not_at_all(three):
    for copy in killed_at_each_step(three, "widen"):
        repair(copy)
        rows = whole(copy)
        assert set(rows) == {"a", "b", "c"}
        assert len({"params.model.name" in row for row in rows.values()}) == 1


def test_a_replaced_trial_is_the_old_or_the_new_one_and_its_neighbours_stay(three):
    for copy in killed_at_each_step(three, "replace"):
        repair(copy)
        rows = {name: row["val_accuracy_mean"] for name, row in whole(copy).items()}
        assert rows in (
            {"a": 0.5, "b": 0.5, "c": 0.5},
            {"a": 0.5, "b": 0.75, "c": 0.5, "d": 0.75},
        )
