"""A plan's missing trials: their data read once, trained through Ray, their rows written."""

import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from harness.config.sections import DatasetSection
from harness.data.card import data_card
from harness.data.dataset_checks import shortfall
from harness.data.loading import Loaded, load_dataset
from harness.data.paths import available_cores, cache_dir
from harness.data.prepare import prepare_loaded
from harness.data.previews import previews
from harness.data.types import TrialData
from harness.engine.fingerprints import refuse_changed
from harness.engine.in_process import check_in_process, no_session, run_in_process
from harness.engine.jobs import data_key, fit_tables
from harness.engine.plan import Plan, PlannedTrial, trial_label, varying_paths
from harness.engine.plan_record import record_run
from harness.engine.precision_check import check_precision
from harness.engine.pretrained_weights import (
    PretrainSteps,
    Starts,
    find_starts,
    in_this_process,
    in_worker,
)
from harness.engine.search_setup import steering
from harness.engine.trial_factory import kept_repeats, maker
from harness.events import Note, OnEvent, StepStarted, SweepPlanned
from harness.metrics import METRICS
from harness.plugins import catalog
from harness.results.lock import writable
from harness.results.runs import update_run
from harness.results.summaries import summarize
from harness.results.table_writer import compact
from harness.training.isolation import unchanged_process
from harness.training.model_summary import ModelCounts
from harness.tune.cluster.capacity import Capacity, check_capacity, cores_note, crowded_note
from harness.tune.cluster.session import ray_session
from harness.tune.recovery.checkpoints import go_on
from harness.tune.result_writer import CollectorSettings
from harness.tune.sweep import SweepEnd, SweepRequest, run_sweep
from harness.tune.tracking import FOLDER, Tracking, TrackingCallback, open_tracking
from harness.tune.trainable import SweepTrial

Clock = Callable[[str], AbstractContextManager[None]]


class Runner(NamedTuple):
    """What trains the trials: Ray, or this process.

    announced: what a user reads while the data is read. session: starts what trains, and waits for
    its capacity. pretrain_steps, run_sweep: train on it.
    """

    announced: str
    session: Callable[..., AbstractContextManager[Callable[[], Capacity]]]
    pretrain_steps: PretrainSteps
    run_sweep: Callable[..., SweepEnd]


ON_RAY = Runner("reading the data, starting Ray", ray_session, in_worker, run_sweep)
IN_PROCESS = Runner("reading the data", no_session, in_this_process, run_in_process)


def train_missing(
    plan: Plan,
    *,
    run_id: str,
    command: str,
    root: Path,
    jobs: int | None,
    address: str | None,
    counts: Mapping[str, ModelCounts],
    clock: Clock,
    on_event: OnEvent,
    force: bool = False,
    in_process: bool = False,
) -> SweepEnd:
    """Trains every missing trial of a plan into the tables of `plan.folder`.

    The caller holds the folder. command: as it was typed. root: of the raw data. counts: by model
    key. clock: times a named step. force: no trial goes on from a checkpoint.
    in_process: one trial after another here, without Ray.
    """
    cpu = plan.spec.resources.cpu
    num_cpus = max(cpu, jobs * cpu if jobs else available_cores())
    tracker = _tracker(plan, run_id, on_event)
    load = os.getloadavg()[0]  # before this run adds to it
    if in_process:
        check_in_process(plan)
    runner = IN_PROCESS if in_process else ON_RAY
    session = runner.session(address=address, num_cpus=num_cpus, threads=cpu, on_event=on_event)
    with session as capacity:
        if address is not None:
            with clock("waiting for Ray"):
                on_event(StepStarted("joining the cluster"))
                check_capacity(plan.spec, capacity())  # before anything is written
                ahead = [trial.resolved for trial in plan.ahead]
                check_precision(plan.spec, ahead, gpus=capacity().gpus > 0)
        with clock("data"):
            on_event(StepStarted(runner.announced))
            data, cards, shown = _data(plan, root, on_event)
        with clock("waiting for Ray"):
            ready = capacity()  # before anything is written: where Ray fails, nothing is
            check_capacity(plan.spec, ready)
        with clock("tables"), writable(plan.folder):
            schemas, lines = fit_tables(plan)
            for line in lines:
                on_event(Note(line))
            settings = {"command": command, "jobs": jobs, "address": address}
            record_run(plan, run_id, settings=settings, data_card=cards, previews=shown)
        for line in (*ready.notes, *_cores(plan, jobs=jobs, address=address, load=load)):
            on_event(Note(line))
        with clock("pretraining"):
            starts = find_starts(
                plan,
                data,
                gpus=ready.gpus,
                pretrain_steps=runner.pretrain_steps,
                on_event=on_event,
            )
        with clock("tables"):
            request = _work(
                plan, run_id, data, schemas=schemas, counts=counts, starts=starts, ready=ready,
                jobs=jobs, force=force, tracker=tracker, spent_s=sum(_timings(clock).values()),
                on_event=on_event,
            )  # fmt: skip
        on_event(_planned(plan))
        with clock("sweep"):
            end = runner.run_sweep(request, capacity=ready, on_event=on_event)
    with clock("tables"):
        error = _tidied(plan.folder, run_id, end, clock)
    return replace(end, write_error=end.write_error or error)


