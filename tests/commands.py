"""Running `bench` as a user does: its exit code and its words."""

import contextlib
import io
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from harness.cli import main

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
    try:
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
    except subprocess.TimeoutExpired as late:
        said = b"\n".join([late.stdout or b"", late.stderr or b""]).decode(errors="replace")
        pytest.fail(f"bench {' '.join(arguments)}: no end within {timeout_s} s; it said:\n{said}")


def bench_here(*arguments: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    """The same in this process, which saves importing torch; a run needs `--in-process`."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    on_sigterm = signal.getsignal(signal.SIGTERM)
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.chdir(folder),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        patch.delenv("BENCH_DATA", raising=False)
        for name, value in surroundings(folder).items():
            patch.setenv(name, value)
        try:
            main([*arguments])
        except SystemExit as ended:
            code = int(ended.code or 0)
        finally:
            signal.signal(signal.SIGTERM, on_sigterm)  # a command may set its own
    said = out.getvalue(), err.getvalue()
    return subprocess.CompletedProcess(["bench", *arguments], code, *said)


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
    ours = ("BENCH_DATA", "PYTHONBREAKPOINT")  # Ray sets the latter where a test starts it
    kept = {name: value for name, value in os.environ.items() if name not in ours}
    return {**kept, "XDG_CACHE_HOME": str(folder / "cache"), "COLUMNS": "200", **environment}


def without(folder: Path, *packages: str) -> str:
    """A PYTHONPATH on which importing any of the packages fails."""
    blocked = folder / "blocked"
    blocked.mkdir(exist_ok=True)
    for name in packages:
        (blocked / f"{name}.py").write_text(f"raise ImportError('{name} was imported')\n")
    return str(blocked)
