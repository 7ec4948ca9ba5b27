"""What a benchmark's `search` asks of a sweep: draws, pruning and an end in time."""

import time
from collections.abc import Callable

from harness.engine.plan import Plan, PlannedTrial
from harness.engine.plan_record import record_trials
from harness.engine.trial_sampler import Drawer, MakeTrial
from harness.events import Note, OnEvent
from harness.metrics import METRICS
from harness.results.table_reader import fold_means
from harness.tune.schedulers import Pruning
from harness.tune.search_controller import Steering


def steering(
    plan: Plan,
    run_id: str,
    make: MakeTrial,
    *,
    spent_s: float,
    on_drawn: Callable[[PlannedTrial], None],
    on_event: OnEvent,
) -> Steering:
    """The steering of one run. make: the job of a planned trial.

    spent_s: seconds of the time budget that are gone. on_drawn: hears of each drawn trial.
    """
    budget_s = plan.spec.search.time_budget_s
    return Steering(
        _drawer(plan, run_id, make, on_drawn, on_event) if plan.to_draw else None,
        _pruning(plan),
        None if budget_s is None else time.monotonic() + max(0.0, budget_s - spent_s),
    )


def _drawer(
    plan: Plan,
    run_id: str,
    make: MakeTrial,
    on_drawn: Callable[[PlannedTrial], None],
    on_event: OnEvent,
) -> Drawer:
    wanted, holds = plan.spec.search.num_samples or 0, plan.draws.holds if plan.draws else None
    if holds is not None and holds < wanted:
        on_event(Note(f"the space holds {holds} configurations, fewer than num_samples ({wanted})"))

    def record(drawn: tuple[PlannedTrial, ...]) -> None:
        record_trials(plan, run_id, drawn)  # so that a killed run's page knows them
        on_drawn(drawn[-1])

    return Drawer(plan, make, on_drawn=record, on_event=on_event)


def _pruning(plan: Plan) -> Pruning | None:
    scheduler = plan.spec.search.pruning
    if scheduler is None:
        return None
    metric = plan.spec.objective.metric
    again = {one.trial_id for one in plan.missing}
    space = plan.draws.known if plan.draws else plan.trials
    over = [one.trial_id for one in space
            if one.status not in (None, "interrupted") and one.trial_id not in again]  # fmt: skip
    named = (*plan.trials, *(plan.draws.corners if plan.draws else ()))
    return Pruning(
        scheduler,
        epochs=max(int(one.resolved.config["training"]["epochs"]) for one in named),
        mode=METRICS[metric].mode,
        past=fold_means(plan.folder, over, metric=metric),
        spared={one.trial_id for one in plan.missing if one.whole},
    )