def _work(
    plan: Plan,
    run_id: str,
    data: Mapping[str, TrialData],
    *,
    schemas: Mapping[str, Any],
    counts: Mapping[str, ModelCounts],
    starts: Starts,
    ready: Capacity,
    jobs: int | None,
    force: bool,
    tracker: TrackingCallback | None,
    spent_s: float,
    on_event: OnEvent,
) -> SweepRequest:
    """What the sweep is to do: the missing trials, each from where it stands, and who steers."""
    make = maker(plan, run_id, schemas=schemas, counts=counts, starts=starts)
    trials = go_on(
        [make(trial) for trial in plan.missing],
        folder=plan.folder,
        run_folder=plan.folder / "runs" / run_id,
        device="cuda" if plan.spec.resources.gpu > 0 and ready.gpus > 0 else "cpu",
        force=force,
        on_event=on_event,
    )
    steered = steering(
        plan, run_id, make, spent_s=spent_s,
        on_drawn=lambda drawn: _track(tracker, drawn), on_event=on_event,
    )  # fmt: skip
    return replace(
        _request(plan, run_id, trials, data, schemas=schemas, jobs=jobs),
        weights=starts.weights,
        tracking=tracker,
        time_limit_s=plan.spec.resources.time_limit_s,
        steering=steered,
    )


def _cores(plan: Plan, *, jobs: int | None, address: str | None, load: float) -> tuple[str, ...]:
    """What a user should know of this machine's cores; nothing of a cluster's, nor beside a GPU."""
    if address is not None or plan.spec.resources.gpu:
        return ()
    n_trials = len(plan.missing) + plan.to_draw
    cpu, cores = plan.spec.resources.cpu, available_cores()
    lines = cores_note(n_trials, cpu=cpu, cores=cores, jobs=jobs), crowded_note(load, cores=cores)
    return tuple(line for line in lines if line is not None)


def _tidied(folder: Path, run_id: str, end: SweepEnd, clock: Clock) -> str | None:
    """Joins small parts and notes how the run ended; why that couldn't be written, or None."""
    try:
        compact(folder)
        update_run(folder, run_id, statuses=_counts(end), timings_s=_timings(clock))
    except OSError as error:
        return f"{type(error).__name__}: {error}"
    return None


def _request(
    plan: Plan,
    run_id: str,
    trials: tuple[SweepTrial, ...],
    data: Mapping[str, TrialData],
    *,
    schemas: Mapping[str, Any],
    jobs: int | None,
) -> SweepRequest:
    spec = plan.spec
    settings = CollectorSettings(
        folder=plan.folder,
        run_folder=plan.folder / "runs" / run_id,
        schemas=schemas,
        replaced={t.trial_id: kept_repeats(t) for t in plan.missing if t.status is not None},
        weights=spec.weights,
        mode=METRICS[spec.objective.metric].mode,
        best=_best(plan),
    )
    return SweepRequest(
        trials,
        data,
        settings,
        spec.resources.cpu,
        spec.resources.gpu,
        jobs,
        checkpoint_interval_s=spec.resources.checkpoint_interval_s,
    )


