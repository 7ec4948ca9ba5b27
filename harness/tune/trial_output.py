"""What a trial prints, on disk while it runs, so that it outlives the worker's process."""

import contextlib
import faulthandler
import io
import json
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

LOG_LIMIT = 200_000  # characters
GRACE_S = 2.0  # between the end that a trial makes itself and that of its process
ANSWERED_WITHIN_S = 30.0  # another node's logs; who is slower has gone too
VMSTAT = Path("/proc/vmstat")
CGROUP_EVENTS = (
    Path("/sys/fs/cgroup/memory.events"),  # version 2
    Path("/sys/fs/cgroup/memory/memory.oom_control"),  # version 1
)


class TrialLog(io.TextIOBase):
    """A stream for stdout and stderr of one trial.

    Where the process crashes, the interpreter writes its last words here. Beside the log lies how
    often the kernel had killed for memory when the trial began.
    """

    def __init__(self, folder: Path, trial_id: str) -> None:
        """Begin an empty log in a folder, which is made where it is missing."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path = log_file(folder, trial_id)
        begun = json.dumps({"kills": oom_kill_count()})
        _start_file(self.path).write_text(begun, encoding="utf-8")
        self.path.unlink(missing_ok=True)
        self._file = self.path.open("a+", encoding="utf-8", errors="replace", buffering=1)
        self._written = 0
        faulthandler.enable(file=self._file)

    def writable(self) -> bool:
        """Return True: it is there to be written to."""
        return True

    def write(self, text: str) -> int:
        """Append a text, and drop the beginning of a log that grows without end."""
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
        """Redirect what the block prints to the log.

        Args:
            left_s: A block that takes longer, and two seconds, hangs: a thread outside of Python
                writes here where, and ends the process.
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
        """Return the last `LOG_LIMIT` characters and remove the files; empty the second time."""
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
        return _read_log(self.path)


@dataclass(frozen=True)
class WorkerEvidence:
    """What a dead worker left on its machine.

    Attributes:
        log: The end of what its trial printed.
        kernel_killed: The kernel killed some process for memory while the trial ran.
    """

    log: str = ""
    kernel_killed: bool = False


def log_file(folder: Path, trial_id: str) -> Path:
    """Return where a trial's log lies while it runs."""
    return folder / f"{trial_id}.txt"


def collect_evidence(folder: Path, trial_ids: Sequence[str]) -> dict[str, WorkerEvidence]:
    """Collect what dead workers left, wherever in the cluster they ran; their files go."""
    evidence = evidence_here(folder, trial_ids)
    missing = [trial_id for trial_id in trial_ids if trial_id not in evidence]
    return evidence | (_evidence_of_other_nodes(folder, missing) if missing else {})


def evidence_here(folder: Path, trial_ids: Sequence[str]) -> dict[str, WorkerEvidence]:
    """Collect what dead workers left on this machine; their files go."""
    evidence = {}
    now = oom_kill_count()
    for trial_id in trial_ids:
        file = log_file(folder, trial_id)
        if not file.exists():
            continue
        before = _oom_kills_before(file)
        killed = now is not None and before is not None and now > before
        evidence[trial_id] = WorkerEvidence(_read_log(file), killed)
        for left in (file, _start_file(file)):
            left.unlink(missing_ok=True)
    return evidence


def oom_kill_count(files: Iterable[Path] = (VMSTAT, *CGROUP_EVENTS)) -> int | None:
    """Return how many processes the kernel has killed for want of memory since it started.

    Args:
        files: Where it counts those of this machine and of this container.

    Returns:
        The sum; None where it does not count.
    """
    counts = [int(count) for file in files for count in _counts(file)]
    return sum(counts) if counts else None


def _counts(file: Path) -> list[str]:
    try:
        return re.findall(r"^oom_kill (\d+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:
        return []


def _evidence_of_other_nodes(folder: Path, trial_ids: Sequence[str]) -> dict[str, WorkerEvidence]:
    here = ray.get_runtime_context().get_node_id()
    nodes = [node["NodeID"] for node in ray.nodes() if node["Alive"] and node["NodeID"] != here]
    if not nodes:
        return {}
    task: Any = ray.remote(num_cpus=0)(evidence_here)
    pinned = [NodeAffinitySchedulingStrategy(node, soft=False) for node in nodes]
    asked = [task.options(scheduling_strategy=node).remote(folder, trial_ids) for node in pinned]
    answered, _ = ray.wait(asked, num_returns=len(asked), timeout=ANSWERED_WITHIN_S)
    evidence: dict[str, WorkerEvidence] = {}
    for answer in answered:
        with contextlib.suppress(ray.exceptions.RayError):  # that machine has gone too
            evidence |= ray.get(answer)
    return evidence


def _read_log(file: Path) -> str:
    """Return the last `LOG_LIMIT` characters of a log; empty without one."""
    try:
        with file.open("rb") as handle:
            handle.seek(0, io.SEEK_END)
            handle.seek(max(0, handle.tell() - 4 * LOG_LIMIT))  # UTF-8 takes at most four bytes
            return handle.read().decode("utf-8", errors="replace")[-LOG_LIMIT:]
    except OSError:
        return ""


def _oom_kills_before(file: Path) -> int | None:
    """Return the kernel's count when a log's trial began; None where nobody knows."""
    try:
        count = json.loads(_start_file(file).read_text(encoding="utf-8"))["kills"]
    except (OSError, ValueError, KeyError):
        return None
    return count if isinstance(count, int) else None


def _start_file(file: Path) -> Path:
    return file.with_suffix(".json")
