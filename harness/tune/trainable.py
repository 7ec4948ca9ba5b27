"""What a Ray worker runs: one trial, its rows handed over before Tune hears of its end."""

import io
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, redirect_stdout
from dataclasses import dataclass, field, replace
from typing import Any

from ray import tune

from harness.data.paths import cache_dir
from harness.failures import (
    OUT_OF_MEMORY,
    TimeLimitReached,
    log_of_failure,
    time_limit_text,
)
from harness.plugins import catalog
from harness.results.rows import to_ipc, to_tables
from harness.training.isolation import changes_of_running_trial, codes
from harness.training.model_file import ModelFile
from harness.training.trial import TrialEpoch, TrialResult, TrialSteps, trial_steps
from harness.training.trial_rows import TrialJob
from harness.tune.backend_registry import agreement
from harness.tune.checkpoints import CheckpointClient
from harness.tune.cluster.gpu_memory import MEASURED, measured
from harness.tune.cluster.join import log_header
from harness.tune.local import Value, get_value
from harness.tune.object_store import get_data
from harness.tune.recovery.out_of_memory import advice, free_gpu_cache
from harness.tune.recovery.retry import HANDED_BACK, Terms
from harness.tune.recovery.trial_log import TrialLog
from harness.tune.result_writer import Wanted
from harness.tune.tracking import epoch_point, final_point

REPORT_EVERY_S = 1.0
CHANGED = "changed_process"  # whether the process must not take another trial


@dataclass(frozen=True)
class SweepTrial:
    """A job, the data it trains on, and the file its model is built from.

    complete_before: the tables hold complete rows of it, which only complete rows may replace
    where the job adds repeats, and which no interruption may replace.
    start_key: of the weights that it starts from; None for random ones.
    goes_on: an earlier run left a checkpoint of it.
    """

    job: TrialJob
    data_key: str
    model: catalog.Entry
    complete_before: bool = False
    start_key: str | None = None
    goes_on: bool = False


@dataclass(frozen=True)
class Shared:
    """What all trials of a sweep share; references, so that a worker fetches each only once.

    tracked: Tune is also told every epoch's losses and scores, which its loggers pass on.
    judged: a scheduler hears of every epoch, and may stop a trial after it.
    checkpoint_interval_s: see harness.tune.checkpoints.CheckpointClient.
    in_process: there is no Ray; what the trials print is shown, and Ctrl-C reaches them.
    """

    trials: Any
    schemas: Any
    data: Mapping[str, Any]
    collector: Any
    terms: Terms
    weights: Mapping[str, Any] = field(default_factory=dict)
    tracked: bool = False
    judged: bool = False
    checkpoint_interval_s: float | None = None
    in_process: bool = False


_fetched: dict[str, Any] = {}


