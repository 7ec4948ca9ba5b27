"""ASHA on fold means: who is stopped, who is spared, and what earlier runs had reported."""

from types import SimpleNamespace

import pytest
from ray.tune.schedulers import TrialScheduler

from harness.config.sections import Scheduler
from harness.tune.schedulers import Pruner, PrunerCallback, Pruning

ASHA = Scheduler(name="asha", grace_epochs=1, reduction_factor=3)
IDS = ["a", "b", "c", "d"]


def trial(index: int) -> SimpleNamespace:
    """A trial as Tune names it."""
    return SimpleNamespace(trial_id=f"tune-{index}", config={"index": index})


def stopped(pruner: Pruner, *curves) -> list[int]:
    """The epoch after which each trial was stopped, 0 for none; one after another."""
    ends = []
    for index, curve in enumerate(curves):
        one = trial(index)
        pruner.on_trial_add(None, one)
        ends.append(0)
        for epoch, value in enumerate(curve, start=1):
            result = {"epoch": epoch, "objective": value, "status": "running"}
            if pruner.on_trial_result(None, one, result) == TrialScheduler.STOP:
                ends[-1] = epoch
                break
    return ends


def pruner(*, mode: str = "max", **changes) -> Pruner:
    return Pruner(Pruning(ASHA, epochs=9, mode=mode, **changes), IDS)


def test_who_falls_behind_at_a_rung_is_stopped():
    """Rungs at 1, 3 and 9: b is behind at once, c at epoch 3, d is ahead."""
    found = pruner()
    curves = ([0.5] * 8, [0.4] * 8, [0.6, 0.4, 0.4, 0.4], [0.7] * 8)
    assert stopped(found, *curves) == [0, 1, 3, 0]
    assert found.stopped == {"b", "c"}


def test_of_losses_the_higher_ones_are_stopped():
    """The objective's direction is the metric's."""
    assert stopped(pruner(mode="min"), [0.5] * 8, [0.6] * 8, [0.4] * 8) == [0, 1, 0]


def test_who_is_spared_goes_on_and_still_sets_the_bar():
    """A trial that adds repeats to complete rows, or that is to be finished."""
    found = pruner(spared={"b"})
    assert stopped(found, [0.5] * 8, [0.4] * 8, [0.45] * 8) == [0, 0, 1]
    assert found.stopped == {"c"}


def test_the_past_fills_the_rungs():
    """A new run stops what an uninterrupted one would have stopped."""
    past = {"old": tuple((epoch, 0.5) for epoch in range(1, 10))}
    assert stopped(pruner(past=past), [0.4] * 8, [0.6] * 8) == [1, 0]
    assert stopped(pruner(), [0.4] * 8, [0.6] * 8) == [0, 0]


def test_a_last_result_is_not_judged():
    """It has no epoch: a trial that trained to its end is complete."""
    found = pruner(past={"old": ((1, 0.9),)})
    one = trial(0)
    found.on_trial_add(None, one)
    last = {"objective": 0.1, "status": "complete", "done": True}
    assert found.on_trial_result(None, one, last) == TrialScheduler.CONTINUE


@pytest.mark.parametrize(
    ("epochs", "given", "grace"),
    [(1, None, 1), (9, None, 1), (11, None, 2), (100, None, 10), (100, 3, 3)],
)
def test_a_tenth_of_the_epochs_is_grace_unless_said(epochs, given, grace):
    """Rounded up."""
    assert Scheduler(name="asha", grace_epochs=given).grace_of(epochs) == grace


def test_only_stopped_trials_are_told_as_pruned():
    """Tune calls complete ones and stopped ones alike."""
    found, told = pruner(), []
    callback = PrunerCallback(found, IDS, told.append)
    stopped(found, [0.5] * 8, [0.4] * 8)
    for index in (0, 1):
        callback.on_trial_complete(0, [], trial(index))
    assert told == ["b"]
