"""One call of `bench run`, from a file's name to finished tables. Prints nothing.

Imports neither torch nor ray before something is known to be missing.
"""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from harness.data.paths import available_cores
from harness.engine.checks import check_tracking
from harness.engine.identity import DataFingerprints
from harness.engine.model_checks import (
    check_initial_weights,
    check_models,
    check_precision,
    describe_model,
    distinct_models,
    has_gpu,
)
from harness.engine.options import RunOptions
from harness.engine.plan import Plan, code_notes, make_plan
from harness.engine.request import Clock, Request, read_request
from harness.engine.results_folder import (
    FolderState,
    fit_tables,
    folder_state,
    is_recorded,
    mend,
    record_run,
    tables_fit,
)
from harness.events import OnEvent, StepStarted
from harness.metrics import METRICS
from harness.results.integrity import LOST
from harness.results.layout import MOST_NAMED, check_folder, check_plain, unknown_lines
from harness.results.lock import hold, refuse_early
from harness.results.parquet_parts import DamagedPart
from harness.results.runs import new_run_id
from harness.results.summaries import Summary, summarize
from harness.tune.checkpoints import checkpoint_lines

if TYPE_CHECKING:
    from harness.training.model_summary import ModelCounts
    from harness.tune.sweep import SweepEnd


@dataclass(frozen=True)
class RunOutcome:
    """What a run leaves behind.

    Attributes:
        plan: The trials, with those that were sampled meanwhile.
        summary: How they are now.
        exit_code: 0 done, 1 a trial failed or writing did, 130 interrupted.
        timings_s: Seconds of planning, model check, data, sweep and tables, in that order.
        write_error: Why rows could not be written, or None.
        models: Of a dry run: each distinct model in words.
        estimate_s: Of a dry run: seconds, judged by done trials.
        out_of_time: The time budget ended the sweep.
    """

    plan: Plan
    summary: Summary
    exit_code: int
    timings_s: Mapping[str, float]
    write_error: str | None = None
    models: tuple[str, ...] = ()
    estimate_s: float | None = None
    out_of_time: bool = False


def run_benchmark(options: RunOptions, on_event: OnEvent) -> RunOutcome:
    """Train what is missing of a benchmark.

    Args:
        options: Those of the command.
        on_event: Receives what the run does.

    Returns:
        What the plan now holds.

    Raises:
        SpecError: The file has mistakes; nothing is written then.
        BenchError: The folder is held, or data is not there; nothing is written then.
    """
    try:
        return _run(options, on_event)
    except DamagedPart:
        if options.dry_run:
            raise
        request = read_request(options, on_event)
        with hold(request.folder):
            request.note(mend(request.folder))
        return _run(options, on_event)


def _run(options: RunOptions, on_event: OnEvent) -> RunOutcome:
    clock = Clock()
    with clock("planning"):
        request = read_request(options, on_event, clock)
        _open_folder(request)
        seen = folder_state(request.folder)
        plan = _plan(request)
    _announce(request, plan)
    if options.dry_run:
        return _describe(request, plan)
    if not plan.ahead:
        _settle(request, plan)
        return _finish(request, plan)
    counts = _check_before_training(request, plan)
    with hold(request.folder):
        plan = _plan_unless_it_stands(request, plan, seen)
        end = _train(request, plan, counts)
    return _finish(request, plan, end)


def _open_folder(request: Request) -> None:
    """Check what is in the results folder; empty that of a smoke run.

    Raises:
        BenchError: Something in it leads elsewhere, or another run holds a smoke run's folder.
    """
    check_plain(request.folder)
    if not request.options.smoke:
        return
    check_folder(request.folder.parent)  # named by bench, not by the user
    if not request.options.dry_run:
        refuse_early(request.folder)
        shutil.rmtree(request.folder, ignore_errors=True)


def _plan(request: Request) -> Plan:
    options = request.options
    fingerprints = DataFingerprints(
        request.root,
        may_prepare=request.may_download,
        on_event=request.on_event,
        anew=options.force,
    )
    return make_plan(
        request.spec,
        request.folder,
        data_fingerprint=fingerprints,
        force=options.force,
        retry_failed=options.retry_failed,
        finish_pruned=options.finish_pruned,
        limit=request.limit,
        root=request.root,
    )


def _plan_unless_it_stands(request: Request, plan: Plan, seen: FolderState) -> Plan:
    """Mend the folder, which nobody else writes to from here on; plan again if it changed.

    The lock is taken only now because a run with nothing to train needs none: it also works in a
    folder that can't be written.

    Args:
        request: The call.
        plan: As it was made without the lock.
        seen: The folder before that.
    """
    request.note(mend(request.folder))
    return plan if folder_state(request.folder) == seen else _plan(request)


def _announce(request: Request, plan: Plan) -> None:
    """Pass on what a user should know before anything is decided."""
    request.note(unknown_lines(request.folder))
    request.note(_lost_before(plan))
    hidden = (*request.hidden_benchmark, *plan.hidden)
    request.note(f"your {label} is used in place of the shipped one" for label in hidden)
    if not request.options.dry_run:
        request.note(_pruned_before(request, plan))
    elif not request.options.force:
        request.note(_checkpoints(plan))


