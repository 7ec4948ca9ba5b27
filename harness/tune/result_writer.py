"""The one process that writes rows while a sweep lasts: a Ray actor on the driver's node."""

import contextlib
import os
import shutil
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from harness.metrics import better
from harness.results.provenance import utc_now
from harness.results.rows import from_ipc
from harness.results.table_writer import TableWriter
from harness.training.checkpoint import Checkpoint
from harness.tune.backend_registry import BackendRegistry
from harness.tune.checkpoints import CheckpointStore

FLUSH_POLL_S = 0.5  # rows are held for a little over a second, and written within two


@dataclass(frozen=True)
class WriterSettings:
    """What the writer needs to know of the run.

    Attributes:
        folder: `results/<benchmark>`.
        run_folder: `runs/<run_id>` below it.
        schemas: Of the tables.
        replaced: Trial id -> repeats whose old rows stay; only trials that have old rows are named.
        weights: Whose weights are kept: `best`, `all` or `none`.
        mode: `max` or `min` of the objective.
        best: The best validation mean among the plan's finished trials, None without one.
    """

    folder: Path
    run_folder: Path
    schemas: Mapping[str, pa.Schema]
    replaced: Mapping[str, tuple[int, ...]]
    weights: str
    mode: str
    best: float | None


@dataclass(frozen=True)
class WeightPolicy:
    """Which trials' weights are kept.

    Attributes:
        weights: `best`, `all` or `none`.
        mode: `max` or `min` of the objective.
        best: The validation mean to beat; None without one.
    """

    weights: str
    mode: str
    best: float | None

    def wants(self, value: float | None) -> bool:
        """Return whether a trial with this validation mean hands over its weights."""
        if self.weights != "best":
            return self.weights == "all"
        if value is None:
            return False
        return self.best is None or better(self.mode, value, self.best)


class RunningTrial(NamedTuple):
    """A trial that began and has not ended.

    Attributes:
        attempts: How often this run began it.
        epochs: Its rows so far.
        started_at: When it began the last time.
        findings: Codes known with the last of the rows; None before the first one.
    """

    attempts: int
    epochs: list[dict[str, Any]]
    started_at: datetime | None = None
    findings: tuple[str, ...] | None = None


