"""One call of `bench run`, from a file's name to finished tables. Prints nothing.

Imports neither torch nor ray before something is known to be missing.
"""

import contextlib
import shlex
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from harness.config.benchmark import BenchmarkSpec
from harness.config.read import find_benchmark, hides_shipped
from harness.data.paths import available_cores, default_data_root, named_data_root
from harness.engine.change_reasons import code_notes
from harness.engine.fingerprints import Fingerprints
from harness.engine.jobs import fit_tables, tables_fit
from harness.engine.model_checks import check_models, describe_model, distinct_models
from harness.engine.plan import Plan, make_plan
from harness.engine.plan_record import is_recorded, record_run
from harness.engine.precision_check import check_precision, has_gpu
from harness.engine.resolve import resolve
from harness.engine.smoke import SMOKE_CONFIGURATIONS, smoke_overrides
from harness.engine.static_checks import read_checked
from harness.engine.tracking_checks import check_tracking
from harness.engine.weight_checks import check_initial_weights
from harness.events import Note, OnEvent, StepStarted
from harness.metrics import METRICS
from harness.plugins import catalog
from harness.results.integrity import LOST
from harness.results.layout import MOST_NAMED, check_folder, check_plain, unknown_lines
from harness.results.lock import hold, refuse_early, writable
from harness.results.parts import DamagedPart
from harness.results.runs import new_run_id
from harness.results.summaries import Summary, summarize

if TYPE_CHECKING:
    from harness.training.model_summary import ModelCounts


@dataclass(frozen=True)
class RunOptions:
    """The command line of `bench run`."""

    file: str
    overrides: Sequence[str] = ()
    results: Path = Path("results")
    data: Path | None = None
    jobs: int | None = None
    address: str | None = None
    limit: int | None = None
    smoke: bool = False
    dry_run: bool = False
    force: bool = False
    retry_failed: bool = False
    finish_pruned: bool = False
    tracking: str | None = None
    in_process: bool = False

    @property
    def all_overrides(self) -> tuple[str, ...]:
        """Those that were typed, and `--tracking`, which is one."""
        named = () if self.tracking is None else (f"tracking=[{self.tracking}]",)
        return (*self.overrides, *named)


@dataclass(frozen=True)
class RunOutcome:
    """What a run leaves behind.

    exit_code: 0 done, 1 a trial failed or writing did, 130 interrupted.
    timings_s: seconds of planning, model check, data, sweep and tables, in that order.
    models, estimate_s: of a dry run: each distinct model in words, seconds judged by done trials.
    out_of_time: the time budget ended the sweep.
    """

    plan: Plan
    summary: Summary
    exit_code: int
    timings_s: Mapping[str, float]
    write_error: str | None = None
    models: tuple[str, ...] = ()
    estimate_s: float | None = None
    out_of_time: bool = False


@dataclass
class _Clock:
    timings_s: dict[str, float] = field(default_factory=dict)

    @contextlib.contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        started = time.monotonic()
        try:
            yield
        finally:
            spent = time.monotonic() - started
            self.timings_s[name] = round(self.timings_s.get(name, 0.0) + spent, 3)


def run_benchmark(options: RunOptions, on_event: OnEvent) -> RunOutcome:
    """Trains what is missing of a benchmark and says what the plan now holds.

    Raises SpecError for mistakes of the file and BenchError for a folder that is held or data
    that is not there; nothing is written then.
    """
    try:
        return _run(options, on_event)
    except DamagedPart:
        if options.dry_run:
            raise
        folder = results_folder(options, read_spec(options))
        with hold(folder):
            _mend(folder, on_event)
        return _run(options, on_event)