def _lost_before(plan: Plan) -> list[str]:
    """Name the finished trials whose rows are gone, so that they count as missing."""
    lost = [trial for trial in plan.missing if trial.reason.startswith(LOST)]
    if not lost:
        return []
    what = "1 finished trial counts" if len(lost) == 1 else f"{len(lost):,} finished trials count"
    reasons = [(trial.trial_id, trial.reason.removeprefix(LOST)) for trial in lost[:MOST_NAMED]]
    named = ", ".join(f"{trial_id} ({reason})" for trial_id, reason in reasons)
    more = f" and {len(lost) - MOST_NAMED:,} more" if len(lost) > MOST_NAMED else ""
    return [f"{what} as missing, since rows are gone: {named}{more}"]


def _pruned_before(request: Request, plan: Plan) -> list[str]:
    """Say what to do where no scheduler is asked for now, and one has stopped some trials."""
    pruned = sum(trial.status == "pruned" and not trial.repeats for trial in plan.trials)
    if not pruned or plan.spec.search.pruning is not None:
        return []
    were = "1 trial was" if pruned == 1 else f"{pruned} trials were"
    return [
        f"{were} pruned by an earlier run and count as done; to train to the end: "
        f"{request.command} --finish-pruned"
    ]


def _checkpoints(plan: Plan) -> list[str]:
    return checkpoint_lines(plan.folder, [trial.trial_id for trial in plan.missing])


def _settle(request: Request, plan: Plan) -> None:
    """Write columns that the file now asks for, and the plan, of trials that are all done."""
    if tables_fit(plan) and is_recorded(plan):
        return
    with hold(plan.folder):
        request.note(mend(plan.folder))
        request.note(fit_tables(plan)[1])
        record_run(plan, new_run_id(), settings={"command": request.command})


def _check_before_training(request: Request, plan: Plan) -> "Mapping[str, ModelCounts]":
    """Check all that can be checked without data, before anything is written.

    Returns:
        Model key -> its counts, of the models that could be counted.

    Raises:
        SpecError: A model is impossible, or what the file asks for is not to be had.
        BenchError: The folder is held or can't be written.
    """
    spec = plan.spec
    check_tracking(spec)
    refuse_early(plan.folder)  # before the seconds that importing torch takes
    request.note(code_notes(plan))
    with request.clock("model check"):
        ahead = [trial.resolved for trial in plan.ahead]
        models = distinct_models(ahead)
        check_precision(spec, ahead, gpus=bool(request.options.address) or has_gpu())
        what = "the model" if len(models) == 1 else f"{len(models)} distinct models"
        request.on_event(StepStarted(f"building {what} without data"))
        counts = check_models(spec, models)
        request.note(check_initial_weights(spec, ahead))
    return counts


def _train(request: Request, plan: Plan, counts: "Mapping[str, ModelCounts]") -> "SweepEnd":
    """Train the missing trials into the tables; the caller holds the folder."""
    from harness.engine.prepare import open_session, prepare, sweep, tidy  # imports torch and ray

    run_id = new_run_id()
    with open_session(request, plan, run_id) as session:
        work = prepare(request, plan, counts, session)
        end = sweep(request, plan, work, session)
    return tidy(request, run_id, end)


def _finish(request: Request, plan: Plan, end: "SweepEnd | None" = None) -> RunOutcome:
    """Read from the tables how the plan is now."""
    with request.clock("summary"):
        plan = plan if end is None else plan.grown(end.drawn)
        metric = plan.spec.objective.metric
        ids = [trial.trial_id for trial in plan.trials]
        summary = summarize(plan.folder, ids, objective=metric, mode=METRICS[metric].mode)
        summary = replace(
            summary,
            trials=summary.trials + plan.to_draw,
            missing=summary.missing + plan.to_draw,
        )
    outcome = RunOutcome(plan, summary, 1 if summary.failed else 0, request.clock.timings_s)
    if end is None:
        return outcome
    failed = end.write_error or "failed" in end.statuses.values()
    code = 130 if end.interrupted else 1 if failed else outcome.exit_code
    late = end.out_of_time and summary.missing + summary.interrupted > 0
    return replace(outcome, exit_code=code, write_error=end.write_error, out_of_time=late)


def _describe(request: Request, plan: Plan) -> RunOutcome:
    """Say for a dry run what the models are and how long training would take."""
    outcome = _finish(request, plan)
    configurations = [trial.resolved for trial in (*plan.trials, *plan.representatives)]
    models = distinct_models(configurations)
    check_models(plan.spec, models)
    check_initial_weights(plan.spec, configurations)
    lines = []
    for model in models:
        values = ", ".join(f"{path}={value}" for path, value in model.params.items())
        lines.append(f"{model.entry.name} {values}".rstrip() + f": {describe_model(model)}")
    times = [trial.fit_time_s for trial in outcome.summary.ranking if trial.fit_time_s]
    estimate_s = _estimate_s(request, plan, times)
    return replace(outcome, models=tuple(lines), estimate_s=estimate_s, exit_code=0)


def _estimate_s(request: Request, plan: Plan, fit_times_s: Sequence[float]) -> float | None:
    """Judge by trials that are done how long the missing ones take; None without any."""
    if not fit_times_s:
        return None
    at_a_time = request.options.jobs or max(1, available_cores() // plan.spec.resources.cpu)
    to_train = len(plan.missing) + plan.to_draw
    return to_train * sum(fit_times_s) / len(fit_times_s) / at_a_time
