"""What guards a private Ray's processes."""

import subprocess
import sys
import time
from pathlib import Path

GUARDED = """
import os, subprocess, sys, time
from types import SimpleNamespace
from harness.tuning.machines.head import _guard

sleep = [sys.executable, "-c", "import time; time.sleep(60)"]
sleeper = subprocess.Popen(sleep, stdout=subprocess.DEVNULL)
guard = _guard([SimpleNamespace(pid=sleeper.pid)])
print(sleeper.pid, flush=True)
if sys.argv[1] == "stops":
    guard.kill()
    guard.communicate()
os._exit(9)
"""


def lives(pid: int) -> bool:
    """Whether the process still runs."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def sleeper_of(end: str) -> int:
    """The process that a driver guarded, which has died or stopped the guard before."""
    command = [sys.executable, "-c", GUARDED, end]
    return int(subprocess.run(command, stdout=subprocess.PIPE, text=True).stdout)


def test_what_is_guarded_ends_with_a_driver_that_dies() -> None:
    """However it died: its end of a pipe closes."""
    pid = sleeper_of("dies")
    deadline = time.monotonic() + 10
    while lives(pid) and time.monotonic() < deadline:
        time.sleep(0.02)

    assert not lives(pid)


def test_a_guard_that_was_stopped_kills_nothing() -> None:
    """The run ends its processes itself then."""
    pid = sleeper_of("stops")
    time.sleep(0.5)

    assert lives(pid)
    subprocess.run(["kill", "-9", str(pid)], check=True)
