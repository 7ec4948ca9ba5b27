"""Trials that are drawn: each once, with the history of every run, recorded as they come."""

from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState

from harness.engine.trial_sampler import Drawer
from harness.errors import SpecError
from harness.events import Note, TrialDrawn
from harness.search.optuna_study import Ended
from tests.plans import FILE, Plan, plan_of, write_trials

TPE = FILE.replace("search:\n", "search:\n  algorithm: tpe\n  num_samples: 6\n")
RANGE = TPE.replace("[0.1, 0.2, 0.3]", "{uniform: [0.1, 0.3]}")


def drawer(plan: Plan, events: list[Any] | None = None) -> Drawer:
    """One that makes nothing of its trials but themselves."""
    heard = [] if events is None else events
    return Drawer(plan, lambda one: one, on_drawn=lambda drawn: None, on_event=heard.append)  # type: ignore[arg-type,return-value]


def drawn(one: Drawer) -> list[float]:
    """The rates of all that it draws, each answered."""
    rates = []
    while (trial := one.draw()) is not None:
        rates.append(trial.resolved.params["training.lr"])  # type: ignore[attr-defined]
        one.ended(trial.trial_id, Ended("complete", rates[-1]))  # type: ignore[attr-defined]
    return rates


def test_it_draws_as_many_as_are_left(tmp_path: Path) -> None:
    """Six different rates, each announced with its label."""
    events: list[Any] = []
    rates = drawn(drawer(plan_of(tmp_path / "rates", RANGE), events))
    assert len(set(rates)) == 6
    assert all(0.1 <= rate <= 0.3 for rate in rates)
    assert [type(event) for event in events] == [TrialDrawn] * 6
    assert events[0].label == f"lr={rates[0]:.4g}"


def test_known_cells_are_answered_from_the_table(tmp_path: Path) -> None:
    """Of three points one is done: the two others are drawn, once each."""
    write_trials(plan_of(tmp_path / "rates"), {0: "complete"})
    assert sorted(drawn(drawer(plan_of(tmp_path / "rates", TPE)))) == [0.2, 0.3]


def test_the_study_knows_what_ended_in_earlier_runs(tmp_path: Path) -> None:
    """A grid's complete and failed rows; what was interrupted has not ended."""
    write_trials(plan_of(tmp_path / "rates"), {0: "complete", 1: "failed", 2: "interrupted"})
    study = drawer(plan_of(tmp_path / "rates", RANGE))._proposals.study
    assert [(one.state, one.value) for one in study.trials] in (
        [(TrialState.COMPLETE, pytest.approx(2 / 3)), (TrialState.FAIL, None)],
        [(TrialState.FAIL, None), (TrialState.COMPLETE, pytest.approx(2 / 3))],
    )


def test_an_interrupted_trial_joins_the_study_when_it_ends(tmp_path: Path) -> None:
    """It was drawn by an earlier run."""
    write_trials(plan_of(tmp_path / "rates"), {0: "interrupted"})
    plan = plan_of(tmp_path / "rates", RANGE)
    one = drawer(plan)
    one.ended(plan.missing[0].trial_id, Ended("complete", 0.9))
    (trial,) = one._proposals.study.trials
    assert (trial.value, trial.params) == (0.9, {"training.lr": 0.1})


def test_a_study_gone_on_with_equals_one_that_went_through(tmp_path: Path) -> None:
    """The same trials, whether told as they ended or read back from the tables."""
    plan = plan_of(tmp_path / "rates", RANGE)
    lived = drawer(plan)
    for _ in range(3):
        trial = lived.draw()
        lived.ended(trial.trial_id, Ended("complete", 2 / 3))  # type: ignore[union-attr,attr-defined]
    grown = plan.grown(lived.drawn)
    write_trials(grown, dict.fromkeys(range(3), "complete"))
    read = drawer(plan_of(tmp_path / "rates", RANGE))

    def seen(one: Drawer) -> set[tuple[Any, ...]]:
        trials = one._proposals.study.trials
        return {(t.state, tuple(t.params.items()), round(t.value, 9)) for t in trials}

    assert seen(read) == seen(lived)
    assert len(drawn(read)) == 3


def test_points_that_can_t_be_are_left_out_and_said_once(tmp_path: Path) -> None:
    """A space of three, of which one can't be resolved."""
    plan = plan_of(tmp_path / "rates", TPE)
    trial = plan.draws.trial  # type: ignore[union-attr]

    def picky(point: Any) -> Any:
        if point["training.lr"] == 0.2:
            raise SpecError([])
        return trial(point)

    object.__setattr__(plan.draws, "trial", picky)
    events: list[Any] = []
    assert sorted(drawn(drawer(plan, events))) == [0.1, 0.3]
    assert sum(isinstance(event, Note) for event in events) == 1
