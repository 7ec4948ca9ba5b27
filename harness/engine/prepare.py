"""What a sweep needs before it starts: Ray, data, tables, starting weights, and its request."""

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from harness.config.sections import DatasetSection
from harness.data.card import data_card
from harness.data.dataset_checks import shortfall
from harness.data.loading import Loaded, load_dataset
from harness.data.paths import available_cores, cache_dir
from harness.data.prepare import prepare_loaded
from harness.data.previews import previews
from harness.data.types import TrialData
from harness.engine.identity import refuse_changed
from harness.engine.in_process import check_in_process, no_session, run_in_process
from harness.engine.jobs import job_maker
from harness.engine.model_checks import check_precision
from harness.engine.plan import Plan, PlannedTrial, trial_label, varying_paths
from harness.engine.pretrained_weights import (
    PretrainSteps,
    StartingWeights,
    find_starting_weights,
    in_this_process,
    in_worker,
)
from harness.engine.request import Request
from harness.engine.results_folder import fit_tables, record_run
from harness.engine.search_settings import search_settings
from harness.events import Note, OnEvent, StepStarted, SweepPlanned
from harness.metrics import METRICS
from harness.plugins import catalog
from harness.results.lock import writable
from harness.results.runs import update_run
from harness.results.summaries import summarize
from harness.results.table_writer import compact
from harness.training.process_state import unchanged_process
from harness.tune.checkpoints import resume_trials
from harness.tune.cluster.capacity import (
    Capacity,
    check_capacity,
    cores_note,
    crowded_note,
)
from harness.tune.cluster.session import ray_session
from harness.tune.result_writer import WriterSettings
from harness.tune.sweep import SweepEnd, SweepRequest, run_sweep
from harness.tune.tracking import FOLDER, Tracker, Tracking, open_tracking

if TYPE_CHECKING:
    from harness.training.model_summary import ModelCounts


class Backend(NamedTuple):
    """What trains the trials: Ray, or this process.

    Attributes:
        announced: What a user reads while the data is read.
        session: Starts what trains, and waits for its capacity.
        pretrain_steps: Pretrains there.
        run_sweep: Trains there.
    """

    announced: str
    session: Callable[..., AbstractContextManager[Callable[[], Capacity]]]
    pretrain_steps: PretrainSteps
    run_sweep: Callable[..., SweepEnd]


ON_RAY = Backend("reading the data, starting Ray", ray_session, in_worker, run_sweep)
IN_PROCESS = Backend("reading the data", no_session, in_this_process, run_in_process)


@dataclass(frozen=True, eq=False)
class TrainingSession:
    """One run for as long as what trains it is there.

    Attributes:
        run_id: Of the run.
        backend: What trains.
        capacity: Waits until the back end is there; raises BenchError where it can't be.
        tracker: Shows the curves elsewhere; None where nobody asked for it.
        load: Of this machine before the run added to it.
    """

    run_id: str
    backend: Backend
    capacity: Callable[[], Capacity]
    tracker: Tracker | None
    load: float


@contextlib.contextmanager
def open_session(request: Request, plan: Plan, run_id: str) -> Iterator[TrainingSession]:
    """Begin to start what trains, which goes on while the data is read; it stops at the end."""
    options, cpu = request.options, plan.spec.resources.cpu
    num_cpus = max(cpu, options.jobs * cpu if options.jobs else available_cores())
    tracker = _tracker(plan, run_id, request.on_event)
    load = os.getloadavg()[0]
    if options.in_process:
        check_in_process(plan)
    backend = IN_PROCESS if options.in_process else ON_RAY
    with backend.session(
        address=options.address, num_cpus=num_cpus, threads=cpu, on_event=request.on_event
    ) as capacity:
        yield TrainingSession(run_id, backend, cache(capacity), tracker, load)