class ResultWriter:
    """Buffers trial rows, acknowledges them, and writes them to Parquet within two seconds.

    Its methods are called from workers and from the driver, one at a time; a thread of its own
    writes. It also keeps what running trials share: checkpoints, drawn trials, back ends.
    """

    def __init__(self, settings: WriterSettings) -> None:
        """Start the thread that writes."""
        self._settings = settings
        self._tables = TableWriter(settings.folder, settings.schemas)
        self._checkpoints = CheckpointStore(settings.folder, settings.run_folder)
        self._backends = BackendRegistry(settings.folder, settings.run_folder)
        self._weights = WeightStore(settings)
        self._over: list[str] = []  # their checkpoints go once their rows are on disk
        self._running: dict[str, RunningTrial] = {}
        self._offered: dict[int, Any] = {}
        self._error: str | None = None
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._flush_when_due, daemon=True)
        self._thread.start()

    def begin(self, trial_id: str) -> tuple[int, WeightPolicy]:
        """Note that a process took a trial.

        Returns:
            How often this run tried it, and which weights are kept as of now.
        """
        before = self._running.get(trial_id)
        attempts = 1 if before is None else before.attempts + 1
        self._running[trial_id] = RunningTrial(attempts, [], utc_now())
        return attempts, self._weights.policy

    def offer(self, index: int, trial: Any) -> None:
        """Keep a trial that was drawn while the sweep runs, for the worker that takes it."""
        self._offered[index] = trial

    def offered(self, index: int) -> Any:
        """Return the trial that was drawn under an index."""
        return self._offered[index]

    def epochs(
        self, trial_id: str, rows: Sequence[dict[str, Any]], findings: Sequence[str] | None = None
    ) -> None:
        """Keep epoch rows of a running trial, and what is found by then, in case it never ends.

        A trial that begins anew within its process comes with epochs that it had before.
        """
        running = self._running.get(trial_id, RunningTrial(0, []))
        epochs = running.epochs
        if epochs and rows and rows[0]["epoch"] <= epochs[-1]["epoch"]:
            epochs[:] = [row for row in epochs if row["epoch"] < rows[0]["epoch"]]
        epochs.extend(rows)
        self._running[trial_id] = running._replace(
            findings=None if findings is None else tuple(findings)
        )

    def keep_checkpoint(self, trial_id: str, checkpoint: Checkpoint) -> str | None:
        """Keep where a running trial stands; return why the last one couldn't be written."""
        return self._checkpoints.put(trial_id, checkpoint)

    def checkpoint(self, trial_id: str) -> Checkpoint | None:
        """Return where a trial goes on; None at its beginning.

        Raises:
            CheckpointError: The file is damaged.
        """
        return self._checkpoints.get(trial_id)

    def execution(self, key: str) -> dict[str, Any] | None:
        """Return how folds of a model's shape are trained, where that was chosen."""
        return self._backends.get(key)

    def keep_execution(self, key: str, choice: dict[str, Any]) -> dict[str, Any]:
        """Keep the first choice for a shape, and return it to whoever else made one."""
        return self._backends.keep(key, choice)

    def revise_execution(self, key: str, choice: dict[str, Any]) -> dict[str, Any]:
        """Replace the choice for a shape by what a trial found out; return what counts now."""
        return self._backends.revise(key, choice)

    def weight_policy(self) -> WeightPolicy:
        """Return which weights are kept as of now."""
        return self._weights.policy

    def keep_weights(self, trial_id: str, value: float | None, files: dict[str, bytes]) -> None:
        """Write weight files, see `WeightStore.keep`."""
        with self._failure_remembered():
            self._weights.keep(trial_id, value, files)

    def done(self, trial_id: str, tables: dict[str, bytes], log: str) -> None:
        """Take a finished trial's rows.

        Raises:
            OSError: Writing has failed before.
        """
        if self._error:
            raise OSError(self._error)
        self._write_log(trial_id, log)
        self.add(trial_id, from_ipc(tables))
        self.over(trial_id)

    def leave(self, trial_id: str, log: str) -> None:
        """Take the log of a trial that ended without rows: those that it has already stay."""
        self._write_log(trial_id, log)
        self._running.pop(trial_id, None)

    def over(self, trial_id: str) -> None:
        """Note that a trial ended by itself: its checkpoint goes once its rows are on disk."""
        with self._lock:
            self._over.append(trial_id)

    def add(self, trial_id: str, tables: Mapping[str, pa.Table]) -> None:
        """Take rows that were made on the driver; a trial that died or was stopped may go on."""
        keep = self._settings.replaced.get(trial_id)
        with self._lock:
            self._tables.add(
                trial_id, tables, replace=keep is not None, keep_repeats=tuple(keep or ())
            )
            self._running.pop(trial_id, None)
        if tables["trials"]["status"][0].as_py() == "pruned":
            self.over(trial_id)

    def unfinished(self) -> dict[str, RunningTrial]:
        """Return what is known of trials that began and have not ended, by trial id."""
        return dict(self._running)

    def error(self) -> str | None:
        """Return why writing failed, or None."""
        return self._error

    def close(self) -> str | None:
        """Write what is left; return the error that stopped the writing, or None."""
        self._closed.set()
        self._thread.join()
        with self._lock:
            self._attempt(self._tables.close)
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
                self._attempt(self._tables.flush_if_due)
            self._end_checkpoints()

    def _end_checkpoints(self) -> None:
        with self._lock:
            written = [trial_id for trial_id in self._over if not self._tables.holds(trial_id)]
            self._over = [trial_id for trial_id in self._over if self._tables.holds(trial_id)]
        for trial_id in written:
            self._checkpoints.end(trial_id)

    def _attempt(self, write: Any) -> None:
        with contextlib.suppress(Exception), self._failure_remembered():
            write()

    @contextlib.contextmanager
    def _failure_remembered(self) -> Iterator[None]:
        """Keep what goes wrong for every later caller, and for the end."""
        try:
            yield
        except Exception as error:
            self._error = self._error or f"{type(error).__name__}: {error}"
            raise


class WeightStore:
    """Keeps weight files below `weights/`: of the best trial so far, of all, or of none.

    Attributes:
        policy: What a trial has to beat.
    """

    def __init__(self, settings: WriterSettings) -> None:
        """Keep what earlier runs left."""
        self.policy = WeightPolicy(settings.weights, settings.mode, settings.best)
        self._folder, self._replaced = settings.folder, settings.replaced
        self._best_here: str | None = None

    def keep(self, trial_id: str, value: float | None, files: Mapping[str, bytes]) -> None:
        """Write a trial's files, unless a better trial has overtaken them on their way.

        With `weights: best` the files of the last best of this run go; those of an earlier run
        stay, since they may be all that somebody has of it.

        Args:
            trial_id: Of the trial.
            value: Its validation mean.
            files: By name.

        Raises:
            OSError: They can't be written.
        """
        if not self.policy.wants(value):
            return
        folder = self._folder / "weights"
        staged = self._folder / ".tmp" / f"weights-{trial_id}"
        shutil.rmtree(staged, ignore_errors=True)
        staged.mkdir(parents=True)
        for name, content in files.items():
            (staged / name).write_bytes(content)
        for repeat in self._replaced.get(trial_id, ()):  # which stay when further ones are added
            for file in (folder / trial_id).glob(f"{repeat}-*.pt"):
                shutil.copy2(file, staged)
        folder.mkdir(exist_ok=True)
        shutil.rmtree(folder / trial_id, ignore_errors=True)
        os.replace(staged, folder / trial_id)
        if self.policy.weights == "best":
            if self._best_here and self._best_here != trial_id:
                shutil.rmtree(folder / self._best_here, ignore_errors=True)
            self.policy, self._best_here = replace(self.policy, best=value), trial_id
