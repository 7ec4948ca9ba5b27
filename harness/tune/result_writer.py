"""The one process that writes rows while a sweep lasts: a Ray actor on the driver's node."""

import contextlib
import os
import shutil
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from harness.metrics import better
from harness.results.provenance import utc_now
from harness.results.rows import from_ipc
from harness.results.table_writer import TableWriter
from harness.training.checkpoint import Checkpoint
from harness.tune.backend_registry import Executions
from harness.tune.checkpoints import CheckpointStore

FLUSH_POLL_S = 0.5


@dataclass(frozen=True)
class CollectorSettings:
    """What the collector needs to know of the run.

    replaced: trial id -> repeats whose old rows stay; only trials that have old rows are named.
    best: the best validation mean among the plan's finished trials, None without one.
    """

    folder: Path
    run_folder: Path
    schemas: Mapping[str, pa.Schema]
    replaced: Mapping[str, tuple[int, ...]]
    weights: str
    mode: str
    best: float | None


@dataclass(frozen=True)
class Wanted:
    """Whose weights are kept. weights: best, all or none; best: the validation mean to beat."""

    weights: str
    mode: str
    best: float | None

    def wants(self, value: float | None) -> bool:
        """Whether a trial with this validation mean should hand over its weights."""
        if self.weights != "best":
            return self.weights == "all"
        if value is None:
            return False
        return self.best is None or better(self.mode, value, self.best)


class Begun(NamedTuple):
    """A trial that began and has not ended.

    attempts: how often this run began it; started_at: the last time. epochs: its rows so far.
    findings: codes known with the last of them; None before the first one.
    """

    attempts: int
    epochs: list[dict[str, Any]]
    started_at: datetime | None = None
    findings: tuple[str, ...] | None = None


@dataclass
class _Pending:
    attempts: int = 0
    epochs: list[dict[str, Any]] = field(default_factory=list)
    started_at: datetime | None = None
    findings: tuple[str, ...] | None = None


