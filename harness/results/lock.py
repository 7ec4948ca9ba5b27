"""One writer per results folder.

The kernel's flock is used directly, not the package filelock: the file holds who writes (host,
process, since when) for the message, is opened without following links, may be looked at without
being made, goes again with an unused folder, and is checked to be still the file that others would
open. filelock's FileLock is the same flock without these, and its SoftFileLock leaves a stale lock
where a process is killed. The kernel frees the lock of a process that died. On NFS, Linux maps
flock to byte-range locks at the server, which NFSv4 frees when the lease of a client that is gone
runs out; where a file system has no locks, the folder is refused.
"""

import errno
import fcntl
import json
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from harness.errors import BenchError
from harness.results.layout import LOCK, open_plain

WAIT = "two can't write there at once: try again when it has ended"


@contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Hold the folder, made where it is missing, for as long as the block runs.

    A folder in which nothing was written is removed again.

    Raises:
        BenchError: Another process holds it, and the text names host, process and since when; or
            the folder can't be written.
    """
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        with _locked(folder) as file:
            try:
                _sign(file, folder)
                yield
            finally:
                _remove_if_unused(folder)
    finally:
        _remove_empty(made)


def refuse_early(folder: Path) -> None:
    """Check that a run could write the folder; make nothing, and be quick.

    Raises:
        BenchError: Another run holds the folder, or it can't be written.
    """
    there = next(path for path in (folder, *folder.parents) if path.exists())
    if not there.is_dir():
        raise _unwritable(folder, NotADirectoryError(errno.ENOTDIR, f"{there} is a file"))
    if not os.access(there, os.W_OK | os.X_OK):
        read_only = os.statvfs(there).f_flag & os.ST_RDONLY
        number = errno.EROFS if read_only else errno.EACCES
        raise _unwritable(folder, OSError(number, os.strerror(number)))
    refuse_held(folder)


def refuse_held(folder: Path) -> None:
    """Check that no run holds the folder at this moment; write nothing.

    Raises:
        BenchError: A run holds it, or the lock file can't be read.
    """
    try:
        with os.fdopen(open_plain(folder / LOCK), encoding="utf-8") as file:
            _lock(file, folder, fcntl.LOCK_SH)
    except FileNotFoundError:
        return
    except OSError as error:
        raise BenchError(f"{folder / LOCK} can't be read: {error.strerror}") from None


@contextmanager
def writable(folder: Path) -> Iterator[None]:
    """Turn errors of writing before a run has begun into a mistake that the user can mend.

    Raises:
        BenchError: In place of an OSError, such as that of a full disk.
    """
    try:
        yield
    except OSError as error:
        raise _unwritable(folder, error) from None


def is_held(folder: Path) -> bool:
    """Return whether a run holds the folder at this moment; make nothing."""
    try:
        with os.fdopen(open_plain(folder / LOCK)) as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


@contextmanager
def _locked(folder: Path) -> Iterator[TextIO]:
    """Yield the lock file, once it is ours and still the one that others would open."""
    while True:
        with _opened(folder) as file:
            _lock(file, folder)
            if _is_current(file, folder):
                yield file
                return


def _lock(file: TextIO, folder: Path, kind: int = fcntl.LOCK_EX) -> None:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        raise BenchError(f"{folder} is held by {_holder(file)}; {WAIT}") from None
    except OSError as error:
        raise BenchError(f"{folder} can't be locked: {error.strerror}") from None


def _is_current(file: TextIO, folder: Path) -> bool:
    """Return False where the former holder removed the file before we locked it."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), (folder / LOCK).lstat())
    except FileNotFoundError:
        return False


def _remove_if_unused(folder: Path) -> None:
    """Remove the lock file where nothing lies beside it; the lock is still held."""
    with suppress(OSError):
        if [path.name for path in folder.iterdir()] == [LOCK]:
            (folder / LOCK).unlink()


def _remove_empty(folders: Sequence[Path]) -> None:
    """Remove those that are empty, inner ones first."""
    with suppress(OSError):
        for folder in folders:
            folder.rmdir()


def _opened(folder: Path) -> TextIO:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = open_plain(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        return os.fdopen(descriptor, "a+", encoding="utf-8")
    except OSError as error:
        raise _unwritable(folder, error) from None


def _unwritable(folder: Path, error: OSError) -> BenchError:
    reason = error.strerror or str(error)
    return BenchError(
        f"{folder} can't be written: {reason}; choose another place with --results DIR"
    )


def _sign(file: TextIO, folder: Path) -> None:
    holder = {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    try:
        os.ftruncate(file.fileno(), 0)
        os.write(file.fileno(), json.dumps(holder).encode())
    except OSError as error:  # a full disk
        raise _unwritable(folder, error) from None


def _holder(file: TextIO) -> str:
    file.seek(0)
    try:
        holder = json.load(file)
        return f"process {holder['pid']} on {holder['host']} since {holder['since']}"
    except (ValueError, KeyError, TypeError, RecursionError):
        return "another run"