def _run(options: RunOptions, on_event: OnEvent) -> RunOutcome:
    clock = _Clock()
    with clock("planning"):
        spec = read_spec(options)
        folder = results_folder(options, spec)
        check_plain(folder)
        if options.smoke:
            check_folder(folder.parent)  # named by bench, not by the user
        if options.smoke and not options.dry_run:
            refuse_early(folder)
            shutil.rmtree(folder, ignore_errors=True)
        plan = _plan(options, spec, folder, on_event)
    for line in (*unknown_lines(folder), *_lost_before(plan)):
        on_event(Note(line))
    for label in (*_hidden_benchmark(options, spec), *plan.hidden):
        on_event(Note(f"your {label} is used in place of the shipped one"))
    if options.dry_run:
        for line in [] if options.force else _checkpoints(plan):
            on_event(Note(line))
        return _described(plan, clock, jobs=options.jobs)
    for line in _pruned_before(options, plan):
        on_event(Note(line))
    if not plan.ahead:
        _settle(plan, options, on_event)
        return _finished(plan, clock)
    check_tracking(spec)
    refuse_early(folder)  # before the seconds that importing torch takes
    for line in code_notes(plan):
        on_event(Note(line))
    with clock("model check"):
        ahead = [trial.resolved for trial in plan.ahead]
        models = distinct_models(ahead)
        check_precision(spec, ahead, gpus=bool(options.address) or has_gpu())
        on_event(StepStarted(f"building {_counted(len(models))} without data"))
        counts = check_models(spec, models)
        for line in check_initial_weights(spec, ahead):
            on_event(Note(line))
    return _train(options, spec, folder, counts, on_event=on_event, clock=clock)


def _pruned_before(options: RunOptions, plan: Plan) -> list[str]:
    """What to do where no scheduler is asked for now, and one has stopped some of these trials."""
    pruned = sum(trial.status == "pruned" and not trial.repeats for trial in plan.trials)
    if not pruned or plan.spec.search.pruning is not None:
        return []
    were = "1 trial was" if pruned == 1 else f"{pruned} trials were"
    return [f"{were} pruned by an earlier run and count as done; to train to the end: "
            f"{_command(options)} --finish-pruned"]  # fmt: skip


def _lost_before(plan: Plan) -> list[str]:
    """The finished trials whose rows are gone, so that they count as missing."""
    lost = [trial for trial in plan.missing if trial.reason.startswith(LOST)]
    if not lost:
        return []
    what = "1 finished trial counts" if len(lost) == 1 else f"{len(lost):,} finished trials count"
    named = [f"{one.trial_id} ({one.reason.removeprefix(LOST)})" for one in lost[:MOST_NAMED]]
    more = f" and {len(lost) - MOST_NAMED:,} more" if len(lost) > MOST_NAMED else ""
    return [f"{what} as missing, since rows are gone: {', '.join(named)}{more}"]


def _counted(n_models: int) -> str:
    return "the model" if n_models == 1 else f"{n_models} distinct models"


def read_spec(options: RunOptions) -> BenchmarkSpec:
    """The validated file with the command line's overrides, and those of `--smoke`."""
    file = find_benchmark(options.file, shipped=catalog.SHIPPED_BENCHMARKS)
    spec = read_checked(file, options.all_overrides)
    if not options.smoke:
        return spec
    description = resolve(spec, root=data_root(options))[0].description
    overrides = (*options.all_overrides, *smoke_overrides(spec, description))
    return read_checked(file, overrides)


def _hidden_benchmark(options: RunOptions, spec: BenchmarkSpec) -> Sequence[str]:
    file = Path(spec.file)
    hides = hides_shipped(options.file, file, shipped=catalog.SHIPPED_BENCHMARKS)
    return [f"benchmarks/{file.name}"] if hides else []


def results_folder(options: RunOptions, spec: BenchmarkSpec) -> Path:
    """Absolute, since workers may run elsewhere."""
    root = options.results.resolve()
    return root / "_smoke" / spec.name if options.smoke else root / spec.name


def data_root(options: RunOptions) -> Path:
    """Where the datasets lie."""
    return default_data_root(options.data)


def _plan(options: RunOptions, spec: BenchmarkSpec, folder: Path, on_event: OnEvent) -> Plan:
    limit = SMOKE_CONFIGURATIONS if options.smoke and options.limit is None else options.limit
    theirs = named_data_root(options.data) or options.dry_run  # a named folder is theirs to fill
    fingerprints = Fingerprints(
        data_root(options), may_prepare=not theirs, on_event=on_event, anew=options.force
    )
    return make_plan(
        spec,
        folder,
        data_fingerprint=fingerprints,
        force=options.force,
        retry_failed=options.retry_failed,
        finish_pruned=options.finish_pruned,
        limit=limit,
        root=data_root(options),
    )


