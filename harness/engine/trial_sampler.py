"""Draws the trials of a sweep while it runs: from a proposal to a job, each configuration once."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from harness.engine.adaptive_sampling import Draws
from harness.engine.plan import Plan, PlannedTrial, trial_label
from harness.errors import SpecError
from harness.events import Note, OnEvent, TrialDrawn
from harness.metrics import METRICS
from harness.results.table_reader import Curve, done_trials, fold_means
from harness.search.optuna_study import Ended, Proposals
from harness.tune.trainable import SweepTrial

MakeTrial = Callable[[PlannedTrial], SweepTrial]


class Drawer:
    """Answers with one trial after another until enough are drawn or the space is walked through.

    drawn: the plan's new trials so far, in their order.
    """

    def __init__(
        self,
        plan: Plan,
        make: MakeTrial,
        *,
        on_drawn: Callable[[tuple[PlannedTrial, ...]], None],
        on_event: OnEvent,
    ) -> None:
        """make: the job of a planned trial. on_drawn: gets all that are drawn, after each."""
        assert plan.draws is not None
        self._plan, self._draws, self._make = plan, plan.draws, make
        self._on_drawn, self._on_event = on_drawn, on_event
        self.drawn: list[PlannedTrial] = []
        self._taken = {one.trial_id: one for one in plan.draws.known}
        self._numbers: dict[str, int] = {}
        self._refused = False
        self._proposals = Proposals(
            plan.spec.space,
            _past(plan, plan.draws),
            mode=METRICS[plan.spec.objective.metric].mode,
            seed=plan.spec.seed,
        )

    @property
    def left(self) -> int:
        """How many it may draw, those that are drawn already among them."""
        return self._draws.left

    def draw(self) -> SweepTrial | None:
        """The next trial; None where there is none."""
        if len(self.drawn) >= self._draws.left:
            return None
        asked = self._proposals.ask_new(self._is_known)
        if asked is None:
            return None
        number, point = asked
        repeats = tuple(range(1, self._plan.spec.repeats + 1))
        one = replace(self._draws.trial(point), repeats=repeats, reason="drawn by tpe")
        self._numbers[one.trial_id] = number
        self._taken[one.trial_id] = one
        self.drawn.append(one)
        self._on_event(TrialDrawn(one.trial_id, trial_label(one, self._plan.spec.space.paths)))
        self._on_drawn(tuple(self.drawn))
        return self._make(one)

    def ended(self, trial_id: str, ended: Ended) -> None:
        """How a trial ended that was drawn here, or that was missing before."""
        number = self._numbers.pop(trial_id, None)
        if number is not None:
            self._proposals.tell(number, ended)
        elif trial_id in self._taken:
            self._proposals.add(self._taken[trial_id].resolved.params, ended)

    def _is_known(self, point: Mapping[str, Any]) -> bool:
        """Whether the tables or this run have it already, or nothing can be trained there."""
        try:
            return self._draws.trial(point).trial_id in self._taken
        except SpecError as error:
            if not self._refused:
                self._refused = True
                self._on_event(Note(f"points of the space that can't be are left out: {error}"))
            return True


def _past(plan: Plan, draws: Draws) -> list[tuple[Mapping[str, Any], Ended]]:
    """Every trial of the space that ended, in any run, and is not trained again now."""
    metric = plan.spec.objective.metric
    again = {one.trial_id for one in plan.missing}
    ended = [one for one in draws.known if one.status not in (None, "interrupted")]
    over = [one for one in ended if one.trial_id not in again]
    rows = done_trials(plan.folder, objective=metric)
    pruned = [one.trial_id for one in over if one.status == "pruned"]
    curves = fold_means(plan.folder, pruned, metric=metric)
    return [
        (one.resolved.params, _ended(one, rows[one.trial_id].objective_mean, curves))
        for one in over
    ]


def _ended(one: PlannedTrial, value: float | None, curves: Mapping[str, Curve]) -> Ended:
    curve = curves.get(one.trial_id)
    if curve:
        epoch, last = curve[-1]
        return Ended("pruned", last, epoch)
    return Ended(str(one.status), value)
