"""What `bench run` prints at its end, and the report that it writes or names.

Trials are ranked by validation; test is shown but never used to rank.
"""

import shlex
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.duration_text import duration
from harness.engine.options import RunOptions
from harness.engine.plan import Plan, reason_counts, value_label, varying_paths
from harness.engine.runner import RunOutcome
from harness.results.summaries import RankedTrial, Summary
from harness.results.trial_config import DataIdentity, data_identity
from harness.sanitize import printable

SHOWN = 20  # trials of the ranking; all are in the report
PIPED_WIDTH = 160  # characters
FAILED_STAY = "what failed stays so: mend its model, or train it again with --retry-failed"
NARROW = 140  # below it headers take two lines


def console() -> Console:
    """Return standard output; wide enough for a table when piped."""
    out = Console(highlight=False)
    return out if out.is_terminal else Console(highlight=False, width=PIPED_WIDTH)


def print_summary(outcome: RunOutcome) -> None:
    """Print the ranked table, the counts, and where the tables are."""
    out, summary = console(), outcome.summary
    if summary.ranking:
        out.print(_ranking(outcome.plan, summary, narrow=out.width < NARROW))
    for trial in summary.ranking:
        if trial.status == "failed":
            named = _params(trial.params, _variants(outcome.plan).get(trial.trial_id))
            label = f" ({named})" if named else ""
            out.print(Text(printable(f"failed {trial.trial_id}{label}: {trial.error}")))
    for line in _closing_lines(outcome):
        out.print(Text(line))


def as_plain(outcome: RunOutcome) -> dict[str, Any]:
    """Return the object that `--json` prints.

    It has the counts, the best, the ranking, `results`, `seconds`, and whether the time budget
    ended the run.
    """
    variants = _variants(outcome.plan)
    plain = asdict(outcome.summary)
    for trial in (plain["best"] or {}, *plain["ranking"]):
        if variants:
            trial.update(variant=variants.get(trial.get("trial_id")))
    seconds = round(sum(outcome.timings_s.values()), 3)
    return {**plain, "out_of_time": outcome.out_of_time, "seconds": seconds}


def print_dry_run(outcome: RunOutcome) -> None:
    """Print what would be trained, why each trial is new, and how long it may take."""
    out, plan = console(), outcome.plan
    table = Table(box=None, pad_edge=False)
    for name in ("trial", "configuration", "state", "why"):
        table.add_column(name, overflow="fold")
    for trial in plan.trials[: 5 * SHOWN]:
        params = _params(trial.resolved.params, trial.resolved.variant) or "(the file)"
        state = "done" if trial.state == "done" else "to train"
        table.add_row(trial.trial_id, Text(params), state, Text(printable(trial.reason)))
    out.print(table)
    if len(plan.trials) > 5 * SHOWN:
        out.print(f"… and {len(plan.trials) - 5 * SHOWN} more")
    for line in _dry_run_lines(outcome):
        out.print(Text(line))


class Report(NamedTuple):
    """Where the page is, or None, and the line to print about it."""

    page: Path | None
    line: str


def report_after(outcome: RunOutcome, request: RunOptions, *, quiet: bool) -> Report:
    """Write the page after a run that trained something; that never changes how the run ended.

    A quiet or interrupted run, and one that found nothing to do, names the command instead, or the
    page that is there.
    """
    folder = outcome.plan.folder
    command = _command(folder, request)
    trained = "sweep" in outcome.timings_s
    page = folder / "report.html"
    if not trained:
        return (
            Report(page, f"report: {page}") if page.exists() else Report(None, f"report: {command}")
        )
    if quiet or outcome.exit_code == 130:
        return Report(None, f"report: {command}")
    try:
        return Report(page := _written(folder), f"report: {page}")
    except Exception as error:  # the tables are safe; a page can be made again
        return Report(None, f"no report ({error or type(error).__name__}); again with {command}")


def _ranking(plan: Plan, summary: Summary, *, narrow: bool) -> Table:
    varying = varying_paths(plan.trials)
    paths = [path for path in summary.ranking[0].params if path in varying]
    variants = _variants(plan)
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("#", justify="right")
    if variants:
        longest = max(map(len, variants.values()))
        table.add_column("variant", overflow="fold", min_width=min(12, longest))
    for path in paths:
        name = path.split(".", 1)[1]
        header = name.replace("_", "_\n") if narrow else name
        table.add_column(header, overflow="fold", min_width=max(map(len, header.split("\n"))))
    gap = "\n" if narrow else " "
    table.add_column(f"validation{gap}{summary.objective}", justify="right", no_wrap=True)
    table.add_column(f"test{gap}(not used to rank)", justify="right", no_wrap=True)
    table.add_column("parameters", justify="right", no_wrap=True)
    table.add_column("fit", justify="right", no_wrap=True)
    has_findings = any(map(_findings, summary.ranking[:SHOWN]))
    table.add_column("findings" if has_findings else "", overflow="fold")
    planned = {trial.trial_id: trial.resolved.params for trial in plan.trials}
    for place, trial in enumerate(summary.ranking[:SHOWN], start=1):
        params = planned.get(trial.trial_id, trial.params)
        values = [value_label(params[path]) if path in params else "–" for path in paths]
        first, *cells = _cells(place, trial, values)
        named = [Text(variants[trial.trial_id])] if variants else []
        table.add_row(first, *named, *cells)
    return table


