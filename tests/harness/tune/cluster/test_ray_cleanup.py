"""What a private Ray leaves is removed, however the run ended."""

import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.tune.cluster import ray_cleanup
from harness.tune.cluster.session import make_private_folder, marked

pytestmark = pytest.mark.skipif(
    not ray_cleanup.PROCESSES.is_dir(), reason="lists processes on Linux"
)

SLEEP = [sys.executable, "-c", "import time; print(flush=True); time.sleep(60)"]
DRIVER = """
import os, subprocess, sys
from harness.tune.cluster.session import make_private_folder, marked

folder = make_private_folder()
with marked(folder.path):
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], stdout=2)
print(sleeper.pid, folder.path, flush=True)
os._exit(9)
"""


def lives(pid: int) -> bool:
    """Whether the process still runs."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def started(**options: object) -> "subprocess.Popen[str]":
    """A process that sleeps, once its environment is its own."""
    process = subprocess.Popen(SLEEP, stdout=subprocess.PIPE, text=True, **options)
    assert process.stdout is not None
    process.stdout.readline()
    return process


def test_a_driver_that_dies_leaves_neither_process_nor_folder() -> None:
    done = subprocess.run([sys.executable, "-c", DRIVER], stdout=subprocess.PIPE, text=True)
    pid, folder = done.stdout.split()
    deadline = time.monotonic() + 10
    while (lives(int(pid)) or Path(folder).exists()) and time.monotonic() < deadline:
        time.sleep(0.02)

    assert not lives(int(pid))
    assert not Path(folder).exists()


def test_the_folder_is_for_its_owner_alone_until_it_is_removed() -> None:
    folder = make_private_folder()
    mode = stat.S_IMODE(folder.path.stat().st_mode)
    folder.remove()

    assert mode == 0o700
    assert not folder.path.exists()


def test_marked_processes_and_writers_of_logs_are_killed_and_no_others(tmp_path: Path) -> None:
    """A worker of Ray overwrites its environment with its title, and keeps its log open."""
    folder = make_private_folder()
    with marked(folder.path):
        marked_process = started()
    with open(folder.path / "worker.out", "w", encoding="utf-8") as log:
        writer = started(stderr=log)
    stranger = started()
    folder.remove()

    assert [process.poll() is None for process in (marked_process, writer, stranger)] == [
        False,
        False,
        True,
    ]
    for process in (marked_process, writer, stranger):
        process.kill()
        process.communicate()


def test_named_processes_are_killed_where_the_machine_lists_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = started()
    monkeypatch.setattr(ray_cleanup, "PROCESSES", tmp_path / "no_proc")
    ray_cleanup.clean_up(tmp_path / "folder", [named.pid, 2**22 + 1])

    assert named.wait(10) == -9
    named.communicate()


def test_the_mark_does_not_stay_in_the_environment(tmp_path: Path) -> None:
    with marked(tmp_path):
        assert os.environ[ray_cleanup.MARK] == str(tmp_path)

    assert ray_cleanup.MARK not in os.environ