class Collector:
    """Takes rows, answers when they are safe to count on, writes them within two seconds."""

    def __init__(self, settings: CollectorSettings) -> None:
        self._settings = settings
        self._writer = TableWriter(settings.folder, settings.schemas)
        self._checkpoints = CheckpointStore(settings.folder, settings.run_folder)
        self._executions = Executions(settings.folder, settings.run_folder)
        self._over: list[str] = []  # their checkpoints go once their rows are on disk
        self._pending: dict[str, _Pending] = {}
        self._offered: dict[int, Any] = {}
        self._wanted = Wanted(settings.weights, settings.mode, settings.best)
        self._best_here: str | None = None
        self._error: str | None = None
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._flush_when_due, daemon=True)
        self._thread.start()

    def begin(self, trial_id: str) -> tuple[int, Wanted]:
        """Notes that a process took the trial: how often this run tried it, weights to beat."""
        pending = self._pending.setdefault(trial_id, _Pending())
        pending.attempts, pending.started_at = pending.attempts + 1, utc_now()
        pending.epochs.clear()
        pending.findings = None
        return pending.attempts, self._wanted

    def offer(self, index: int, trial: Any) -> None:
        """Keeps a trial that was drawn while the sweep runs, for the worker that takes it."""
        self._offered[index] = trial

    def offered(self, index: int) -> Any:
        """The trial that was drawn under this index."""
        return self._offered[index]

    def epochs(
        self, trial_id: str, rows: Sequence[dict[str, Any]], findings: Sequence[str] | None = None
    ) -> None:
        """Epoch rows of a running trial, and what is found by then, in case it never ends.

        A trial that begins anew within its process comes with epochs that it had before.
        """
        pending = self._pending.setdefault(trial_id, _Pending())
        if pending.epochs and rows and rows[0]["epoch"] <= pending.epochs[-1]["epoch"]:
            pending.epochs[:] = [one for one in pending.epochs if one["epoch"] < rows[0]["epoch"]]
        pending.epochs.extend(rows)
        pending.findings = None if findings is None else tuple(findings)

    def keep_checkpoint(self, trial_id: str, checkpoint: Checkpoint) -> str | None:
        """Keeps where a running trial stands; why the last one couldn't be written, or None."""
        return self._checkpoints.put(trial_id, checkpoint)

    def checkpoint(self, trial_id: str) -> Checkpoint | None:
        """Where a trial goes on; None at its beginning. Raises CheckpointError for damage."""
        return self._checkpoints.get(trial_id)

    def execution(self, key: str) -> dict[str, Any] | None:
        """How folds of a model's shape are trained, where that was chosen."""
        return self._executions.get(key)

    def keep_execution(self, key: str, found: dict[str, Any]) -> dict[str, Any]:
        """Keeps the first choice for a shape, and gives it to whoever else found one."""
        return self._executions.keep(key, found)

    def revise_execution(self, key: str, found: dict[str, Any]) -> dict[str, Any]:
        """Puts what a trial found out in the place of the choice for its shape; what counts now."""
        return self._executions.revise(key, found)

    def wanted(self) -> Wanted:
        """Whose weights are kept, as of now."""
        return self._wanted

    def keep_weights(self, trial_id: str, value: float | None, files: dict[str, bytes]) -> None:
        """Writes weight files; with `weights: best` those of the last best of this run go.

        Files that a better trial has overtaken on their way are dropped.
        """
        if self._wanted.wants(value):
            with self._failure_remembered():
                self._write_weights(trial_id, value, files)

    def _write_weights(self, trial_id: str, value: float | None, files: dict[str, bytes]) -> None:
        folder = self._settings.folder / "weights"
        staged = self._settings.folder / ".tmp" / f"weights-{trial_id}"
        shutil.rmtree(staged, ignore_errors=True)
        staged.mkdir(parents=True)
        for name, content in files.items():
            (staged / name).write_bytes(content)
        for file in _of_repeats(folder / trial_id, self._settings.replaced.get(trial_id, ())):
            shutil.copy2(file, staged)
        folder.mkdir(exist_ok=True)
        _replace_folder(staged, folder / trial_id)
        if self._wanted.weights == "best":
            if self._best_here and self._best_here != trial_id:
                shutil.rmtree(folder / self._best_here, ignore_errors=True)
            self._wanted, self._best_here = replace(self._wanted, best=value), trial_id

    def done(self, trial_id: str, tables: dict[str, bytes], log: str) -> None:
        """Takes a finished trial's rows. Raises OSError where writing has failed before."""
        if self._error:
            raise OSError(self._error)
        self._write_log(trial_id, log)
        self.add(trial_id, from_ipc(tables))
        self.over(trial_id)

    def leave(self, trial_id: str, log: str) -> None:
        """The trial ended without rows: those that it has already stay."""
        self._write_log(trial_id, log)
        self._pending.pop(trial_id, None)

    def over(self, trial_id: str) -> None:
        """The trial ended by itself: nothing will go on from where it stood."""
        with self._lock:
            self._over.append(trial_id)

    def add(self, trial_id: str, tables: Mapping[str, pa.Table]) -> None:
        """The same for rows made on the driver; who died or was stopped may still go on."""
        keep = self._settings.replaced.get(trial_id)
        with self._lock:
            self._writer.add(
                trial_id, tables, replace=keep is not None, keep_repeats=tuple(keep or ())
            )
            self._pending.pop(trial_id, None)
        if tables["trials"]["status"][0].as_py() == "pruned":
            self.over(trial_id)

    def unfinished(self) -> dict[str, Begun]:
        """Trial id -> what is known of trials that began and have not ended."""
        return {
            key: Begun(one.attempts, one.epochs, one.started_at, one.findings)
            for key, one in self._pending.items()
        }

    def error(self) -> str | None:
        """Why writing failed, or None."""
        return self._error

    def close(self) -> str | None:
        """Writes what is left; the error that stopped the writing, or None."""
        self._closed.set()
        self._thread.join()
        with self._lock:
            self._attempt(self._writer.close)
        self._end_checkpoints()
        self._checkpoints.close()
        return self._error

    def _write_log(self, trial_id: str, log: str) -> None:
        if log:
            logs = self._settings.run_folder / "logs"
            with self._failure_remembered():
                logs.mkdir(parents=True, exist_ok=True)
                (logs / f"{trial_id}.txt").write_text(log, encoding="utf-8")

    def _flush_when_due(self) -> None:
        while not self._closed.wait(FLUSH_POLL_S):
            with self._lock:
                self._attempt(self._writer.flush_if_due)
            self._end_checkpoints()

    def _end_checkpoints(self) -> None:
        with self._lock:
            written = [one for one in self._over if not self._writer.holds(one)]
            self._over = [one for one in self._over if self._writer.holds(one)]
        for trial_id in written:
            self._checkpoints.end(trial_id)

    def _attempt(self, write: Any) -> None:
        with contextlib.suppress(Exception), self._failure_remembered():
            write()

    @contextlib.contextmanager
    def _failure_remembered(self) -> Iterator[None]:
        """What goes wrong is told to every later caller, and at the end."""
        try:
            yield
        except Exception as error:
            self._error = self._error or f"{type(error).__name__}: {error}"
            raise


def _of_repeats(folder: Path, repeats: Sequence[int]) -> list[Path]:
    """The weight files of repeats that stay when further ones are added."""
    return [file for repeat in repeats for file in folder.glob(f"{repeat}-*.pt")]


def _replace_folder(staged: Path, target: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    os.replace(staged, target)
