"""A list of trials through Ray Tune, every end accounted for."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import ray
from ray import tune
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from harness.data.types import Array, TrialData
from harness.events import Note, OnEvent, TrialEnded
from harness.failures import log_of_failure
from harness.results.rows import to_tables
from harness.tune.callbacks import (
    MEMORY_FULL,
    Watcher,
    WatcherCallback,
    death_of,
    first_interrupt_remembered,
    flushed_at_least,
)
from harness.tune.cluster.capacity import Capacity
from harness.tune.cluster.gpu_memory import GpuMemoryCallback
from harness.tune.object_store import put_data
from harness.tune.recovery.lost_trials import lost_rows, may_replace
from harness.tune.recovery.out_of_memory import advice
from harness.tune.recovery.retry import (
    Pass,
    Terms,
    first_pass,
    pass_of_the_dead,
    pass_of_the_starved,
)
from harness.tune.recovery.worker_failures import Remains, find_remains, judge
from harness.tune.result_writer import Collector, CollectorSettings
from harness.tune.search_controller import Helm, Steering, Tuning
from harness.tune.tracking import TrackingCallback
from harness.tune.trainable import Shared, SweepTrial, TrialTrainable


@dataclass(frozen=True)
class SweepRequest:
    """What to run and where its rows go.

    data: data key -> value; put once into Ray's object store.
    jobs: trials at a time; None fills the cores. weights: start key -> entries of a state dict.
    tracking: shows the curves elsewhere, see harness.tune.tracking.
    time_limit_s: seconds that one trial may train; longer ones fail.
    steering: who is drawn and stopped while it runs, and when it ends.
    checkpoint_interval_s: see harness.tune.checkpoints.CheckpointClient.
    """

    trials: tuple[SweepTrial, ...]
    data: Mapping[str, TrialData]
    settings: CollectorSettings
    cpu: int
    gpu: float
    jobs: int | None = None
    weights: Mapping[str, Mapping[str, Array]] = field(default_factory=dict)
    tracking: TrackingCallback | None = None
    time_limit_s: float | None = None
    steering: Steering = field(default_factory=Steering)
    checkpoint_interval_s: float | None = None


@dataclass(frozen=True)
class SweepEnd:
    """How a sweep ended. statuses: trial id -> status of every trial that got a row.

    out_of_time: the time budget was over when it ended. drawn: trials that joined the request's.
    """

    statuses: Mapping[str, str]
    interrupted: bool
    write_error: str | None
    out_of_time: bool = False
    drawn: tuple[Any, ...] = ()


def run_sweep(request: SweepRequest, *, capacity: Capacity, on_event: OnEvent) -> SweepEnd:
    """Runs every trial, as many at a time as the resources allow; a Ray session is there.

    Ctrl-C (or SIGTERM) stops the sweep: finished trials are kept, running ones get a row
    `interrupted` with their epochs. A second Ctrl-C raises KeyboardInterrupt.
    """
    gpu = _gpu_share(request.gpu, capacity, on_event)
    request = replace(request, trials=tuple(_on(trial, gpu) for trial in request.trials))
    collector = _start_collector(request.settings)
    watcher = Watcher([one.job.trial_id for one in request.trials], on_event, collector)
    watcher.out_of_time = request.steering.out_of_time
    helm = Helm(
        request.steering,
        request.trials,
        watcher,
        schemas=request.settings.schemas,
        place=lambda drawn: _on(drawn, gpu),
    )
    with first_interrupt_remembered(watcher.interrupted), flushed_at_least(collector):
        _passes(request, helm, watcher, gpu=gpu, capacity=capacity)
        if death := death_of(collector):
            collector = _start_collector(request.settings)
        try:
            _account_for_the_rest(request, collector, watcher, trials=helm.trials)
            closed = ray.get(collector.close.remote())
        except ray.exceptions.OutOfMemoryError:  # this one too: nobody is left to write
            closed = MEMORY_FULL
    statuses, interrupted = dict(watcher.statuses), watcher.interrupted.is_set()
    late, drawn = watcher.out_of_time(), request.steering.drawn
    return SweepEnd(statuses, interrupted, death or closed, out_of_time=late, drawn=drawn)


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


def _passes(
    request: SweepRequest, helm: Helm, watcher: Watcher, *, gpu: float, capacity: Capacity
) -> None:
    """Every trial once; then those again whose worker died, and those that need more memory."""
    fits = capacity.at_a_time(cpu=request.cpu, gpu=gpu)
    with tempfile.TemporaryDirectory(prefix="bench-logs-", dir=capacity.scratch) as logs:
        terms = Terms(Path(logs), request.time_limit_s, gpu)
        n_trials = len(request.trials)
        first = first_pass(
            n_trials + request.steering.to_draw, jobs=request.jobs, fits=fits, terms=terms
        )
        first = replace(first, indices=first.indices[:n_trials])
        shared = _shared(request, watcher.collector, first.terms)
        scratch = capacity.scratch
        _fit(
            request,
            shared,
            watcher,
            one=first,
            tuning=helm.first(first, fits=fits),
            scratch=scratch,
        )
        for again in (pass_of_the_dead, pass_of_the_starved):
            following = again(first, watcher.ids, watcher.troubles)
            if following is None or watcher.stop_all():
                continue
            watcher.on_event(Note(following.why))
            shared = replace(shared, terms=following.terms)
            tuning = helm.following(following)
            _fit(request, shared, watcher, one=following, tuning=tuning, scratch=scratch)


def _shared(request: SweepRequest, collector: Any, terms: Terms) -> Shared:
    return Shared(
        trials=ray.put(list(request.trials)),
        schemas=ray.put(dict(request.settings.schemas)),
        data=put_data(request.data),
        collector=collector,
        terms=terms,
        weights={key: ray.put(dict(value)) for key, value in request.weights.items()},
        tracked=request.tracking is not None,
        judged=request.steering.pruning is not None,
        checkpoint_interval_s=request.checkpoint_interval_s,
    )


def _fit(
    request: SweepRequest,
    shared: Shared,
    watcher: Watcher,
    *,
    one: Pass,
    tuning: Tuning,
    scratch: Path | None,
) -> None:
    trackers = [] if request.tracking is None else [request.tracking]
    fitting = GpuMemoryCallback(one.terms.gpu, watcher.on_event)
    trainable = tune.with_resources(
        tune.with_parameters(TrialTrainable, shared=shared),
        {"cpu": request.cpu, "gpu": one.terms.gpu},
    )
    with tempfile.TemporaryDirectory(prefix="bench-tune-", dir=scratch) as storage:
        tuner = tune.Tuner(
            trainable,
            param_space=tuning.space,
            tune_config=tuning.config,
            run_config=tune.RunConfig(
                name="sweep",
                storage_path=storage,
                verbose=0,
                stop=watcher,
                callbacks=[WatcherCallback(watcher), fitting, *tuning.callbacks, *trackers],
                failure_config=tune.FailureConfig(max_failures=0),
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            ),
        )
        tuner.fit()
        _judge_the_dead(watcher, one.terms)


def _judge_the_dead(watcher: Watcher, terms: Terms) -> None:
    """Why the workers of this pass died; Tune keeps their errors as long as its folder is there."""
    dead = {key: f"{one.get_pickled_error()!r} {one.get_error()}" for key, one in watcher.dead()}
    remains = find_remains(terms.logs, [*dead]) if dead else {}
    for trial_id, error in dead.items():
        death = judge(remains.get(trial_id, Remains()), error)
        if death.cause == "out of memory":
            death = replace(death, text=advice(death.text, gpu=terms.gpu, alone=terms.alone))
        watcher.troubles.deaths[trial_id] = death


def _account_for_the_rest(
    request: SweepRequest, collector: Any, watcher: Watcher, *, trials: Mapping[str, SweepTrial]
) -> None:
    """Rows for trials that began and never handed theirs over."""
    schemas: Mapping[str, pa.Schema] = request.settings.schemas
    unfinished = watcher.orphans() | ray.get(collector.unfinished.remote())
    for trial_id, begun in unfinished.items():
        trial = trials[trial_id]
        death = None if watcher.stop_all() else watcher.troubles.deaths.get(trial_id)
        rows = lost_rows(trial, begun, death=death, time_limit_s=request.time_limit_s)
        if death is not None:
            log = log_of_failure(death.log, str(rows.trial["error"]))
            ray.get(collector.leave.remote(trial_id, log))
        if may_replace(trial, died=death is not None):
            ray.get(collector.add.remote(trial_id, to_tables(rows, schemas)))
        elif death is None:
            continue
        status = str(rows.trial["status"])
        watcher.statuses[trial_id] = status
        watcher.on_event(TrialEnded(trial_id, status, None, None, 0.0, rows.trial.get("error")))
