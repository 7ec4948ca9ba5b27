"""The state of one sweep on the driver: its trials, what became of each, and when to stop."""

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import ray

from harness.events import EpochEnded, Note, OnEvent, TrialEnded, TrialStarted
from harness.results.rows import to_tables
from harness.search.protocols import Decision, Sampler, Scheduler, TrialOutcome
from harness.training.trial_rows import TrialJob
from harness.tune.cluster.gpu_memory import MEASURED, misfit
from harness.tune.result_writer import RunningTrial
from harness.tune.trial_output import WorkerEvidence, collect_evidence
from harness.tune.worker_failures import (
    TO_RETRY,
    Attempt,
    FailedTrials,
    WorkerFailure,
    classify_failure,
    out_of_memory_text,
    stopped_rows,
    unfinished_rows,
)
from harness.user_code_errors import log_of_failure

FLUSH_S = 10.0  # the second Ctrl-C waits so long for what the result writer holds
ENDING = "ending: trials under way get 10 s to keep where they stand; Ctrl-C again ends at once"
MEMORY_FULL = "Ray ended the process that writes the tables, as its machine was nearly full"


@dataclass(frozen=True, eq=False)
class SearchSettings:
    """What a benchmark's `search` asks of a sweep.

    Attributes:
        sampler: Adds trials while the sweep runs; None where all are known before.
        scheduler: Stops trials early; None trains each to its end.
        spared: Ids of trials that are trained to their end whatever the scheduler decides.
        deadline_s: Monotonic time at which the sweep ends.
    """

    sampler: Sampler[TrialJob] | None = None
    scheduler: Scheduler | None = None
    spared: frozenset[str] = frozenset()
    deadline_s: float | None = None

    @property
    def to_draw(self) -> int:
        """How many trials the sampler adds at most."""
        return self.sampler.n_to_draw if self.sampler else 0

    @property
    def drawn(self) -> tuple[Any, ...]:
        """The trials that the sampler has added so far, as the plan has them."""
        return tuple(self.sampler.drawn) if self.sampler else ()

    def out_of_time(self) -> bool:
        """Return whether the time budget is over."""
        return self.deadline_s is not None and time.monotonic() >= self.deadline_s


