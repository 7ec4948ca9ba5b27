"""What a Ray worker runs: one trial, its rows handed over before its end is reported to Tune."""

import io
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, redirect_stdout
from dataclasses import dataclass, field, replace
from typing import Any

from ray import tune

from harness.data.paths import cache_dir
from harness.results.rows import to_ipc, to_tables
from harness.training.model_file import ModelFile
from harness.training.trial import TrialEpoch, TrialResult, TrialSteps, trial_steps
from harness.training.trial_leaks import changes_of_running_trial, codes
from harness.training.trial_rows import TrialJob
from harness.tune.backend_registry import agreement
from harness.tune.checkpoints import CheckpointClient
from harness.tune.cluster.gpu_memory import MEASURED, measured
from harness.tune.cluster.join import log_header
from harness.tune.local import Value, get_value
from harness.tune.object_store import get_data
from harness.tune.result_writer import WeightPolicy
from harness.tune.tracking import epoch_point, final_point
from harness.tune.trial_output import TrialLog
from harness.tune.worker_failures import (
    TO_RETRY,
    AttemptSettings,
    free_gpu_cache,
    out_of_memory_text,
)
from harness.user_code_errors import (
    OUT_OF_MEMORY,
    TimeLimitReached,
    log_of_failure,
    time_limit_text,
)

REPORT_EVERY_S = 1.0  # short epochs are reported together, so that Tune's loop keeps up
CHANGED = "changed_process"  # whether the process must not take another trial


@dataclass(frozen=True)
class WorkerContext:
    """What all trials of a sweep share; references, so that a worker fetches each only once.

    Attributes:
        trials: Those that were known before the sweep, by index.
        schemas: Of the tables.
        data: Data key -> reference, see `harness.tune.object_store`.
        writer: The actor that takes rows.
        settings: Of this attempt.
        weights: Start key -> entries of a state dict.
        tracked: Every epoch's losses and scores are reported too, for the services.
        scheduled: A scheduler decides after every epoch whether the trial goes on.
        checkpoint_interval_s: See `harness.tune.checkpoints.CheckpointClient`.
        in_process: There is no Ray; what the trials print is shown, and Ctrl-C reaches them.
    """

    trials: Any
    schemas: Any
    data: Mapping[str, Any]
    writer: Any
    settings: AttemptSettings
    weights: Mapping[str, Any] = field(default_factory=dict)
    tracked: bool = False
    scheduled: bool = False
    checkpoint_interval_s: float | None = None
    in_process: bool = False


_fetched: dict[str, Any] = {}