def prepare(
    request: Request, plan: Plan, counts: "Mapping[str, ModelCounts]", session: TrainingSession
) -> SweepRequest:
    """Read the data, fit the tables, record the run, and find the weights to start from.

    Nothing is written before the back end is there: where Ray fails, the folder stays as it was.
    The caller holds the folder.

    Args:
        request: The call.
        plan: What is missing.
        counts: Of the models, by model key.
        session: What trains.

    Returns:
        What the sweep is to do.

    Raises:
        BenchError: The data can't be read, the back end does not start, or the folder can't be
            written.
    """
    clock = request.clock
    if request.options.address is not None:
        with clock("waiting for Ray"):
            _check_cluster(request, plan, session)
    with clock("data"):
        request.on_event(StepStarted(session.backend.announced))
        loaded = _load_all(request, plan)
    with clock("waiting for Ray"):
        capacity = session.capacity()
        check_capacity(plan.spec, capacity)
    with clock("tables"), writable(plan.folder):
        schemas = _fit_and_record(request, plan, session.run_id, loaded)
    request.note((*capacity.notes, *_core_notes(request, plan, load=session.load)))
    with clock("pretraining"):
        starts = find_starting_weights(
            plan,
            loaded.data,
            gpus=capacity.gpus,
            pretrain_steps=session.backend.pretrain_steps,
            on_event=request.on_event,
        )
    with clock("tables"):
        return _sweep_request(request, plan, session, loaded, schemas, starts, counts)


def sweep(request: Request, plan: Plan, work: SweepRequest, session: TrainingSession) -> SweepEnd:
    """Train what is missing; see `harness.tune.sweep.run_sweep`."""
    request.on_event(_planned(plan))
    with request.clock("sweep"):
        return session.backend.run_sweep(
            work, capacity=session.capacity(), on_event=request.on_event
        )


def tidy(request: Request, run_id: str, end: SweepEnd) -> SweepEnd:
    """Join small parts and note how the run ended; says in its end where that failed."""
    statuses = list(end.statuses.values())
    counts = {status: statuses.count(status) for status in sorted(set(statuses))}
    with request.clock("tables"):
        try:
            compact(request.folder)
            timings_s = dict(request.clock.timings_s)
            update_run(request.folder, run_id, statuses=counts, timings_s=timings_s)
        except OSError as error:
            return replace(end, write_error=end.write_error or f"{type(error).__name__}: {error}")
    return end


def _check_cluster(request: Request, plan: Plan, session: TrainingSession) -> None:
    """Check that a cluster can train the plan, before data is read or anything is written."""
    request.on_event(StepStarted("joining the cluster"))
    check_capacity(plan.spec, session.capacity())
    ahead = [trial.resolved for trial in plan.ahead]
    check_precision(plan.spec, ahead, gpus=session.capacity().gpus > 0)


class _LoadedData(NamedTuple):
    """By data key: what trains, what the report says of it, and a few examples."""

    data: dict[str, TrialData]
    cards: dict[str, Any]
    previews: dict[str, Any]


def _load_all(request: Request, plan: Plan) -> _LoadedData:
    """Load the data of the missing trials and of all that may be sampled."""
    loaded = _LoadedData({}, {}, {})
    for trial in plan.ahead:
        key = trial.data_key
        if key in loaded.data:
            continue
        with unchanged_process(surroundings=False):  # Ray sets its own meanwhile
            dataset = _load(request, trial)
            data = prepare_loaded(
                dataset,
                cross_validation=plan.spec.cross_validation,
                seed=plan.spec.seed,
                repeats=plan.spec.repeats,
                cache_dir=cache_dir(),
                pretraining=plan.spec.pretraining,
            )
        section = trial.resolved.config["dataset"]
        if line := shortfall(data, section.get("train_per_class")):
            request.note([line])
        loaded.data[key] = data
        loaded.cards[key] = data_card(data, description=dataset.description, dataset=section)
        shown = _previews(dataset, data, request.on_event)
        if shown is not None and shown not in loaded.previews.values():  # equal ones once
            loaded.previews[key] = shown
    return loaded


def _load(request: Request, trial: PlannedTrial) -> Loaded:
    resolved = trial.resolved
    return load_dataset(
        catalog.load(resolved.dataset),
        section=DatasetSection.model_validate(resolved.config["dataset"]),
        root=request.root,
        cache_dir=cache_dir(),
        data_fingerprint=trial.data_fingerprint,
        code_fingerprint=catalog.file_fingerprint(resolved.dataset),
        verify=lambda: refuse_changed(resolved, trial.data_fingerprint, root=request.root),
    )


def _previews(dataset: Loaded, data: TrialData, on_event: OnEvent) -> dict[str, Any] | None:
    """Draw a few examples, for the report alone: whatever goes wrong, the trials train."""
    try:
        return previews(dataset, data)
    except Exception as error:
        on_event(Note(f"no examples for the report: {type(error).__name__}: {error}"))
        return None