class SweepController:
    """Owns the state of a sweep; Tune's callbacks, scheduler and searcher only pass calls on to it.

    Tune's config of a trial is the trial's index in `trial_ids` and nothing else.

    Attributes:
        trial_ids: By index: trials of the request, then those that the sampler added.
        failed: Trials that got no row so far, which decide who is tried again.
        statuses: Trial id -> status of every trial that got a row.
        interrupted: Set at the first Ctrl-C.
        writer: The actor that writes rows.
    """

    def __init__(
        self,
        trials: Sequence[TrialJob],
        *,
        start_writer: Callable[[], Any],
        schemas: Mapping[str, pa.Schema],
        search: SearchSettings,
        device: str,
        time_limit_s: float | None,
        on_event: OnEvent,
    ) -> None:
        """Start the writer.

        Args:
            trials: Those that are known before the sweep.
            start_writer: Starts the actor that writes rows; once more where it has died.
            schemas: Of the tables.
            search: Sampler, scheduler and time budget.
            device: That every trial gets.
            time_limit_s: Seconds that one trial may train.
            on_event: Receives what happens.
        """
        self.trial_ids: list[str] = []
        self.failed = FailedTrials()
        self.statuses: dict[str, str] = {}
        self.interrupted = threading.Event()
        self.writer = start_writer()
        self._start_writer, self._schemas, self._search = start_writer, schemas, search
        self._device, self._time_limit_s, self._on_event = device, time_limit_s, on_event
        self._trials: dict[str, TrialJob] = {}
        self._queue: deque[int] = deque()
        self._started: dict[str, None] = {}  # in their order
        self._pruned: set[str] = set()
        self._crashed: dict[str, Any] = {}
        self._noted: set[str] = set()
        self._gpu_share: float = 0.0
        self._misfit_noted = False
        self._write_failed = False
        for trial in trials:
            self._add(trial)

    def __getstate__(self) -> dict[str, Any]:
        """Return nothing: Tune pickles its tuner, and a sweep does not outlive this process."""
        return {}

    @property
    def trials(self) -> list[TrialJob]:
        """All trials by index, on the device that they get."""
        return [self._trials[trial_id] for trial_id in self.trial_ids]

    def begin_attempt(self, attempt: Attempt) -> None:
        """Take over an attempt's trials, and say why it is made."""
        self._queue = deque(attempt.indices)
        self._gpu_share, self._misfit_noted = attempt.settings.gpu, False
        if attempt.why:
            self._on_event(Note(attempt.why))

    def end_attempt(self, attempt: Attempt) -> None:
        """Find out why workers died; Tune keeps their errors as long as its folder is there."""
        errors = {
            trial_id: f"{tune_trial.get_pickled_error()!r} {tune_trial.get_error()}"
            for trial_id, tune_trial in self._crashed.items()
        }
        self._crashed.clear()
        settings = attempt.settings
        evidence = collect_evidence(settings.logs, [*errors]) if errors else {}
        for trial_id, error in errors.items():
            failure = classify_failure(evidence.get(trial_id, WorkerEvidence()), error)
            if failure.cause == "out of memory":
                text = out_of_memory_text(failure.text, gpu=settings.gpu, alone=settings.alone)
                failure = replace(failure, text=text)
            self.failed.crashed[trial_id] = failure

    def next_index(self) -> int | None:
        """Return the trial to start next: of this attempt, else of the sampler, else None."""
        if self._queue:
            return self._queue.popleft()
        trial = None if self._search.sampler is None else self._search.sampler.ask()
        if trial is None:
            return None
        index = len(self.trial_ids)
        placed = self._add(trial)
        ray.get(self.writer.offer.remote(index, placed))
        return index

    def tell_sampler(self, index: int, outcome: TrialOutcome) -> None:
        """Pass the outcome of a trial on to the sampler."""
        if self._search.sampler is not None:
            self._search.sampler.tell(self.trial_ids[index], outcome)

    def added(self, index: int) -> None:
        """Tune knows of a trial, perhaps once more."""
        if self._search.scheduler is not None:
            self._search.scheduler.add(self.trial_ids[index])

    def started(self, index: int) -> None:
        """A worker took a trial, perhaps once more."""
        trial_id = self.trial_ids[index]
        self.failed.forget(trial_id)
        self._started[trial_id] = None
        self._on_event(TrialStarted(trial_id))

    def decide(self, index: int, result: Mapping[str, Any]) -> Decision:
        """Ask the scheduler what becomes of a trial after an epoch; a last report is no epoch."""
        scheduler, trial_id = self._search.scheduler, self.trial_ids[index]
        if scheduler is None or "epoch" not in result:
            return Decision.CONTINUE
        decision = scheduler.report(trial_id, result["epoch"], result["objective"])
        if decision is Decision.CONTINUE or trial_id in self._search.spared:
            return Decision.CONTINUE
        self._pruned.add(trial_id)
        return Decision.STOP

    def reported(self, index: int, result: Mapping[str, Any]) -> None:
        """A worker reported an epoch or its trial's end; see `harness.tune.trainable`."""
        trial_id, status = self.trial_ids[index], result["status"]
        self._note(result.get("notes", ()))
        self._note_misfit(result.get(MEASURED))
        if status == "running":
            self._on_event(EpochEnded(trial_id, result["epoch"], result["objective"]))
        elif status == TO_RETRY:
            self.failed.out_of_memory[trial_id] = result["error"]
        else:
            self.statuses[trial_id] = status
            self._on_event(trial_ended(trial_id, result))

    def completed(self, index: int) -> None:
        """Tune has let go of a trial; one that was stopped gets its row, with its epochs so far."""
        trial_id = self.trial_ids[index]
        if trial_id not in self._pruned:
            return
        running = ray.get(self.writer.unfinished.remote()).get(trial_id)
        if running is None:
            return
        rows = stopped_rows(self._trials[trial_id], "pruned", running)
        ray.get(self.writer.add.remote(trial_id, to_tables(rows, self._schemas)))
        self.statuses[trial_id] = "pruned"
        fit_time_s = float(rows.trial["fit_time_s"])
        self._on_event(TrialEnded(trial_id, "pruned", None, None, fit_time_s))

    def crashed(self, index: int, tune_trial: Any) -> None:
        """A worker's process ended, or handing over its rows failed."""
        self._crashed[self.trial_ids[index]] = tune_trial
        self._write_failed = self._write_failed or self._writing_failed()

    def should_stop(self) -> bool:
        """Return whether the sweep ends: interrupted, out of time, or writing failed."""
        if self.interrupted.is_set():
            self._note([ENDING])  # not by the handler of the signal, which may interrupt a print
        return self._write_failed or self.interrupted.is_set() or self._search.out_of_time()

    def finish(self) -> str | None:
        """Write a row for every trial that began and has none, and close the writer.

        Returns:
            Why writing failed; None where all is written.
        """
        died = writer_death(self.writer)
        unfinished: dict[str, RunningTrial] = {}
        if died:
            began = [trial_id for trial_id in self._started if trial_id not in self.statuses]
            unfinished = {trial_id: RunningTrial(1, []) for trial_id in began}
            self.writer = self._start_writer()
        try:
            unfinished |= ray.get(self.writer.unfinished.remote())
            for trial_id, running in unfinished.items():
                self._end_unfinished(trial_id, running)
            error: str | None = ray.get(self.writer.close.remote())
        except ray.exceptions.OutOfMemoryError:  # this one too: nobody is left to write
            error = MEMORY_FULL
        return died or error

    @contextlib.contextmanager
    def flushed_on_error(self) -> Iterator[None]:
        """Write what the writer holds also where the block is left by a second Ctrl-C."""
        try:
            yield
        except BaseException:
            with contextlib.suppress(Exception):
                ray.get(self.writer.close.remote(), timeout=FLUSH_S)
            raise

    def _add(self, trial: TrialJob) -> TrialJob:
        placed = replace(trial, device=self._device)
        self.trial_ids.append(placed.trial_id)
        self._trials[placed.trial_id] = placed
        return placed

    def _note(self, texts: Sequence[str]) -> None:
        """Emit each note once, however many trials have it."""
        for text in texts:
            if text not in self._noted:
                self._noted.add(text)
                self._on_event(Note(text))

    def _note_misfit(self, memory: Mapping[str, int] | None) -> None:
        """Note once an attempt that trials which share a GPU do not fit into it together."""
        if memory is None or self._misfit_noted:
            return
        text = misfit(self._gpu_share, **memory)
        if text is not None:
            self._misfit_noted = True
            self._on_event(Note(text))

    def _writing_failed(self) -> bool:
        if writer_death(self.writer):
            return True
        return ray.get(self.writer.error.remote()) is not None

    def _end_unfinished(self, trial_id: str, running: RunningTrial) -> None:
        """Give a trial that began and never handed over its rows those that it can have."""
        trial = self._trials[trial_id]
        failure: WorkerFailure | None = None
        if not self.should_stop():
            failure = self.failed.crashed.get(trial_id)
        rows = unfinished_rows(trial, running, failure=failure, time_limit_s=self._time_limit_s)
        if failure is not None:
            log = log_of_failure(failure.log, str(rows.trial["error"]))
            ray.get(self.writer.leave.remote(trial_id, log))
        if trial.rows_may_be_replaced(failed=failure is not None):
            ray.get(self.writer.add.remote(trial_id, to_tables(rows, self._schemas)))
        elif failure is None:
            return
        status = str(rows.trial["status"])
        self.statuses[trial_id] = status
        self._on_event(TrialEnded(trial_id, status, None, None, 0.0, rows.trial.get("error")))


def trial_ended(trial_id: str, report: Mapping[str, Any]) -> TrialEnded:
    """Return the event of a trial's end from what its worker reported last."""
    return TrialEnded(
        trial_id,
        report["status"],
        report["objective"],
        report["objective_std"],
        report["fit_time_s"] or 0.0,
        report["error"],
    )


def writer_death(writer: Any) -> str | None:
    """Return in words that the writer's process died; None while it lives."""
    try:
        ray.get(writer.error.remote())
    except ray.exceptions.OutOfMemoryError:
        return MEMORY_FULL
    except ray.exceptions.RayActorError:
        return "the process that writes the tables died"
    return None
