"""What a benchmark's `search` asks of a sweep: trials sampled while it runs, pruning, an end."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from harness.engine.plan import AdaptivePlan, Plan, PlannedTrial, Point, trial_label
from harness.engine.results_folder import record_trials
from harness.errors import SpecError
from harness.events import Note, OnEvent, TrialDrawn
from harness.metrics import METRICS
from harness.results.table_reader import Curve, done_trials, fold_means
from harness.search.optuna_study import OptunaStudy
from harness.search.protocols import TrialOutcome
from harness.training.trial_rows import TrialJob
from harness.tune.controller import SearchSettings
from harness.tune.schedulers import AshaScheduler

MakeJob = Callable[[PlannedTrial], TrialJob]


def search_settings(
    plan: Plan,
    run_id: str,
    make: MakeJob,
    *,
    spent_s: float,
    on_drawn: Callable[[PlannedTrial], None],
    on_event: OnEvent,
) -> SearchSettings:
    """Return what the file's `search` asks of the sweep of one run.

    Args:
        plan: The plan.
        run_id: Of the run, whose record grows with the trials that are sampled.
        make: Makes the job of a planned trial.
        spent_s: Seconds of the time budget that are gone.
        on_drawn: Receives each sampled trial.
        on_event: Receives what a user should know.
    """
    budget_s = plan.spec.search.time_budget_s
    return SearchSettings(
        _sampler(plan, run_id, make, on_drawn, on_event) if plan.to_draw else None,
        _scheduler(plan),
        spared=frozenset(trial.trial_id for trial in plan.missing if trial.whole),
        deadline_s=None if budget_s is None else time.monotonic() + max(0.0, budget_s - spent_s),
    )


class TrialSampler:
    """Samples one trial after another until enough are sampled or the space holds no other.

    Attributes:
        drawn: The plan's new trials so far, in their order.
    """

    def __init__(
        self,
        plan: Plan,
        make: MakeJob,
        *,
        on_drawn: Callable[[tuple[PlannedTrial, ...]], None],
        on_event: OnEvent,
    ) -> None:
        """Take a plan with an adaptive part.

        Args:
            plan: The plan.
            make: Makes the job of a planned trial.
            on_drawn: Receives all that are sampled, after each.
            on_event: Receives each, and what a user should know.
        """
        assert plan.adaptive is not None
        self._plan, self._adaptive, self._make = plan, plan.adaptive, make
        self._on_drawn, self._on_event = on_drawn, on_event
        self.drawn: list[PlannedTrial] = []
        self._taken = {trial.trial_id: trial for trial in plan.adaptive.known}
        self._numbers: dict[str, int] = {}
        self._refused = False
        self._study = OptunaStudy(
            plan.spec.space,
            _outcomes_so_far(plan, plan.adaptive),
            mode=METRICS[plan.spec.objective.metric].mode,
            seed=plan.spec.seed,
        )

    @property
    def n_to_draw(self) -> int:
        """How many it may sample, those that are sampled already among them."""
        return self._adaptive.n_to_draw

    def ask(self) -> TrialJob | None:
        """Return the next trial; None where there is none."""
        if len(self.drawn) >= self._adaptive.n_to_draw:
            return None
        proposal = self._study.ask_new(self._is_known)
        if proposal is None:
            return None
        number, point = proposal
        repeats = tuple(range(1, self._plan.spec.repeats + 1))
        trial = replace(self._adaptive.trial_at(point), repeats=repeats, reason="drawn by tpe")
        self._numbers[trial.trial_id] = number
        self._taken[trial.trial_id] = trial
        self.drawn.append(trial)
        label = trial_label(trial, self._plan.spec.space.paths)
        self._on_event(TrialDrawn(trial.trial_id, label))
        self._on_drawn(tuple(self.drawn))
        return self._make(trial)

    def tell(self, trial_id: str, outcome: TrialOutcome) -> None:
        """Take the outcome of a trial that was sampled here, or that was missing before."""
        number = self._numbers.pop(trial_id, None)
        if number is not None:
            self._study.tell(number, outcome)
        elif trial_id in self._taken:
            self._study.add(self._taken[trial_id].resolved.params, outcome)

    def _is_known(self, point: Point) -> bool:
        """Return whether the tables or this run have it, or nothing can be trained there."""
        try:
            return self._adaptive.trial_at(point).trial_id in self._taken
        except SpecError as error:
            if not self._refused:
                self._refused = True
                self._on_event(Note(f"points of the space that can't be are left out: {error}"))
            return True


def _sampler(
    plan: Plan,
    run_id: str,
    make: MakeJob,
    on_drawn: Callable[[PlannedTrial], None],
    on_event: OnEvent,
) -> TrialSampler:
    wanted = plan.spec.search.num_samples or 0
    n_points = plan.adaptive.n_points if plan.adaptive else None
    if n_points is not None and n_points < wanted:
        text = f"the space holds {n_points} configurations, fewer than num_samples ({wanted})"
        on_event(Note(text))

    def record(sampled: tuple[PlannedTrial, ...]) -> None:
        record_trials(plan, run_id, sampled)  # so that a killed run's page knows them
        on_drawn(sampled[-1])

    return TrialSampler(plan, make, on_drawn=record, on_event=on_event)


def _scheduler(plan: Plan) -> AshaScheduler | None:
    settings = plan.spec.search.pruning
    if settings is None:
        return None
    metric = plan.spec.objective.metric
    over = _ended_before(plan, plan.adaptive.known if plan.adaptive else plan.trials)
    named = (*plan.trials, *plan.representatives)
    return AshaScheduler(
        settings,
        epochs=max(int(trial.resolved.config["training"]["epochs"]) for trial in named),
        mode=METRICS[metric].mode,
        past=fold_means(plan.folder, [trial.trial_id for trial in over], metric=metric),
    )


def _ended_before(plan: Plan, trials: tuple[PlannedTrial, ...]) -> list[PlannedTrial]:
    """List the trials that ended in any run and are not trained again now."""
    again = {trial.trial_id for trial in plan.missing}
    ended = [trial for trial in trials if trial.status not in (None, "interrupted")]
    return [trial for trial in ended if trial.trial_id not in again]


def _outcomes_so_far(plan: Plan, adaptive: AdaptivePlan) -> list[tuple[Point, TrialOutcome]]:
    metric = plan.spec.objective.metric
    over = _ended_before(plan, adaptive.known)
    rows = done_trials(plan.folder, objective=metric)
    pruned = [trial.trial_id for trial in over if trial.status == "pruned"]
    curves = fold_means(plan.folder, pruned, metric=metric)
    return [
        (trial.resolved.params, _outcome(trial, rows[trial.trial_id].objective_mean, curves))
        for trial in over
    ]


def _outcome(trial: PlannedTrial, value: float | None, curves: Mapping[str, Curve]) -> TrialOutcome:
    curve = curves.get(trial.trial_id)
    if curve:
        epoch, last = curve[-1]
        return TrialOutcome("pruned", last, epoch)
    return TrialOutcome(str(trial.status), value)