def _settle(plan: Plan, options: RunOptions, on_event: OnEvent) -> None:
    """Columns that the file now asks for, and the plan on record, of trials that are all done."""
    if tables_fit(plan) and is_recorded(plan):
        return
    with hold(plan.folder):
        _mend(plan.folder, on_event)
        for line in fit_tables(plan)[1]:
            on_event(Note(line))
        record_run(plan, new_run_id(), settings={"command": _command(options)})


def _command(options: RunOptions) -> str:
    return shlex.join(["bench", "run", options.file, *options.overrides])


def _train(
    options: RunOptions,
    spec: BenchmarkSpec,
    folder: Path,
    counts: "Mapping[str, ModelCounts]",
    *,
    on_event: OnEvent,
    clock: _Clock,
) -> RunOutcome:
    from harness.engine.prepare import train_missing

    with hold(folder):
        _mend(folder, on_event)
        plan = _plan(options, spec, folder, on_event)  # again: nobody else writes from here on
        end = train_missing(
            plan,
            run_id=new_run_id(),
            command=_command(options),
            root=data_root(options),
            jobs=options.jobs,
            address=options.address,
            counts=counts,
            clock=clock,
            on_event=on_event,
            force=options.force,
            in_process=options.in_process,
        )
    outcome = _finished(plan.grown(end.drawn), clock)
    failed = end.write_error or "failed" in end.statuses.values()
    code = 130 if end.interrupted else 1 if failed else outcome.exit_code
    late = end.out_of_time and outcome.summary.missing + outcome.summary.interrupted > 0
    return replace(outcome, exit_code=code, write_error=end.write_error, out_of_time=late)


def _mend(folder: Path, on_event: OnEvent) -> None:
    """Brings the tables back to whole trials, and says what that took."""
    from harness.results.repair import repair

    with writable(folder):
        found = repair(folder)
    for line in found.lines():
        on_event(Note(line))


def _checkpoints(plan: Plan) -> list[str]:
    from harness.tune.recovery.checkpoints import checkpoint_lines

    return checkpoint_lines(plan.folder, [trial.trial_id for trial in plan.missing])


def _described(plan: Plan, clock: _Clock, *, jobs: int | None) -> RunOutcome:
    """What a dry run adds: the models' sizes and the time, judged by the trials that are done."""
    outcome = _finished(plan, clock)
    corners = plan.draws.corners if plan.draws else ()
    configurations = [trial.resolved for trial in (*plan.trials, *corners)]
    models = distinct_models(configurations)
    check_models(plan.spec, models)
    check_initial_weights(plan.spec, configurations)
    named = [(", ".join(f"{k}={v}" for k, v in model.params.items()), model) for model in models]
    lines = [f"{model.entry.name} {text}".rstrip() + f": {describe_model(model)}"
             for text, model in named]  # fmt: skip
    times = [one.fit_time_s for one in outcome.summary.ranking if one.fit_time_s]
    side_by_side = jobs or max(1, available_cores() // plan.spec.resources.cpu)
    to_train = len(plan.missing) + plan.to_draw
    estimate = to_train * sum(times) / len(times) / side_by_side if times else None
    return replace(outcome, models=tuple(lines), estimate_s=estimate, exit_code=0)


def _finished(plan: Plan, clock: _Clock) -> RunOutcome:
    with clock("summary"):
        objective = plan.spec.objective.metric
        ids = [trial.trial_id for trial in plan.trials]
        summary = summarize(plan.folder, ids, objective=objective, mode=METRICS[objective].mode)
        missing = summary.missing + plan.to_draw
        summary = replace(summary, trials=summary.trials + plan.to_draw, missing=missing)
    return RunOutcome(plan, summary, 1 if summary.failed else 0, clock.timings_s)
