"""What a trial says, on disk while it runs, so that it outlives the worker's process."""

import contextlib
import faulthandler
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from harness.tune.recovery.out_of_memory import kills

LOG_LIMIT = 200_000  # characters
GRACE_S = 2.0  # between the end that a trial makes itself and that of its process


class TrialLog(io.TextIOBase):
    """A stream for stdout and stderr of one trial; beside it lies what the process was before.

    Where the process crashes, the interpreter writes its last words here.
    """

    def __init__(self, folder: Path, trial_id: str) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path = log_file(folder, trial_id)
        _start_file(self.path).write_text(json.dumps({"kills": kills()}), encoding="utf-8")
        self.path.unlink(missing_ok=True)
        self._file = self.path.open("a+", encoding="utf-8", errors="replace", buffering=1)
        self._written = 0
        faulthandler.enable(file=self._file)

    def writable(self) -> bool:
        """It is there to be written to."""
        return True

    def write(self, text: str) -> int:
        """Keeps the end of what is said, however much that is."""
        if self._file.closed:
            return len(text)
        if self._written > 10 * LOG_LIMIT:
            kept = self._tail()
            self._file.truncate(0)
            self._written = self._file.write(kept)
        self._written += len(text)
        return self._file.write(text)

    @contextlib.contextmanager
    def capturing(self, *, left_s: float | None = None) -> Iterator[None]:
        """What the block prints comes here, not onto the driver's screen.

        left_s: a block that takes longer, and two seconds, hangs: a thread outside of Python says
        here where, and ends the process.
        """
        if left_s is not None:
            limit_s = max(left_s, 0.0) + GRACE_S
            faulthandler.dump_traceback_later(limit_s, exit=True, file=self._file)
        try:
            with contextlib.redirect_stdout(self), contextlib.redirect_stderr(self):
                yield
        finally:
            faulthandler.cancel_dump_traceback_later()

    def finish(self) -> str:
        """The last `LOG_LIMIT` characters; the files go. Empty where it has finished before."""
        if self._file.closed:
            return ""
        faulthandler.cancel_dump_traceback_later()
        faulthandler.enable(file=sys.__stderr__ or sys.stderr)
        text = self._tail()
        self._file.close()
        for file in (self.path, _start_file(self.path)):
            file.unlink(missing_ok=True)
        return text

    def _tail(self) -> str:
        self._file.flush()
        return read_log(self.path)


def log_file(folder: Path, trial_id: str) -> Path:
    """Where a trial's log lies while it runs."""
    return folder / f"{trial_id}.txt"


def read_log(file: Path) -> str:
    """The last `LOG_LIMIT` characters of a log; empty without one."""
    try:
        with file.open("rb") as handle:
            handle.seek(0, io.SEEK_END)
            handle.seek(max(0, handle.tell() - 4 * LOG_LIMIT))
            return handle.read().decode("utf-8", errors="replace")[-LOG_LIMIT:]
    except OSError:
        return ""


def kills_before(file: Path) -> int | None:
    """What `kills` said when the trial began; None where nobody knows."""
    try:
        found = json.loads(_start_file(file).read_text(encoding="utf-8"))["kills"]
    except (OSError, ValueError, KeyError):
        return None
    return found if isinstance(found, int) else None


def _start_file(file: Path) -> Path:
    return file.with_suffix(".json")
