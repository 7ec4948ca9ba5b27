"""What a benchmark's `search` asks of a sweep, made from its plan."""

import time
from pathlib import Path
from typing import Any

import pytest

from harness.engine.search_setup import steering
from harness.tune.search_controller import Steering
from tests.plans import FILE, plan_of, write_trials

ASHA = FILE.replace("search:\n", "search:\n  scheduler: asha\n")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Results of a grid: 0.1 complete, 0.2 missing, 0.3 pruned."""
    write_trials(plan_of(tmp_path / "rates"), {0: "complete", 2: "pruned"})
    return tmp_path / "rates"


def steered(folder: Path, text: str = ASHA, **options: Any) -> tuple[Steering, list[str]]:
    """Of a run that draws nothing; and the trials that it trains."""
    plan = plan_of(folder, text, **options)
    nothing: Any = None
    found = steering(
        plan, "run-1", nothing, spent_s=1.0, on_drawn=nothing, on_event=lambda event: None
    )
    return found, [one.trial_id for one in plan.missing]


def test_a_pruned_trial_that_is_to_be_finished_is_spared(folder: Path) -> None:
    """The missing one beside it is judged as ever."""
    found, trained = steered(folder, finish_pruned=True)

    assert found.pruning is not None
    assert len(trained) == 2
    assert found.pruning.spared == {trained[1]}


def test_nobody_is_spared_unasked(folder: Path) -> None:
    found, trained = steered(folder)

    assert found.pruning is not None
    assert (len(trained), found.pruning.spared) == (1, set())


def test_without_a_scheduler_nothing_is_stopped(folder: Path) -> None:
    assert steered(folder, FILE)[0].pruning is None


@pytest.mark.parametrize(("budget_s", "over"), [(0.5, True), (60, False)])
def test_the_time_budget_includes_what_is_spent(folder: Path, budget_s: float, over: bool) -> None:
    """A second is gone when it is made."""
    text = FILE.replace("search:\n", f"search:\n  time_budget_s: {budget_s}\n")
    found, _ = steered(folder, text)

    assert found.out_of_time() is over
    assert found.deadline_s is not None
    assert found.deadline_s <= time.monotonic() + 59
