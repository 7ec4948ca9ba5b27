"""Remove what a private Ray leaves behind, however the run ends that started it.

A script of its own: it is started before Ray, waits on a pipe that the kernel closes when the run
ends or dies, and then kills every process of that Ray and removes its folder. It imports nothing
but the standard library, so that it starts in a few milliseconds and outlives a broken install.

Without it, a run that is killed leaves Ray's agents for a minute, a worker that was just starting
for half a minute, and the folder for good.
"""

import contextlib
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

MARK = "BENCH_RAY_FOLDER"  # in the environment of every process of a private Ray
PROCESSES = Path("/proc")  # Linux; elsewhere only the processes named on the pipe are killed
ROUND_S = 0.03  # a process that is being forked while the others are killed shows up next time
# Three seconds in all: a process that can't be killed, such as one that waits for a disk, must not
# keep the guard for ever.
ROUNDS = 100


def processes_of(folder: Path) -> list[int]:
    """Return the ids of the processes that belong to the Ray whose files are in `folder`.

    A process is recognised by the mark in its environment or by an open file in the folder: Ray
    overwrites the environment of a worker with the worker's title, and a process that has only
    been forked has no open log yet.
    """
    own = {os.getpid(), os.getppid()}
    ids = [int(entry.name) for entry in PROCESSES.glob("[0-9]*")]
    return [pid for pid in ids if pid not in own and (_marked(pid, folder) or _open(pid, folder))]


def clean_up(folder: Path, named: Iterable[int] = ()) -> None:
    """Kill the processes of a private Ray and remove its folder.

    Args:
        folder: The private folder.
        named: Ids to kill where the machine does not list the processes.
    """
    if not PROCESSES.is_dir():
        _kill(named)
    for _ in range(ROUNDS):
        living = processes_of(folder)
        if not living:
            break
        _kill(living)
        time.sleep(ROUND_S)
    shutil.rmtree(folder, ignore_errors=True)


def _marked(pid: int, folder: Path) -> bool:
    with contextlib.suppress(OSError):
        entry = f"{MARK}={folder}".encode()
        return entry in (PROCESSES / str(pid) / "environ").read_bytes().split(b"\0")
    return False


def _open(pid: int, folder: Path) -> bool:
    return any(target.startswith(f"{folder}/") for target in _open_files(pid))


def _open_files(pid: int) -> Iterator[str]:
    with contextlib.suppress(OSError):
        for descriptor in os.scandir(PROCESSES / str(pid) / "fd"):
            with contextlib.suppress(OSError):
                yield os.readlink(descriptor.path)


def _kill(ids: Iterable[int]) -> None:
    for pid in ids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def main() -> None:
    """Wait for the end of the pipe on stdin, whose lines are process ids, then clean up."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    named = [int(line) for line in sys.stdin.read().split()]
    clean_up(Path(sys.argv[1]), named)


if __name__ == "__main__":
    main()
