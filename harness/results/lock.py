"""One writer per results folder."""

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from harness.errors import BenchError

LOCK = ".lock"


@contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Holds the folder, made where it is missing, for as long as the block runs.

    The kernel frees the lock of a process that died. Raises BenchError naming who holds it (host,
    pid, since), or where the folder can't be written.
    """
    with _opened(folder) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BenchError(f"{folder} is held by {_holder(file)}") from None
        except OSError as error:
            raise BenchError(f"{folder} can't be locked: {error.strerror}") from None
        _sign(file)
        yield


def refuse_if_held(folder: Path) -> None:
    """Raises BenchError where another run holds the folder; makes nothing."""
    if (folder / LOCK).exists():
        with hold(folder):
            pass


def is_held(folder: Path) -> bool:
    """Whether a run holds the folder at this moment; makes nothing."""
    try:
        with (folder / LOCK).open("r", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _opened(folder: Path) -> TextIO:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return (folder / LOCK).open("a+", encoding="utf-8")
    except OSError as error:
        reason = error.strerror or str(error)
        raise BenchError(
            f"{folder} can't be written: {reason}; choose another place with --results DIR"
        ) from None


def _sign(file: TextIO) -> None:
    holder = {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    file.truncate(0)
    json.dump(holder, file)
    file.flush()


def _holder(file: TextIO) -> str:
    file.seek(0)
    try:
        holder = json.load(file)
        return f"process {holder['pid']} on {holder['host']} since {holder['since']}"
    except (ValueError, KeyError, TypeError):
        return "another run"
