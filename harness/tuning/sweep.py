"""A list of trials through Ray Tune, every end accounted for."""

import contextlib
import signal
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa
import ray
from ray import tune
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from harness.data.values import Array, TrialData
from harness.events import EpochEnded, Note, OnEvent, TrialEnded, TrialStarted
from harness.results.rows import TrialRows, to_tables
from harness.trial import ended_rows, failed_rows
from harness.tuning.collector import Collector, CollectorSettings
from harness.tuning.session import Capacity
from harness.tuning.tracking import TrackingCallback
from harness.tuning.trainable import Shared, SweepTrial, TrialTrainable

PROCESS_DEATHS = 1  # a trial whose worker died is tried once more


@dataclass(frozen=True)
class SweepRequest:
    """What to run and where its rows go.

    data: data key -> value; put once into Ray's object store.
    jobs: trials at a time; None fills the cores. weights: start key -> entries of a state dict.
    tracking: shows the curves elsewhere, see harness.tuning.tracking.
    """

    trials: tuple[SweepTrial, ...]
    data: Mapping[str, TrialData]
    settings: CollectorSettings
    cpu: int
    gpu: float
    jobs: int | None = None
    weights: Mapping[str, Mapping[str, Array]] = field(default_factory=dict)
    tracking: TrackingCallback | None = None


@dataclass(frozen=True)
class SweepEnd:
    """How a sweep ended. statuses: trial id -> status of every trial that got a row."""

    statuses: Mapping[str, str]
    interrupted: bool
    write_error: str | None


def run_sweep(request: SweepRequest, *, capacity: Capacity, on_event: OnEvent) -> SweepEnd:
    """Runs every trial, as many at a time as the resources allow; a Ray session is there.

    Ctrl-C (or SIGTERM) stops the sweep: finished trials are kept, running ones get a row
    `interrupted` with their epochs. A second Ctrl-C raises KeyboardInterrupt.
    """
    gpu = _gpu_share(request.gpu, capacity, on_event)
    request = replace(request, trials=tuple(_on(trial, gpu) for trial in request.trials))
    collector = _start_collector(request.settings)
    watcher = _Watcher(request, on_event, collector)
    _fit(request, collector, watcher, gpu=gpu)
    _account_for_the_rest(request, collector, watcher)
    write_error = ray.get(collector.close.remote())
    return SweepEnd(dict(watcher.statuses), watcher.interrupted.is_set(), write_error)


def _gpu_share(gpu: float, capacity: Capacity, on_event: OnEvent) -> float:
    if gpu and not capacity.gpus:
        on_event(Note(f"no GPU here: resources.gpu {gpu:g} is dropped, trials run on the CPU"))
        return 0.0
    return gpu


def _on(trial: SweepTrial, gpu: float) -> SweepTrial:
    """The trial on the device that it gets."""
    return replace(trial, job=replace(trial.job, device="cuda" if gpu else "cpu"))


def _start_collector(settings: CollectorSettings) -> Any:
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    actor = ray.remote(Collector)
    return actor.options(num_cpus=0, scheduling_strategy=here).remote(settings)


def _fit(request: SweepRequest, collector: Any, watcher: "_Watcher", *, gpu: float) -> None:
    shared = Shared(
        trials=ray.put(list(request.trials)),
        schemas=ray.put(dict(request.settings.schemas)),
        data={key: ray.put(value) for key, value in request.data.items()},
        collector=collector,
        weights={key: ray.put(dict(value)) for key, value in request.weights.items()},
        tracked=request.tracking is not None,
    )
    trackers = [] if request.tracking is None else [request.tracking]
    trainable = tune.with_resources(
        tune.with_parameters(TrialTrainable, shared=shared), {"cpu": request.cpu, "gpu": gpu}
    )
    with tempfile.TemporaryDirectory(prefix="bench-tune-") as scratch:
        tuner = tune.Tuner(
            trainable,
            param_space={"index": tune.grid_search(list(range(len(request.trials))))},
            tune_config=tune.TuneConfig(reuse_actors=True, max_concurrent_trials=request.jobs),
            run_config=tune.RunConfig(
                name="sweep",
                storage_path=scratch,
                verbose=0,
                stop=watcher,
                callbacks=[_Callback(watcher), *trackers],
                failure_config=tune.FailureConfig(max_failures=PROCESS_DEATHS),
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            ),
        )
        with _handlers_kept():
            tuner.fit()