class TrialWorker:
    """Trains one trial after another; a step takes about a second, the last hands over the rows.

    A trial's config is its index and nothing else.
    """

    def setup(self, config: Mapping[str, int], shared: Shared) -> None:
        """Take the first trial."""
        self._shared = shared
        self.reset_config(config)

    def reset_config(self, new_config: Mapping[str, int]) -> bool:
        """Take the next trial; True says that this process may train it."""
        self._trial = _trial_of(self._shared, new_config["index"])
        self._steps: TrialSteps | None = None
        self._checkpoints: CheckpointClient | None = None
        self._close_log()
        return True

    def cleanup(self) -> None:
        """The actor's end; what it was training keeps where it stands."""
        if self._checkpoints is not None:
            self._checkpoints.keep_last()
        self._close_log()

    def step(self) -> dict[str, Any]:
        """Trains until there is something to say."""
        if self._steps is None:
            self._begin()
        limit_s, begun_s = self._shared.terms.time_limit_s, time.monotonic()
        left_s = None if limit_s is None else limit_s - self._spent_s
        try:
            with self._captured(left_s):
                return self._advance(None if left_s is None else begun_s + left_s)
        finally:
            self._spent_s += time.monotonic() - begun_s

    def _captured(self, left_s: float | None) -> AbstractContextManager[Any]:
        """What the model prints goes into the log; in process it stays where a debugger speaks."""
        if self._shared.in_process:
            return redirect_stdout(sys.stderr)
        return self._log.capturing(left_s=left_s)

    def _begin(self) -> None:
        job, shared = self._trial.job, self._shared
        attempt, self._best = get_value(shared.collector.begin.remote(job.trial_id))
        self._job = replace(job, attempt=job.attempt + attempt)
        self._log = TrialLog(shared.terms.logs, job.trial_id)
        self._log.write(log_header())
        self._spent_s, self._epoch = 0.0, 0
        self._findings: tuple[str, ...] = ()
        model = self._trial.model
        file = ModelFile(model)
        self._checkpoints = CheckpointClient(
            shared.collector, self._job, interval_s=shared.checkpoint_interval_s
        )
        self._steps = trial_steps(
            self._job,
            _fetch(shared.data[self._trial.data_key], get_data),
            build=file.build,
            attention=file.attention,
            weights=self._weights(),
            checkpointing=self._checkpoints.checkpointing(
                ask=self._trial.goes_on or attempt > 1, log=self._log.write
            ),
            agreement=agreement(shared.collector, cache=cache_dir(), model=model.name),
            tell=self._tell,
            interruptible=shared.in_process,
            changed_names=file.changed_names,
            on_findings=self._note_findings,
        )
        self._file = file

    def _note_findings(self, findings: tuple[str, ...]) -> None:
        self._findings = findings

    def _tell(self, text: str) -> None:
        assert self._checkpoints is not None
        self._checkpoints.note(text)
        self._log.write(f"{text}\n")

    def _weights(self) -> Mapping[str, Any] | None:
        reference = self._shared.weights.get(self._trial.start_key or "")
        return None if reference is None else _fetch(reference)

    def _advance(self, until_limit_s: float | None) -> dict[str, Any]:
        """Epochs for about a second, or all that are left; what Tune is told of them.

        until_limit_s: monotonic time from which the trial's time limit ends it.
        """
        rows: list[dict[str, Any]] = []
        curve: list[dict[str, Any]] = []
        at_once = until_limit_s is not None  # a process that hangs takes what it has not said along
        until_s = time.monotonic() + (0.0 if at_once else REPORT_EVERY_S)
        while True:
            step = self._next_step(until_limit_s)
            if isinstance(step, TrialResult):
                said = {**self._ended(step), **self._tracked(curve, step)}
                if step.changed:
                    said[CHANGED] = True
                return {**said, **self._notes()}
            rows.extend(step.rows)
            self._epoch = step.rows[-1]["epoch"]
            if self._shared.tracked:
                curve.append(epoch_point(step.rows, step.objective))
            if self._is_due(until_s):
                changes = changes_of_running_trial()
                findings = self._findings_so_far(changes)
                kept = self._shared.collector.epochs.remote(self._job.trial_id, rows, findings)
                if self._shared.judged:
                    get_value(kept)  # what Tune hears next may end the trial
                epoch = rows[-1]["epoch"]
                running = {"epoch": epoch, "objective": step.objective, "status": "running"}
                if changes:  # a scheduler may end the trial here
                    running[CHANGED] = True
                return {**running, **self._tracked(curve), **self._notes()}

    def _findings_so_far(self, changes: tuple[str, ...]) -> tuple[str, ...]:
        """What the trial's row says of it if it is ended from outside."""
        names = self._file.changed_names()
        return (*self._findings, *codes("changed_process", changes), *codes("changed_names", names))

    def _is_due(self, until_s: float) -> bool:
        """Whether Tune is told now; a scheduler hears of every epoch but the last, which ends the
        trial anyway."""
        if self._shared.judged:
            return self._epoch < int(self._job.config["training"]["epochs"])
        return time.monotonic() >= until_s

    def _next_step(self, until_limit_s: float | None) -> TrialEpoch | TrialResult:
        """The trial's result also where its time is up."""
        assert self._steps is not None
        if self._epoch and until_limit_s is not None and time.monotonic() >= until_limit_s:
            limit_s = self._shared.terms.time_limit_s or 0.0
            return self._steps.throw(TimeLimitReached(time_limit_text(limit_s, self._epoch)))
        return next(self._steps)

    def _close_log(self) -> str:
        """What the trial said, if one was running."""
        log: TrialLog | None = getattr(self, "_log", None)
        return "" if log is None else log.finish()

    def _tracked(
        self, curve: list[dict[str, Any]], result: TrialResult | None = None
    ) -> dict[str, Any]:
        """What Tune's loggers are told, where there are any."""
        if not self._shared.tracked:
            return {}
        if result is None:
            return {"curve": curve}
        trained = result.rows.trial.get("epochs_trained") or 0
        return {"curve": curve, "final": final_point(result.rows.trial), "epochs_trained": trained}

    def _notes(self) -> dict[str, Any]:
        """What a user should know of the checkpoints."""
        notes = self._checkpoints.take_notes() if self._checkpoints else []
        return {"notes": notes} if notes else {}

    def _ended(self, result: TrialResult) -> dict[str, Any]:
        if self._checkpoints is not None:
            self._checkpoints.end()
        terms, log = self._shared.terms, self._close_log()
        error = result.rows.trial.get("error") or ""
        if error.startswith(OUT_OF_MEMORY):
            free_gpu_cache()
            if terms.hands_back:
                return {**_last_words(result, self._job), "status": HANDED_BACK, "done": True}
            said = advice(error, gpu=terms.gpu, alone=terms.alone)
            rows = replace(result.rows, trial={**result.rows.trial, "error": said})
            result = replace(result, rows=rows)
        row = result.rows.trial
        if row["status"] == "failed":
            log = log_of_failure(log, row["error"], row["traceback"])
        _hand_over(result, self._job, self._shared, log=log, best=self._best)
        return {**_last_words(result, self._job), "done": True}