def _constant(plan: Plan) -> dict[str, Any]:
    """Return what the space names with one value alone."""
    varying = varying_paths(plan.trials)
    params = plan.trials[0].resolved.params if plan.trials else {}
    return {path: value for path, value in params.items() if path not in varying}


def _variants(plan: Plan) -> dict[str, str]:
    """Return trial id -> variant; empty where the file has none."""
    named = {trial.trial_id: trial.resolved.variant for trial in plan.trials}
    return {trial_id: name for trial_id, name in named.items() if name is not None}


def _cells(place: int, trial: RankedTrial, values: list[str]) -> list[str | Text]:
    complete = trial.status == "complete"
    note = _findings(trial) if complete else trial.status
    return [
        str(place) if complete else "",
        *map(Text, values),
        _mean(trial.validation, trial.validation_std),
        _mean(trial.test, trial.test_std),
        "" if trial.n_parameters is None else f"{trial.n_parameters:,}",
        "" if not trial.fit_time_s else duration(trial.fit_time_s),
        Text(note),
    ]


def _findings(trial: RankedTrial) -> str:
    found = trial.findings or ""
    return found if found != "[]" else ""


def _mean(mean: float | None, std: float | None) -> str:
    if mean is None:
        return "–"
    return f"{mean:.4f}" if std is None else f"{mean:.4f} ± {std:.4f}"


def _closing_lines(outcome: RunOutcome) -> list[str]:
    summary = outcome.summary
    counts = [f"{summary.complete} of {summary.trials} complete"]
    for status in ("failed", "pruned", "interrupted", "missing"):
        number = getattr(summary, status)
        counts += [f"{number} {status}"] if number else []
    lines = []
    hidden = len(summary.ranking) - SHOWN
    if hidden > 0:
        lines.append(f"… and {hidden} more in the tables")
    if constant := _constant(outcome.plan):
        lines.append(f"in all of them {_params(constant, None)}")
    if len(summary.ranking) > 1 and len(data := _datasets(outcome.plan)) > 1:
        lines.append(f"{' and '.join(data)} are different data: places across them say nothing")
    if any(trial.validation_std is not None for trial in summary.ranking):
        lines.append("± is the standard deviation over folds, not an interval")
    nothing = "" if outcome.plan.ahead or "sweep" in outcome.timings_s else "nothing to train: "
    seconds = sum(outcome.timings_s.values())
    lines.append(f"{nothing}{', '.join(counts)} in {duration(seconds)}")
    if summary.failed:
        lines.append(FAILED_STAY)
    lines.append(f"tables: {summary.results}")
    if outcome.out_of_time:
        left = summary.missing + summary.interrupted
        budget = duration(outcome.plan.spec.search.time_budget_s or 0.0)
        lines.append(
            f"the time budget of {budget} is over: {left} of {summary.trials} trials are "
            "left, the same command goes on"
        )
    if outcome.write_error:
        lines.append(f"writing failed: {outcome.write_error}; the same command goes on")
    if outcome.exit_code == 130:
        lines.append("interrupted: finished trials are kept, the same command goes on")
    return lines


def _datasets(plan: Plan) -> tuple[str, ...]:
    """Return the distinct data of a plan's trials, in words."""
    identities = [
        data_identity(trial.resolved.config, trial.data_fingerprint) for trial in plan.trials
    ]
    kept: list[DataIdentity] = []
    for identity in identities:
        if not any(identity.is_same(other) for other in kept):
            kept.append(identity)
    return tuple(printable(str(identity)) for identity in kept)


def _dry_run_lines(outcome: RunOutcome) -> list[str]:
    plan = outcome.plan
    spec, missing = plan.spec, plan.missing
    done = len(plan.trials) - len(missing)
    repeats = f"; {spec.repeats} repeats of all folds" if spec.repeats > 1 else ""
    trials = f"{len(plan.trials)} trial{'s' if len(plan.trials) != 1 else ''}"
    lines = [f"{trials}: {done} done, {len(missing)} to train{repeats}"]
    if plan.to_draw:
        lines = [
            f"{trials} of this space: {done} done, {len(missing)} to train, "
            f"{plan.to_draw} to be drawn by {spec.search.algorithm}{repeats}"
        ]
    counted = [f"{count} × {reason}" for reason, count in reason_counts(plan).items()]
    lines += [f"why: {', '.join(counted)}"] if counted else []
    lines += [f"model {text}" for text in outcome.models]
    if outcome.estimate_s:
        lines.append(f"about {duration(outcome.estimate_s)}, judged by the trials that are done")
    elif plan.ahead:
        lines.append("no finished trial yet to judge the time by")
    return lines


def _params(params: Mapping[str, Any], variant: str | None) -> str:
    """Return what distinguishes a configuration; a null parameter does not exist in it."""
    named = [f"{path}={value_label(value)}" for path, value in params.items() if value is not None]
    return ", ".join([variant, *named] if variant else named)


def _written(folder: Path) -> Path:
    from harness.report.report_writer import write_report

    (file,) = write_report([folder], results=folder.parent)
    return file


def _command(folder: Path, request: RunOptions) -> str:
    name = f"_smoke/{folder.name}" if request.smoke else folder.name
    place = [] if request.results == Path("results") else ["--results", str(request.results)]
    return shlex.join(["bench", "report", name, *place])