def _fit_and_record(
    request: Request, plan: Plan, run_id: str, loaded: _LoadedData
) -> Mapping[str, Any]:
    """Widen the tables and write `runs/<run_id>/`; returns the schemas of new parts."""
    schemas, lines = fit_tables(plan)
    request.note(lines)
    options = request.options
    settings = {"command": request.command, "jobs": options.jobs, "address": options.address}
    record_run(plan, run_id, settings=settings, data_card=loaded.cards, previews=loaded.previews)
    return schemas


def _core_notes(request: Request, plan: Plan, *, load: float) -> tuple[str, ...]:
    """Say what a user should know of this machine's cores; nothing of a cluster's, nor of a GPU's.

    Args:
        request: The call.
        plan: What is missing.
        load: Of the machine before the run.
    """
    options, cpu = request.options, plan.spec.resources.cpu
    if options.address is not None or plan.spec.resources.gpu:
        return ()
    n_trials, cores = len(plan.missing) + plan.to_draw, available_cores()
    few = cores_note(n_trials, cpu=cpu, cores=cores, jobs=options.jobs)
    return tuple(line for line in (few, crowded_note(load, cores=cores)) if line is not None)


def _sweep_request(
    request: Request,
    plan: Plan,
    session: TrainingSession,
    loaded: _LoadedData,
    schemas: Mapping[str, Any],
    starts: StartingWeights,
    counts: "Mapping[str, ModelCounts]",
) -> SweepRequest:
    """Return what the sweep is to do: the missing trials, each from where it is, and its search."""
    spec, run_id, tracker = plan.spec, session.run_id, session.tracker
    run_folder = plan.folder / "runs" / run_id
    columns = schemas["trials"].names
    make = job_maker(plan, run_id, columns=columns, counts=counts, initial=starts.initial)
    trials = resume_trials(
        [make(trial) for trial in plan.missing],
        folder=plan.folder,
        run_folder=run_folder,
        device="cuda" if spec.resources.gpu > 0 and session.capacity().gpus > 0 else "cpu",
        force=request.options.force,
        on_event=request.on_event,
    )

    def track(sampled: PlannedTrial) -> None:
        if tracker is not None:
            tracker.add(sampled.trial_id, _tracked_params(sampled))

    return SweepRequest(
        trials,
        loaded.data,
        WriterSettings(
            folder=plan.folder,
            run_folder=run_folder,
            schemas=schemas,
            replaced={t.trial_id: t.kept_repeats for t in plan.missing if t.status is not None},
            weights=spec.weights,
            mode=METRICS[spec.objective.metric].mode,
            best=_best_so_far(plan),
        ),
        spec.resources.cpu,
        spec.resources.gpu,
        request.options.jobs,
        weights=starts.weights,
        tracker=tracker,
        time_limit_s=spec.resources.time_limit_s,
        search=search_settings(
            plan,
            run_id,
            make,
            spent_s=sum(request.clock.timings_s.values()),
            on_drawn=track,
            on_event=request.on_event,
        ),
        checkpoint_interval_s=spec.resources.checkpoint_interval_s,
    )


def _best_so_far(plan: Plan) -> float | None:
    """Return the objective of the best trial that is done; None without one."""
    metric = plan.spec.objective.metric
    done = [trial.trial_id for trial in plan.trials if not trial.repeats]
    if not done:
        return None
    summary = summarize(plan.folder, done, objective=metric, mode=METRICS[metric].mode)
    return summary.best.validation if summary.best else None


def _tracker(plan: Plan, run_id: str, on_event: OnEvent) -> Tracker | None:
    if not plan.spec.tracking:
        return None
    tracking = Tracking(
        names=plan.spec.tracking,
        folder=plan.folder / FOLDER,
        benchmark=plan.spec.name,
        run_id=run_id,
        params={trial.trial_id: _tracked_params(trial) for trial in plan.missing},
    )
    return open_tracking(tracking, lambda text: on_event(Note(text)))


def _tracked_params(trial: PlannedTrial) -> dict[str, Any]:
    resolved = trial.resolved
    variant = {} if resolved.variant is None else {"variant": resolved.variant}
    params = {path: value for path, value in resolved.params.items() if value is not None}
    names = {"model.name": resolved.model.name, "dataset.name": resolved.dataset.name}
    return {**variant, **params, **names}


def _planned(plan: Plan) -> SweepPlanned:
    metric = plan.spec.objective.metric
    done = len(plan.trials) - len(plan.missing)
    missing = len(plan.missing) + plan.to_draw
    paths = varying_paths(plan.trials)
    labels = {trial.trial_id: trial_label(trial, paths) for trial in plan.missing}
    return SweepPlanned(done, missing, metric, METRICS[metric].mode, labels)
