"""Where the checkpoints of running trials lie, and the thread that writes them."""

import contextlib
import os
import threading
from pathlib import Path

import numpy as np

from harness.results.layout import TEMPORARY
from harness.training.checkpoint_format import (
    About,
    CheckpointError,
    Packed,
    header,
    read_header,
)

FOLDER = "checkpoints"  # below runs/<run_id>/
SUFFIX = ".checkpoint"
LONGEST_HEADER = 2**16


class CheckpointStore:
    """Keeps the last checkpoint of each running trial in `runs/<run_id>/checkpoints/`.

    Writing happens behind the caller's back; of two checkpoints of a trial that wait, the newer is
    written. A disk that is full costs the checkpoint and nothing else.
    """

    def __init__(self, results: Path, run_folder: Path) -> None:
        self._temporary = results / TEMPORARY
        self._folder = run_folder / FOLDER
        self._waiting: dict[str, Packed] = {}
        self._over: set[str] = set()
        self._error: str | None = None
        self._closed = False
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def put(self, trial_id: str, packed: Packed) -> str | None:
        """Takes a checkpoint in place of an earlier one. Why the last write failed, or None."""
        with self._changed:
            if trial_id not in self._over and not self._closed:
                self._waiting[trial_id] = packed
                self._start()
                self._changed.notify()
            return self._error

    def get(self, trial_id: str) -> Packed | None:
        """The newest one of a trial. Raises CheckpointError where it can't be read."""
        with self._changed:
            waiting = self._waiting.get(trial_id)
        file = self._file(trial_id)
        if waiting is not None or not file.exists():
            return waiting
        return read_packed(file)

    def end(self, trial_id: str) -> None:
        """The trial needs none any more, and keeps none that is still on its way."""
        with self._changed:
            self._over.add(trial_id)
            self._waiting.pop(trial_id, None)
            with contextlib.suppress(OSError):
                self._file(trial_id).unlink()

    def close(self) -> None:
        """Writes what waits."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()
        with contextlib.suppress(OSError):
            self._folder.rmdir()  # where nothing is left in it

    def _file(self, trial_id: str) -> Path:
        return self._folder / f"{trial_id}{SUFFIX}"

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._write_what_waits, daemon=True)
            self._thread.start()

    def _write_what_waits(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if not self._waiting:
                    return
                trial_id = next(iter(self._waiting))
                packed = self._waiting[trial_id]
            self._write(trial_id, packed)
            with self._changed:
                if self._waiting.get(trial_id) is packed:
                    del self._waiting[trial_id]

    def _write(self, trial_id: str, packed: Packed) -> None:
        draft = self._temporary / f"{trial_id}{SUFFIX}"
        try:
            self._temporary.mkdir(parents=True, exist_ok=True)
            self._folder.mkdir(parents=True, exist_ok=True)
            write_packed(draft, packed)
            with self._changed:
                if trial_id not in self._over:
                    os.replace(draft, self._file(trial_id))
            self._error = None
        except OSError as error:
            self._error = error.strerror or str(error)
        with contextlib.suppress(OSError):
            draft.unlink()


def write_packed(file: Path, packed: Packed) -> None:
    """The header's line, then the payload. Raises OSError."""
    with file.open("wb") as out:
        out.write(header(packed))
        out.write(packed.payload.data)
        out.flush()
        os.fsync(out.fileno())


def read_packed(file: Path) -> Packed:
    """What `write_packed` wrote. Raises CheckpointError."""
    try:
        with file.open("rb") as content:
            about, size, crc32 = read_header(content.readline(LONGEST_HEADER))
            payload = np.fromfile(content, np.uint8)
    except OSError as error:
        raise CheckpointError(f"it can't be read: {error.strerror}") from error
    if len(payload) != size:
        raise CheckpointError("it is damaged")
    return Packed(about, payload, crc32)


def read_about(file: Path) -> About:
    """What a file's header says. Raises CheckpointError also where the file is cut off."""
    try:
        with file.open("rb") as content:
            line = content.readline(LONGEST_HEADER)
            about, size, _ = read_header(line)
            length = os.fstat(content.fileno()).st_size
    except OSError as error:
        raise CheckpointError(f"it can't be read: {error.strerror}") from error
    if length != len(line) + size:
        raise CheckpointError("it is damaged")
    return about
