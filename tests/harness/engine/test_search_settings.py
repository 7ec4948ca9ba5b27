"""Trials that are drawn: each once, with the history of every run, recorded as they come."""

import time
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState

from harness.engine.search_settings import TrialSampler, search_settings
from harness.errors import SpecError
from harness.events import Note, TrialDrawn
from harness.search.protocols import TrialOutcome
from harness.tune.controller import SearchSettings
from tests.plans import FILE, Plan, plan_of, write_trials

TPE = FILE.replace("search:\n", "search:\n  algorithm: tpe\n  num_samples: 6\n")
RANGE = TPE.replace("[0.1, 0.2, 0.3]", "{uniform: [0.1, 0.3]}")


def sampler(plan: Plan, events: list[Any] | None = None) -> TrialSampler:
    """One that makes nothing of its trials but themselves."""
    heard = [] if events is None else events
    return TrialSampler(plan, lambda one: one, on_drawn=lambda drawn: None, on_event=heard.append)  # type: ignore[arg-type,return-value]


def drawn(one: TrialSampler) -> list[float]:
    """The rates of all that it draws, each answered."""
    rates = []
    while (trial := one.ask()) is not None:
        rates.append(trial.resolved.params["training.lr"])  # type: ignore[attr-defined]
        one.tell(trial.trial_id, TrialOutcome("complete", rates[-1]))  # type: ignore[attr-defined]
    return rates


def test_it_draws_as_many_as_are_left(tmp_path: Path) -> None:
    """Six different rates, each announced with its label."""
    events: list[Any] = []
    rates = drawn(sampler(plan_of(tmp_path / "rates", RANGE), events))
    assert len(set(rates)) == 6
    assert all(0.1 <= rate <= 0.3 for rate in rates)
    assert [type(event) for event in events] == [TrialDrawn] * 6
    assert events[0].label == f"lr={rates[0]:.4g}"


def test_known_cells_are_answered_from_the_table(tmp_path: Path) -> None:
    """Of three points one is done: the two others are drawn, once each."""
    write_trials(plan_of(tmp_path / "rates"), {0: "complete"})
    assert sorted(drawn(sampler(plan_of(tmp_path / "rates", TPE)))) == [0.2, 0.3]


def test_the_study_knows_what_ended_in_earlier_runs(tmp_path: Path) -> None:
    """A grid's complete and failed rows; what was interrupted has not ended."""
    write_trials(plan_of(tmp_path / "rates"), {0: "complete", 1: "failed", 2: "interrupted"})
    study = sampler(plan_of(tmp_path / "rates", RANGE))._study.study
    assert [(one.state, one.value) for one in study.trials] in (
        [(TrialState.COMPLETE, pytest.approx(2 / 3)), (TrialState.FAIL, None)],
        [(TrialState.FAIL, None), (TrialState.COMPLETE, pytest.approx(2 / 3))],
    )


def test_an_interrupted_trial_joins_the_study_when_it_ends(tmp_path: Path) -> None:
    """It was drawn by an earlier run."""
    write_trials(plan_of(tmp_path / "rates"), {0: "interrupted"})
    plan = plan_of(tmp_path / "rates", RANGE)
    one = sampler(plan)
    one.tell(plan.missing[0].trial_id, TrialOutcome("complete", 0.9))
    (trial,) = one._study.study.trials
    assert (trial.value, trial.params) == (0.9, {"training.lr": 0.1})


def test_a_study_gone_on_with_equals_one_that_went_through(tmp_path: Path) -> None:
    """The same trials, whether told as they ended or read back from the tables."""
    plan = plan_of(tmp_path / "rates", RANGE)
    lived = sampler(plan)
    for _ in range(3):
        trial = lived.ask()
        lived.tell(trial.trial_id, TrialOutcome("complete", 2 / 3))  # type: ignore[union-attr,attr-defined]
    grown = plan.grown(lived.drawn)
    write_trials(grown, dict.fromkeys(range(3), "complete"))
    read = sampler(plan_of(tmp_path / "rates", RANGE))

    def seen(one: TrialSampler) -> set[tuple[Any, ...]]:
        trials = one._study.study.trials
        return {(t.state, tuple(t.params.items()), round(t.value, 9)) for t in trials}

    assert seen(read) == seen(lived)
    assert len(drawn(read)) == 3


def test_points_that_can_t_be_are_left_out_and_said_once(tmp_path: Path) -> None:
    """A space of three, of which one can't be resolved."""
    plan = plan_of(tmp_path / "rates", TPE)
    trial = plan.adaptive.trial_at  # type: ignore[union-attr]

    def picky(point: Any) -> Any:
        if point["training.lr"] == 0.2:
            raise SpecError([])
        return trial(point)

    object.__setattr__(plan.adaptive, "trial_at", picky)
    events: list[Any] = []
    assert sorted(drawn(sampler(plan, events))) == [0.1, 0.3]
    assert sum(isinstance(event, Note) for event in events) == 1


ASHA = FILE.replace("search:\n", "search:\n  scheduler: asha\n")


@pytest.fixture
def grid(tmp_path: Path) -> Path:
    """Results of a grid: 0.1 complete, 0.2 missing, 0.3 pruned."""
    write_trials(plan_of(tmp_path / "rates"), {0: "complete", 2: "pruned"})
    return tmp_path / "rates"


def steered(grid: Path, text: str = ASHA, **options: Any) -> tuple[SearchSettings, list[str]]:
    """Of a run that draws nothing; and the trials that it trains."""
    plan = plan_of(grid, text, **options)
    nothing: Any = None
    found = search_settings(
        plan, "run-1", nothing, spent_s=1.0, on_drawn=nothing, on_event=lambda event: None
    )
    return found, [one.trial_id for one in plan.missing]


def test_a_pruned_trial_that_is_to_be_finished_is_spared(grid: Path) -> None:
    """The missing one beside it is judged as ever."""
    found, trained = steered(grid, finish_pruned=True)

    assert found.scheduler is not None
    assert len(trained) == 2
    assert found.spared == {trained[1]}


def test_nobody_is_spared_unasked(grid: Path) -> None:
    found, trained = steered(grid)

    assert found.scheduler is not None
    assert (len(trained), found.spared) == (1, set())


def test_without_a_scheduler_nothing_is_stopped(grid: Path) -> None:
    assert steered(grid, FILE)[0].scheduler is None


@pytest.mark.parametrize(("budget_s", "over"), [(0.5, True), (60, False)])
def test_the_time_budget_includes_what_is_spent(grid: Path, budget_s: float, over: bool) -> None:
    """A second is gone when it is made."""
    text = FILE.replace("search:\n", f"search:\n  time_budget_s: {budget_s}\n")
    found, _ = steered(grid, text)

    assert found.out_of_time() is over
    assert found.deadline_s is not None
    assert found.deadline_s <= time.monotonic() + 59
