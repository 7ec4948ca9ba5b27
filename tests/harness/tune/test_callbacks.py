"""What Tune is given and what it asks, passed on to the controller and back."""

from types import SimpleNamespace
from typing import Any

import pytest
from ray.tune.experiment import Trial
from ray.tune.schedulers import TrialScheduler
from ray.tune.search import Searcher

from harness.search.protocols import Decision, TrialOutcome
from harness.tune.callbacks import SweepCallback, SweepScheduler, SweepSearcher
from harness.tune.worker_failures import TO_RETRY


class Controller:
    """Notes what it is called with; answers what it is made with."""

    def __init__(self, **answers: list[Any]) -> None:
        self.answers, self.calls = answers, []

    def __getattr__(self, name: str) -> Any:
        def call(*given: Any) -> Any:
            self.calls.append((name, *given))
            return self.answers[name].pop(0) if name in self.answers else None

        return call


def test_tune_gets_an_index_at_a_time_until_there_is_none() -> None:
    searcher = SweepSearcher(Controller(next_index=[0, 2, None]))  # type: ignore[arg-type]

    assert [searcher.suggest(name) for name in "abc"] == [
        {"index": 0},
        {"index": 2},
        Searcher.FINISHED,
    ]


@pytest.mark.parametrize(
    ("result", "error", "outcome"),
    [
        ({"status": "complete", "objective": 0.9}, False, TrialOutcome("complete", 0.9)),
        ({"status": "failed", "objective": None}, False, TrialOutcome("failed")),
        (
            {"status": "running", "objective": 0.4, "epoch": 3},
            False,
            TrialOutcome("pruned", 0.4, 3),
        ),
        (None, True, TrialOutcome("failed")),
        (None, False, None),
        ({"status": TO_RETRY, "objective": None}, False, None),
    ],
)
def test_outcomes_follow_from_our_status(
    result: dict[str, Any] | None, error: bool, outcome: TrialOutcome | None
) -> None:
    """What is tried again has not ended; an end is told once."""
    controller = Controller(next_index=[7])
    searcher = SweepSearcher(controller)  # type: ignore[arg-type]
    searcher.suggest("a")
    for _ in range(2):
        searcher.on_trial_complete("a", result, error)

    assert controller.calls[1:] == ([("tell_sampler", 7, outcome)] if outcome else [])


def test_nothing_is_left_in_tunes_folder(tmp_path: Any) -> None:
    """What ended is in the tables."""
    SweepSearcher(Controller()).save_to_dir(str(tmp_path))  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_the_controllers_decision_is_rays_word() -> None:
    controller = Controller(decide=[Decision.STOP, Decision.CONTINUE])
    scheduler = SweepScheduler(controller)  # type: ignore[arg-type]
    trial = SimpleNamespace(config={"index": 3})
    words = [scheduler.on_trial_result(None, trial, {"epoch": epoch}) for epoch in (1, 2)]

    assert words == [TrialScheduler.STOP, TrialScheduler.CONTINUE]
    assert controller.calls == [("decide", 3, {"epoch": 1}), ("decide", 3, {"epoch": 2})]


def test_tune_keeps_no_statistics_of_a_finished_trial() -> None:
    """They would be most of what a trial costs in the driver's memory; its last words stay."""
    trial = Trial("PPO", config={"index": 0}, stub=True)
    trial.update_last_result({"objective": 0.5, "training_iteration": 1})
    assert trial.metric_analysis

    SweepCallback(Controller()).on_trial_complete(0, [trial], trial)  # type: ignore[arg-type]

    assert (trial.metric_analysis, trial.metric_n_steps) == ({}, {})
    assert trial.last_result["objective"] == 0.5
