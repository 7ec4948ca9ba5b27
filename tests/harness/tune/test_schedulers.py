"""ASHA on fold means: who is stopped, and what earlier runs had reported."""

import pytest

from harness.config.sections import Scheduler
from harness.results.table_reader import Curve
from harness.search.protocols import Decision
from harness.tune.schedulers import AshaScheduler

ASHA = Scheduler(name="asha", grace_epochs=1, reduction_factor=3)
IDS = ["a", "b", "c", "d"]


def stopped(asha: AshaScheduler, *curves: list[float]) -> list[int]:
    """The epoch after which each trial was stopped, 0 for none; one after another."""
    ends = []
    for trial_id, curve in zip(IDS, curves, strict=False):
        asha.add(trial_id)
        ends.append(0)
        for epoch, value in enumerate(curve, start=1):
            if asha.report(trial_id, epoch, value) is Decision.STOP:
                ends[-1] = epoch
                break
    return ends


def scheduler(*, mode: str = "max", past: dict[str, Curve] | None = None) -> AshaScheduler:
    return AshaScheduler(ASHA, epochs=9, mode=mode, past=past or {})


def test_who_falls_behind_at_a_rung_is_stopped() -> None:
    """Rungs at 1, 3 and 9: b is behind at once, c at epoch 3, d is ahead."""
    curves = ([0.5] * 8, [0.4] * 8, [0.6, 0.4, 0.4, 0.4], [0.7] * 8)
    assert stopped(scheduler(), *curves) == [0, 1, 3, 0]


def test_of_losses_the_higher_ones_are_stopped() -> None:
    """The objective's direction is the metric's."""
    assert stopped(scheduler(mode="min"), [0.5] * 8, [0.6] * 8, [0.4] * 8) == [0, 1, 0]


def test_the_past_fills_the_rungs() -> None:
    """A new run stops what an uninterrupted one would have stopped."""
    past = {"old": tuple((epoch, 0.5) for epoch in range(1, 10))}
    assert stopped(scheduler(past=past), [0.4] * 8, [0.6] * 8) == [1, 0]
    assert stopped(scheduler(), [0.4] * 8, [0.6] * 8) == [0, 0]


def test_a_trial_that_begins_again_is_judged_again() -> None:
    """Its process died at epoch 2, above a rung that another trial has set since."""
    asha = scheduler()
    assert stopped(asha, [0.4, 0.4]) == [0]
    asha.add("b")
    assert asha.report("b", 1, 0.5) is Decision.CONTINUE

    asha.add("a")
    assert asha.report("a", 1, 0.4) is Decision.STOP


@pytest.mark.parametrize(
    ("epochs", "given", "grace"),
    [(1, None, 1), (9, None, 1), (11, None, 2), (100, None, 10), (100, 3, 3)],
)
def test_a_tenth_of_the_epochs_is_grace_unless_said(
    epochs: int, given: int | None, grace: int
) -> None:
    """Rounded up."""
    assert Scheduler(name="asha", grace_epochs=given).grace_of(epochs) == grace
