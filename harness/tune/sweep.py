"""A list of trials through Ray Tune, every end accounted for."""

import contextlib
import signal
import tempfile
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from harness.data.types import Array, TrialData
from harness.events import Note, OnEvent
from harness.training.trial_rows import TrialJob
from harness.tune.callbacks import (
    SweepCallback,
    SweepScheduler,
    SweepSearcher,
    SweepStopper,
)
from harness.tune.cluster.capacity import Capacity
from harness.tune.controller import SearchSettings, SweepController
from harness.tune.object_store import put_data
from harness.tune.ray_internals import can_retire_actors
from harness.tune.result_writer import ResultWriter, WriterSettings
from harness.tune.tracking import Tracker
from harness.tune.trainable import TrialTrainable, WorkerContext
from harness.tune.worker_failures import (
    Attempt,
    AttemptSettings,
    attempts,
    first_attempt,
)


@dataclass(frozen=True)
class SweepRequest:
    """What to run and where its rows go.

    Attributes:
        trials: Those that are known before the sweep.
        data: Data key -> value; put once into Ray's object store.
        settings: Of the process that writes.
        cpu: Cores of each trial.
        gpu: Each trial's share of a GPU.
        jobs: Trials at a time; None fills the cores.
        weights: Start key -> entries of a state dict.
        tracker: Shows the curves elsewhere.
        time_limit_s: Seconds that one trial may train; longer ones fail.
        search: Who is drawn and stopped while it runs, and when it ends.
        checkpoint_interval_s: See `harness.tune.checkpoints.CheckpointClient`.
    """

    trials: tuple[TrialJob, ...]
    data: Mapping[str, TrialData]
    settings: WriterSettings
    cpu: int
    gpu: float
    jobs: int | None = None
    weights: Mapping[str, Mapping[str, Array]] = field(default_factory=dict)
    tracker: Tracker | None = None
    time_limit_s: float | None = None
    search: SearchSettings = field(default_factory=SearchSettings)
    checkpoint_interval_s: float | None = None


@dataclass(frozen=True)
class SweepEnd:
    """How a sweep ended.

    Attributes:
        statuses: Trial id -> status of every trial that got a row.
        interrupted: By Ctrl-C or SIGTERM.
        write_error: Why writing failed, or None.
        out_of_time: The time budget was over when it ended.
        drawn: Trials that joined the request's, as the plan has them.
    """

    statuses: Mapping[str, str]
    interrupted: bool
    write_error: str | None
    out_of_time: bool = False
    drawn: tuple[Any, ...] = ()


def run_sweep(request: SweepRequest, *, capacity: Capacity, on_event: OnEvent) -> SweepEnd:
    """Run every trial, as many at a time as the resources allow; a Ray session is there.

    Trials whose worker died run once more, those that ran out of memory with a larger share.
    Ctrl-C (or SIGTERM) stops the sweep: finished trials are kept, running ones get a row
    `interrupted` with their epochs.

    Args:
        request: What to run.
        capacity: What Ray has to compute with.
        on_event: Receives what happens.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed a second time.
    """
    gpu = _gpu_share(request.gpu, capacity, on_event)
    controller = SweepController(
        request.trials,
        start_writer=lambda: _start_writer(request.settings),
        schemas=request.settings.schemas,
        search=request.search,
        device="cuda" if gpu else "cpu",
        time_limit_s=request.time_limit_s,
        on_event=on_event,
    )
    with remember_first_interrupt(controller.interrupted), controller.flushed_on_error():
        _run_attempts(request, controller, gpu=gpu, capacity=capacity)
        error = controller.finish()
    return SweepEnd(
        dict(controller.statuses),
        controller.interrupted.is_set(),
        error,
        out_of_time=request.search.out_of_time(),
        drawn=request.search.drawn,
    )