def _tracker(plan: Plan, run_id: str, on_event: OnEvent) -> TrackingCallback | None:
    if not plan.spec.tracking:
        return None
    tracking = Tracking(
        names=plan.spec.tracking,
        folder=plan.folder / FOLDER,
        benchmark=plan.spec.name,
        run_id=run_id,
        params={trial.trial_id: _shown_params(trial) for trial in plan.missing},
    )
    return open_tracking(tracking, lambda text: on_event(Note(text)))


def _track(tracker: TrackingCallback | None, drawn: PlannedTrial) -> None:
    if tracker is not None:
        tracker.join(drawn.trial_id, _shown_params(drawn))


def _shown_params(trial: PlannedTrial) -> dict[str, Any]:
    one = trial.resolved
    named = {} if one.variant is None else {"variant": one.variant}
    params = {path: value for path, value in one.params.items() if value is not None}
    return {**named, **params, "model.name": one.model.name, "dataset.name": one.dataset.name}


def _planned(plan: Plan) -> SweepPlanned:
    metric = plan.spec.objective.metric
    done = len(plan.trials) - len(plan.missing)
    missing = len(plan.missing) + plan.to_draw
    paths = varying_paths(plan.trials)
    labels = {trial.trial_id: trial_label(trial, paths) for trial in plan.missing}
    return SweepPlanned(done, missing, metric, METRICS[metric].mode, labels)


def _data(
    plan: Plan, root: Path, on_event: OnEvent
) -> tuple[dict[str, TrialData], dict[str, Any], dict[str, Any]]:
    """Data key -> data, its card and its previews, for the missing trials and all to be drawn."""
    found: dict[str, TrialData] = {}
    cards: dict[str, Any] = {}
    shown: dict[str, Any] = {}
    for trial in plan.ahead:
        key = data_key(trial)
        if key not in found:
            with unchanged_process(surroundings=False):  # Ray sets its own meanwhile
                loaded = _loaded(trial, root)
                found[key] = _prepared(plan, loaded)
            section = trial.resolved.config["dataset"]
            if line := shortfall(found[key], section.get("train_per_class")):
                on_event(Note(line))
            cards[key] = data_card(found[key], description=loaded.description, dataset=section)
            shown[key] = _previews(loaded, found[key], on_event)
    return found, cards, _distinct(shown)


def _loaded(trial: PlannedTrial, root: Path) -> Loaded:
    def verify() -> None:
        refuse_changed(trial.resolved, trial.data_fingerprint, root=root)

    return load_dataset(
        catalog.load(trial.resolved.dataset),
        section=DatasetSection.model_validate(trial.resolved.config["dataset"]),
        root=root,
        cache_dir=cache_dir(),
        data_fingerprint=trial.data_fingerprint,
        code_fingerprint=catalog.file_fingerprint(trial.resolved.dataset),
        verify=verify,
    )


def _prepared(plan: Plan, loaded: Loaded) -> TrialData:
    spec = plan.spec
    return prepare_loaded(
        loaded,
        cross_validation=spec.cross_validation,
        seed=spec.seed,
        repeats=spec.repeats,
        cache_dir=cache_dir(),
        pretraining=spec.pretraining,
    )


def _previews(loaded: Loaded, data: TrialData, on_event: OnEvent) -> dict[str, Any] | None:
    """For the report alone: whatever goes wrong with them, the trials train."""
    try:
        return previews(loaded, data)
    except Exception as error:
        on_event(Note(f"no examples for the report: {type(error).__name__}: {error}"))
        return None


def _distinct(shown: Mapping[str, Any]) -> dict[str, Any]:
    """Each of several equal ones once, under the first key."""
    kept: dict[str, Any] = {}
    for key, value in shown.items():
        if value is not None and value not in kept.values():
            kept[key] = value
    return kept


def _best(plan: Plan) -> float | None:
    metric = plan.spec.objective.metric
    done = [trial.trial_id for trial in plan.trials if not trial.repeats]
    if not done:
        return None
    summary = summarize(plan.folder, done, objective=metric, mode=METRICS[metric].mode)
    return summary.best.validation if summary.best else None


def _counts(end: SweepEnd) -> dict[str, int]:
    statuses = list(end.statuses.values())
    return {status: statuses.count(status) for status in sorted(set(statuses))}


def _timings(clock: Clock) -> dict[str, float]:
    return dict(getattr(clock, "timings_s", {}))
