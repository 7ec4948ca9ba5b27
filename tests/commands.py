"""Running `bench` as a user does: a process of its own, its exit code and its words."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

BENCH = [sys.executable, "-c", "from harness.cli import main; main()"]


def bench(
    *arguments: str,
    folder: Path,
    timeout_s: float = 240,
    through: Sequence[str] = (),
    typed: str = "",
    **environment: str,
) -> "subprocess.CompletedProcess[str]":
    """`bench ARGUMENTS` in a folder, with caches of its own.

    through: a command that runs it. typed: what it reads from its standard input.
    """
    return subprocess.run(
        [*through, *BENCH, *arguments],
        cwd=folder,
        env=surroundings(folder, **environment),
        input=typed,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


def start_bench(*arguments: str, folder: Path) -> "subprocess.Popen[str]":
    """The same, not waited for, as the leader of a process group of its own."""
    return subprocess.Popen(
        [*BENCH, *arguments],
        cwd=folder,
        env=surroundings(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def surroundings(folder: Path, **environment: str) -> dict[str, str]:
    """The environment of a user whose caches lie in `folder`."""
    kept = {name: value for name, value in os.environ.items() if name != "BENCH_DATA"}
    return {**kept, "XDG_CACHE_HOME": str(folder / "cache"), "COLUMNS": "200", **environment}


def without(folder: Path, *packages: str) -> str:
    """A PYTHONPATH on which importing any of the packages fails."""
    blocked = folder / "blocked"
    blocked.mkdir(exist_ok=True)
    for name in packages:
        (blocked / f"{name}.py").write_text(f"raise ImportError('{name} was imported')\n")
    return str(blocked)
