"""What a run leaves behind of its plan, so that the last plan is the one that is reported."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.config.read import dump_resolved, parse_benchmark
from harness.engine.identity import canonical_json
from harness.engine.plan import Plan, PlannedTrial
from harness.engine.resolve import file_defaults
from harness.errors import BenchError
from harness.results.layout import CARD, PLAN, PREVIEWS, RECORD, RESOLVED, run_folders
from harness.results.runs import (
    last_plan,
    read_json,
    read_plan,
    read_resolved,
    write_plan,
    write_run,
)


def record_run(
    plan: Plan,
    run_id: str,
    *,
    settings: Mapping[str, Any],
    data_card: Mapping[str, Any] | None = None,
    previews: Mapping[str, Any] | None = None,
) -> None:
    """Writes `runs/<run_id>/`. settings: how it was called, as JSON values.

    data_card, previews: by data key; None where no data was read: then those of the last run
    stand.
    """
    named = plan.draws.corners if plan.draws else plan.trials
    configurations = [trial.resolved for trial in named]
    write_run(
        plan.folder,
        run_id,
        resolved=dump_resolved(plan.spec, **file_defaults(configurations)),
        record={"run_id": run_id, "plan": _rows(plan.trials), **settings},
        read={"data_card.json": data_card, "previews.json": previews},
    )


def record_trials(plan: Plan, run_id: str, drawn: Sequence[PlannedTrial]) -> None:
    """Writes the plan of a run anew, with what was drawn since it began."""
    write_plan(plan.folder, run_id, _rows((*plan.trials, *drawn)))


def is_recorded(plan: Plan) -> bool:
    """Whether the last run stood for exactly these trials; of drawn ones in any order."""
    last, now = last_plan(plan.folder), [trial.trial_id for trial in plan.trials]
    if not _is_readable(plan.folder):
        return False
    return last == now if plan.draws is None else sorted(last) == sorted(now)


def _is_readable(folder: Path) -> bool:
    """Whether the last run left all that a report needs, in a form that this version reads."""
    runs = run_folders(folder)
    if not runs:
        return False
    try:
        read_plan(runs[-1] / PLAN)
        parse_benchmark(read_resolved(runs[-1] / RESOLVED), file=str(runs[-1] / RESOLVED))
        for name in (RECORD, CARD, PREVIEWS):
            if name == RECORD or (runs[-1] / name).exists():
                read_json(runs[-1] / name)
    except (BenchError, OSError):
        return False
    return True


def _rows(trials: Sequence[PlannedTrial]) -> list[dict[str, str | None]]:
    return [
        {
            "trial_id": trial.trial_id,
            "variant": trial.resolved.variant,
            "params": canonical_json(dict(trial.resolved.params)),
            "state": trial.state,
            "reason": trial.reason,
        }
        for trial in trials
    ]
