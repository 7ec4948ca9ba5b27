"""The signals that stop a sweep, and the process that writes its rows."""

import signal
import threading
from types import SimpleNamespace
from typing import Any

import pytest
from ray.tune.experiment import Trial

from harness.events import Event, Note
from harness.tune import callbacks
from harness.tune.callbacks import (
    ENDING,
    Watcher,
    WatcherCallback,
    death_of,
    first_interrupt_remembered,
    flushed_at_least,
)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_interruption_is_remembered_the_second_raises(number: signal.Signals) -> None:
    """And afterwards the handlers are those from before."""
    before, interrupted = signal.getsignal(number), threading.Event()
    with pytest.raises(KeyboardInterrupt), first_interrupt_remembered(interrupted):
        signal.raise_signal(number)
        assert interrupted.is_set()
        signal.raise_signal(number)

    assert signal.getsignal(number) == before


def test_an_undisturbed_sweep_was_not_interrupted() -> None:
    """Nothing is set by itself."""
    interrupted = threading.Event()
    with first_interrupt_remembered(interrupted):
        pass

    assert not interrupted.is_set()


class Writer:
    """Stands for the collector's actor: methods that answer, or a dead one."""

    def __init__(self, *, dead: bool = False) -> None:
        self.dead, self.closed = dead, 0

    def __getattr__(self, name: str) -> Any:
        return SimpleNamespace(remote=lambda: (self, name))


@pytest.fixture(autouse=True)
def _answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray's `get` for such a collector."""

    def get(call: tuple[Writer, str], timeout: float | None = None) -> None:
        writer, name = call
        if writer.dead:
            raise callbacks.ray.exceptions.RayActorError
        writer.closed += name == "close"

    monkeypatch.setattr(callbacks.ray, "get", get)


def test_a_dead_writer_is_told_in_words() -> None:
    """A living one has nothing to tell."""
    assert death_of(Writer(dead=True)) == "the process that writes the tables died"
    assert death_of(Writer()) is None


def test_what_is_held_is_written_where_the_sweep_is_left_in_a_hurry() -> None:
    """Finished trials are kept also at the second Ctrl-C."""
    writer = Writer()
    with pytest.raises(KeyboardInterrupt), flushed_at_least(writer):
        raise KeyboardInterrupt

    assert writer.closed == 1


def test_a_dead_writer_does_not_hide_why_the_sweep_was_left() -> None:
    """The interruption is what counts."""
    with pytest.raises(KeyboardInterrupt), flushed_at_least(Writer(dead=True)):
        raise KeyboardInterrupt


def test_an_interruption_is_told_once() -> None:
    """However often Tune asks whether it shall stop: what runs has a while, the user knows."""
    told: list[Event] = []
    watched = Watcher([], told.append, Writer())
    assert not watched.stop_all()
    watched.interrupted.set()

    assert watched.stop_all() and watched.stop_all()
    assert told == [Note(ENDING)]


def test_a_time_budget_that_is_over_stops_all_trials() -> None:
    """Before their epochs are done, and as long as it is over."""
    over = [False]
    watched = Watcher([], lambda event: None, Writer())
    watched.out_of_time = lambda: over[0]
    assert not watched.stop_all()

    over[0] = True

    assert watched.stop_all()


def test_tune_keeps_no_statistics_of_a_finished_trial() -> None:
    """They would be most of what a trial costs in the driver's memory; its last words stay."""
    trial = Trial("PPO", stub=True)
    trial.update_last_result({"objective": 0.5, "training_iteration": 1})
    assert trial.metric_analysis

    WatcherCallback(Watcher([], lambda event: None, Writer())).on_trial_complete(0, [trial], trial)

    assert (trial.metric_analysis, trial.metric_n_steps) == ({}, {})
    assert trial.last_result["objective"] == 0.5