@contextlib.contextmanager
def remember_first_interrupt(interrupted: threading.Event) -> Iterator[None]:
    """Set an event at the first Ctrl-C (or SIGTERM); the next one raises KeyboardInterrupt.

    Tune's own handler is switched off (see session.QUIET): it would swallow a Ctrl-C that comes
    before the first trial. Outside the main thread this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def remember(number: int, frame: Any) -> None:
        if interrupted.is_set():
            raise KeyboardInterrupt
        interrupted.set()

    kept = {number: signal.signal(number, remember) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


def _gpu_share(gpu: float, capacity: Capacity, on_event: OnEvent) -> float:
    if gpu and not capacity.gpus:
        on_event(Note(f"no GPU here: resources.gpu {gpu:g} is dropped, trials run on the CPU"))
        return 0.0
    return gpu


def _start_writer(settings: WriterSettings) -> Any:
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    actor = ray.remote(ResultWriter)
    return actor.options(num_cpus=0, scheduling_strategy=here).remote(settings)


def _run_attempts(
    request: SweepRequest, controller: SweepController, *, gpu: float, capacity: Capacity
) -> None:
    """Run all trials, then each retry that is due, unless the sweep is to stop."""
    fits = capacity.at_a_time(cpu=request.cpu, gpu=gpu)
    with tempfile.TemporaryDirectory(prefix="bench-logs-", dir=capacity.scratch) as logs:
        first = first_attempt(
            len(request.trials),
            to_draw=request.search.to_draw,
            jobs=request.jobs,
            fits=fits,
            settings=AttemptSettings(Path(logs), request.time_limit_s, gpu),
        )
        context = _worker_context(request, controller, first.settings)
        for attempt in attempts(first, controller.trial_ids, controller.failed):
            if attempt is not first and controller.should_stop():
                break
            controller.begin_attempt(attempt)
            draws = attempt is first and request.search.sampler is not None
            space, config = _tune_config(controller, attempt, draws=draws, fits=fits)
            with tempfile.TemporaryDirectory(prefix="bench-tune-", dir=capacity.scratch) as folder:
                tuner = tune.Tuner(
                    _trainable(request, replace(context, settings=attempt.settings)),
                    param_space=space,
                    tune_config=config,
                    run_config=_run_config(controller, request.tracker, folder),
                )
                tuner.fit()
                controller.end_attempt(attempt)


def _worker_context(
    request: SweepRequest, controller: SweepController, settings: AttemptSettings
) -> WorkerContext:
    return WorkerContext(
        trials=ray.put(controller.trials),
        schemas=ray.put(dict(request.settings.schemas)),
        data=put_data(request.data),
        writer=controller.writer,
        settings=settings,
        weights={key: ray.put(dict(value)) for key, value in request.weights.items()},
        tracked=request.tracker is not None,
        scheduled=request.search.scheduler is not None,
        checkpoint_interval_s=request.checkpoint_interval_s,
    )


def _trainable(request: SweepRequest, context: WorkerContext) -> Any:
    resources = {"cpu": request.cpu, "gpu": context.settings.gpu}
    return tune.with_resources(tune.with_parameters(TrialTrainable, context=context), resources)


def _tune_config(
    controller: SweepController, attempt: Attempt, *, draws: bool, fits: int
) -> tuple[dict[str, Any], tune.TuneConfig]:
    """Return how Tune walks through an attempt's trials: its space, and its settings.

    Args:
        controller: Of the sweep.
        attempt: The trials, and how many at a time.
        draws: A sampler adds trials; each waits until one of those that run has ended.
        fits: Trials that Ray can run at a time.
    """
    common = {"reuse_actors": can_retire_actors(), "scheduler": SweepScheduler(controller)}
    if not draws:
        space = {"index": tune.grid_search(list(attempt.indices))}
        return space, tune.TuneConfig(max_concurrent_trials=attempt.jobs, **common)
    at_a_time = max(1, fits if attempt.jobs is None else min(attempt.jobs, fits))
    config = tune.TuneConfig(
        search_alg=SweepSearcher(controller),
        num_samples=-1,
        max_concurrent_trials=at_a_time,
        **common,
    )
    return {}, config


def _run_config(
    controller: SweepController, tracker: Tracker | None, folder: str
) -> tune.RunConfig:
    return tune.RunConfig(
        name="sweep",
        storage_path=folder,
        verbose=0,
        stop=SweepStopper(controller),
        callbacks=[SweepCallback(controller, tracker)],
        failure_config=tune.FailureConfig(max_failures=0),
        checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
    )