class _Watcher(tune.Stopper):  # type: ignore[misc]
    """Turns what Tune says into events, and stops the sweep when writing failed."""

    def __init__(self, request: SweepRequest, on_event: OnEvent, collector: Any) -> None:
        self.ids = [trial.job.trial_id for trial in request.trials]
        self.on_event, self.collector = on_event, collector
        self.statuses: dict[str, str] = {}
        self.died: set[str] = set()
        self.interrupted = threading.Event()
        self.write_failed = False

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune pickles its tuner; nothing here outlives this process

    def __call__(self, trial_id: str, result: Mapping[str, Any]) -> bool:
        return False

    def stop_all(self) -> bool:
        return self.write_failed

    def reported(self, result: Mapping[str, Any]) -> None:
        trial_id = self.ids[result["config"]["index"]]
        if result["status"] == "running":
            self.on_event(EpochEnded(trial_id, result["epoch"], result["objective"]))
            return
        self.statuses[trial_id] = result["status"]
        self.on_event(
            TrialEnded(
                trial_id,
                result["status"],
                result["objective"],
                result["objective_std"],
                result["fit_time_s"] or 0.0,
                result["error"],
            )
        )

    def failed(self, trial_id: str) -> None:
        """The worker's process ended, or handing over its rows failed."""
        self.died.add(trial_id)
        self.write_failed = self.write_failed or ray.get(self.collector.error.remote()) is not None


class _Callback(tune.Callback):  # type: ignore[misc]
    """The seam to Tune: its trials carry an index, ours a trial id."""

    def __init__(self, watcher: _Watcher) -> None:
        self._watcher = watcher
        self._listening = False

    def on_step_begin(self, iteration: int, trials: Sequence[Any], **info: Any) -> None:
        if not self._listening and threading.current_thread() is threading.main_thread():
            self._listening = True
            _listen_for_signals(self._watcher.interrupted)

    def on_trial_start(
        self, iteration: int, trials: Sequence[Any], trial: Any, **info: Any
    ) -> None:
        self._watcher.on_event(TrialStarted(self._watcher.ids[trial.config["index"]]))

    def on_trial_result(
        self, iteration: int, trials: Sequence[Any], trial: Any, result: Any, **info: Any
    ) -> None:
        if "status" in result:
            self._watcher.reported(result)

    def on_trial_error(
        self, iteration: int, trials: Sequence[Any], trial: Any, **info: Any
    ) -> None:
        self._watcher.failed(self._watcher.ids[trial.config["index"]])


@contextlib.contextmanager
def _handlers_kept() -> Iterator[None]:
    """The signal handlers from before the sweep, set again after it."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            for number, handler in kept.items():
                signal.signal(number, handler)


def _listen_for_signals(interrupted: threading.Event) -> None:
    """Remembers an interruption and passes it on to the handler that Tune has just installed."""
    tunes = signal.getsignal(signal.SIGINT)

    def interrupt(number: int, frame: Any) -> None:
        interrupted.set()
        if callable(tunes):
            tunes(signal.SIGINT, frame)

    signal.signal(signal.SIGINT, interrupt)
    signal.signal(signal.SIGTERM, interrupt)


def _account_for_the_rest(request: SweepRequest, collector: Any, watcher: _Watcher) -> None:
    """Rows for trials that began and never handed theirs over."""
    schemas: Mapping[str, pa.Schema] = request.settings.schemas
    trials = {trial.job.trial_id: trial for trial in request.trials}
    unfinished = ray.get(collector.unfinished.remote())
    for trial_id, (attempts, epochs) in unfinished.items():
        died = trial_id in watcher.died and not watcher.interrupted.is_set()
        rows = lost_rows(trials[trial_id], attempts, epochs, died=died)
        if may_replace(trials[trial_id], died=died):
            ray.get(collector.add.remote(trial_id, to_tables(rows, schemas)))
        elif not died:
            continue
        status = str(rows.trial["status"])
        watcher.statuses[trial_id] = status
        watcher.on_event(TrialEnded(trial_id, status, None, None, 0.0, rows.trial.get("error")))


def lost_rows(
    trial: SweepTrial, attempts: int, epochs: Sequence[dict[str, Any]], *, died: bool
) -> TrialRows:
    """The rows of a trial that never ended: failed where its process died, else interrupted."""
    job = replace(trial.job, attempt=trial.job.attempt + attempts)
    if died:
        error = f"the worker's process died {attempts} times (out of memory, or killed)"
        return failed_rows(job, error, epochs)
    return ended_rows(job, "interrupted", epochs)


def may_replace(trial: SweepTrial, *, died: bool) -> bool:
    """Whether such rows may stand in the tables: never in the place of complete ones, unless all
    of the trial was trained again and that is what failed."""
    if trial.job.previous_folds:
        return False
    return died or not trial.complete_before