class TrialWorker:
    """Trains one trial after another; a step takes about a second, the last hands over the rows.

    A trial's config is its index and nothing else.
    """

    def setup(self, config: Mapping[str, int], context: WorkerContext) -> None:
        """Take the first trial."""
        self._context = context
        self.reset_config(config)

    def reset_config(self, new_config: Mapping[str, int]) -> bool:
        """Take the next trial; return True, as Tune asks: this process may train it."""
        self._job = _job_of(self._context, new_config["index"])
        self._steps: TrialSteps | None = None
        self._checkpoints: CheckpointClient | None = None
        self._close_log()
        return True

    def cleanup(self) -> None:
        """Keep where the trial stands that is under way when the actor ends."""
        if self._checkpoints is not None:
            self._checkpoints.keep_last()
        self._close_log()

    def step(self) -> dict[str, Any]:
        """Train until there is something to report, and return the report.

        Returns:
            `status` (`running`, that of the row, or `TO_RETRY`) and what belongs to it; `done`
            with the last report, when the rows are with the writer.
        """
        if self._steps is None:
            self._begin()
        limit_s, begun_s = self._context.settings.time_limit_s, time.monotonic()
        left_s = None if limit_s is None else limit_s - self._spent_s
        try:
            with self._captured(left_s):
                return self._advance(None if left_s is None else begun_s + left_s)
        finally:
            self._spent_s += time.monotonic() - begun_s

    def _captured(self, left_s: float | None) -> AbstractContextManager[Any]:
        """Redirect what the model prints to the log; in process, to where a debugger prints."""
        if self._context.in_process:
            return redirect_stdout(sys.stderr)
        return self._log.capturing(left_s=left_s)

    def _begin(self) -> None:
        job, context = self._job, self._context
        attempt, self._weight_policy = get_value(context.writer.begin.remote(job.trial_id))
        self._job = replace(job, attempt=job.attempt + attempt)
        self._log = TrialLog(context.settings.logs, job.trial_id)
        self._log.write(log_header())
        self._spent_s, self._epoch = 0.0, 0
        self._findings: tuple[str, ...] = ()
        file = ModelFile(job.model)
        self._checkpoints = CheckpointClient(
            context.writer, self._job, interval_s=context.checkpoint_interval_s
        )
        self._steps = trial_steps(
            self._job,
            _fetch(context.data[self._job.data_key], get_data),
            build=file.build,
            attention=file.attention,
            weights=self._weights(),
            checkpointing=self._checkpoints.checkpointing(
                ask=self._job.goes_on or attempt > 1, log=self._log.write
            ),
            agreement=agreement(context.writer, cache=cache_dir(), model=job.model.name),
            tell=self._note,
            interruptible=context.in_process,
            changed_names=file.changed_names,
            on_findings=self._note_findings,
        )
        self._file = file

    def _note_findings(self, findings: tuple[str, ...]) -> None:
        self._findings = findings

    def _note(self, text: str) -> None:
        assert self._checkpoints is not None
        self._checkpoints.note(text)
        self._log.write(f"{text}\n")

    def _weights(self) -> Mapping[str, Any] | None:
        reference = self._context.weights.get(self._job.start_key or "")
        return None if reference is None else _fetch(reference)

    def _advance(self, until_limit_s: float | None) -> dict[str, Any]:
        """Train epochs for about a second, or all that are left, and return the report.

        Args:
            until_limit_s: Monotonic time from which the trial's time limit ends it.
        """
        rows: list[dict[str, Any]] = []
        curve: list[dict[str, Any]] = []
        at_once = until_limit_s is not None  # what a process has not reported is lost if it hangs
        until_s = time.monotonic() + (0.0 if at_once else REPORT_EVERY_S)
        while True:
            step = self._next_step(until_limit_s)
            if isinstance(step, TrialResult):
                report = {**self._ended(step), **self._tracked(curve, step)}
                if step.changed:
                    report[CHANGED] = True
                return {**report, **self._notes()}
            rows.extend(step.rows)
            self._epoch = step.rows[-1]["epoch"]
            if self._context.tracked:
                curve.append(epoch_point(step.rows, step.objective))
            if self._is_due(until_s):
                changes = changes_of_running_trial()
                findings = self._findings_so_far(changes)
                kept = self._context.writer.epochs.remote(self._job.trial_id, rows, findings)
                if self._context.scheduled:
                    get_value(kept)  # this report may end the trial
                epoch = rows[-1]["epoch"]
                running = {"epoch": epoch, "objective": step.objective, "status": "running"}
                if changes:  # a scheduler may end the trial here
                    running[CHANGED] = True
                return {**running, **self._tracked(curve), **self._notes()}

    def _findings_so_far(self, changes: tuple[str, ...]) -> tuple[str, ...]:
        """Return the findings of the trial's row if it is ended from outside."""
        names = self._file.changed_names()
        return (*self._findings, *codes("changed_process", changes), *codes("changed_names", names))

    def _is_due(self, until_s: float) -> bool:
        """Return whether to report now.

        A scheduler gets every epoch but the last, which ends the trial anyway.
        """
        if self._context.scheduled:
            return self._epoch < int(self._job.config["training"]["epochs"])
        return time.monotonic() >= until_s

    def _next_step(self, until_limit_s: float | None) -> TrialEpoch | TrialResult:
        """Train one epoch; return the trial's result after the last, also where its time is up."""
        assert self._steps is not None
        if self._epoch and until_limit_s is not None and time.monotonic() >= until_limit_s:
            limit_s = self._context.settings.time_limit_s or 0.0
            return self._steps.throw(TimeLimitReached(time_limit_text(limit_s, self._epoch)))
        return next(self._steps)

    def _close_log(self) -> str:
        """Return what the trial printed, if one was running."""
        log: TrialLog | None = getattr(self, "_log", None)
        return "" if log is None else log.finish()

    def _tracked(
        self, curve: list[dict[str, Any]], result: TrialResult | None = None
    ) -> dict[str, Any]:
        """Return what the services get, where there are any."""
        if not self._context.tracked:
            return {}
        if result is None:
            return {"curve": curve}
        trained = result.rows.trial.get("epochs_trained") or 0
        return {"curve": curve, "final": final_point(result.rows.trial), "epochs_trained": trained}

    def _notes(self) -> dict[str, Any]:
        """Return what a user should know of the checkpoints."""
        notes = self._checkpoints.take_notes() if self._checkpoints else []
        return {"notes": notes} if notes else {}

    def _ended(self, result: TrialResult) -> dict[str, Any]:
        if self._checkpoints is not None:
            self._checkpoints.end()
        settings, log = self._context.settings, self._close_log()
        error = result.rows.trial.get("error") or ""
        if error.startswith(OUT_OF_MEMORY):
            free_gpu_cache()
            if settings.larger_share_left:
                return {**_final_report(result, self._job), "status": TO_RETRY, "done": True}
            text = out_of_memory_text(error, gpu=settings.gpu, alone=settings.alone)
            rows = replace(result.rows, trial={**result.rows.trial, "error": text})
            result = replace(result, rows=rows)
        row = result.rows.trial
        if row["status"] == "failed":
            log = log_of_failure(log, row["error"], row["traceback"])
        _hand_over(result, self._job, self._context, log=log, weights=self._weight_policy)
        return {**_final_report(result, self._job), "done": True}