class TrialTrainable(TrialWorker, tune.Trainable):  # type: ignore[misc]
    """A worker as Tune starts and steps it, in an actor of its own."""


def _trial_of(shared: Shared, index: int) -> SweepTrial:
    """One that was planned before the sweep, or one that was drawn since."""
    planned: Sequence[SweepTrial] = _fetch(shared.trials)
    if index < len(planned):
        return planned[index]
    drawn: SweepTrial = get_value(shared.collector.offered.remote(index))
    return drawn


def _hand_over(
    result: TrialResult, job: TrialJob, shared: Shared, *, log: str, best: Wanted
) -> None:
    if job.previous_folds and result.rows.trial["status"] != "complete":
        get_value(shared.collector.over.remote(job.trial_id))
        get_value(shared.collector.leave.remote(job.trial_id, log))
        return
    objective = result.rows.trial.get(f"val_{job.objective}_mean")
    if result.weights and best.wants(objective):
        _hand_over_weights(result, job, shared)
    tables = to_ipc(to_tables(result.rows, _fetch(shared.schemas)))
    get_value(shared.collector.done.remote(job.trial_id, tables, log))


def _hand_over_weights(result: TrialResult, job: TrialJob, shared: Shared) -> None:
    """Only what beat the best at this trial's start is asked about again."""
    objective = result.rows.trial.get(f"val_{job.objective}_mean")
    wanted: Wanted = get_value(shared.collector.wanted.remote())
    if wanted.wants(objective):
        states = result.weights.items()
        files = {f"{repeat}-{fold}.pt": _bytes(state) for (repeat, fold), state in states}
        for (repeat, fold), attributes in result.attributes.items():
            if (found := attributes()) is not None:
                files[f"{repeat}-{fold}.attributes.pt"] = _bytes(found)
        get_value(shared.collector.keep_weights.remote(job.trial_id, objective, files))


def _last_words(result: TrialResult, job: TrialJob) -> dict[str, Any]:
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
    """The value behind a reference, fetched once per worker; arrays stay in shared memory."""
    if isinstance(reference, Value):  # it is here, and has no name that lasts as Ray's do
        return (get or get_value)(reference)
    key = reference.hex()
    if key not in _fetched:
        _fetched[key] = (get or get_value)(reference)
    return _fetched[key]
