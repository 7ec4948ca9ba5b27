"""A list of trials through Ray Tune, every end accounted for."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa
import ray
from ray import tune
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from harness.data.values import Array, TrialData
from harness.events import Note, OnEvent, TrialEnded
from harness.results.rows import TrialRows, to_tables
from harness.trial import ended_rows, failed_rows
from harness.tuning.collector import Collector, CollectorSettings
from harness.tuning.session import Capacity
from harness.tuning.tracking import TrackingCallback
from harness.tuning.trainable import Shared, SweepTrial, TrialTrainable
from harness.tuning.watcher import Watcher, WatcherCallback, handlers_kept

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
    watcher = Watcher([one.job.trial_id for one in request.trials], on_event, collector)
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


def _fit(request: SweepRequest, collector: Any, watcher: Watcher, *, gpu: float) -> None:
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
                callbacks=[WatcherCallback(watcher), *trackers],
                failure_config=tune.FailureConfig(max_failures=PROCESS_DEATHS),
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            ),
        )
        with handlers_kept():
            tuner.fit()


def _account_for_the_rest(request: SweepRequest, collector: Any, watcher: Watcher) -> None:
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