class TrialTrainable(TrialWorker, tune.Trainable):  # type: ignore[misc]
    """A worker as Tune starts and steps it, in an actor of its own."""


def _job_of(context: WorkerContext, index: int) -> TrialJob:
    """Return a trial that was known before the sweep, or one that was drawn since."""
    known: Sequence[TrialJob] = _fetch(context.trials)
    if index < len(known):
        return known[index]
    drawn: TrialJob = get_value(context.writer.offered.remote(index))
    return drawn


def _hand_over(
    result: TrialResult,
    job: TrialJob,
    context: WorkerContext,
    *,
    log: str,
    weights: WeightPolicy,
) -> None:
    writer = context.writer
    if job.previous_folds and result.rows.trial["status"] != "complete":
        get_value(writer.over.remote(job.trial_id))
        get_value(writer.leave.remote(job.trial_id, log))
        return
    # Asked again only by what beat the best at this trial's start: most trials ask nothing.
    objective = result.rows.trial.get(f"val_{job.objective}_mean")
    if result.weights and weights.wants(objective):
        current: WeightPolicy = get_value(writer.weight_policy.remote())
        if current.wants(objective):
            files = _weight_files(result)
            get_value(writer.keep_weights.remote(job.trial_id, objective, files))
    tables = to_ipc(to_tables(result.rows, _fetch(context.schemas)))
    get_value(writer.done.remote(job.trial_id, tables, log))


def _weight_files(result: TrialResult) -> dict[str, bytes]:
    """Return the files of a trial's weights by name: of each fold, and what else a model holds."""
    states = result.weights.items()
    files = {f"{repeat}-{fold}.pt": _bytes(state) for (repeat, fold), state in states}
    for (repeat, fold), attributes in result.attributes.items():
        if (held := attributes()) is not None:
            files[f"{repeat}-{fold}.attributes.pt"] = _bytes(held)
    return files


def _final_report(result: TrialResult, job: TrialJob) -> dict[str, Any]:
    row = result.rows.trial
    return {
        "status": row["status"],
        "objective": row.get(f"val_{job.objective}_mean"),
        "objective_std": row.get(f"val_{job.objective}_std"),
        "fit_time_s": row.get("fit_time_s"),
        "error": row.get("error"),
        MEASURED: measured(job.device),
    }


def _bytes(state: Mapping[str, Any]) -> bytes:
    import torch

    buffer = io.BytesIO()
    torch.save(dict(state), buffer)
    return buffer.getvalue()


def _fetch(reference: Any, get: Callable[[Any], Any] | None = None) -> Any:
    """Return the value behind a reference, fetched once per worker; arrays stay shared."""
    if isinstance(reference, Value):  # it is here, and has no id that lasts as Ray's do
        return (get or get_value)(reference)
    key = reference.hex()
    if key not in _fetched:
        _fetched[key] = (get or get_value)(reference)
    return _fetched[key]
