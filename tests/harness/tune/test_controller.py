"""The state of a sweep: who is started, stopped, noted and kept, without Tune."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.events import EpochEnded, Event, Note, TrialEnded, TrialStarted
from harness.search.protocols import Decision, TrialOutcome
from harness.training.trial_rows import TrialJob
from harness.tune import controller as module_under_test
from harness.tune.cluster.gpu_memory import MEASURED
from harness.tune.controller import (
    ENDING,
    SearchSettings,
    SweepController,
    writer_death,
)
from harness.tune.worker_failures import TO_RETRY, Attempt, AttemptSettings
from tests.plans import FILE, job_of, plan_of

GB = 1_000_000_000


class Writer:
    """Stands for the writer's actor: methods that answer, or a dead one."""

    def __init__(self, *, dead: bool = False) -> None:
        self.dead, self.calls = dead, []

    def __getattr__(self, name: str) -> Any:
        return SimpleNamespace(remote=lambda *given: (self, name, given))


class Sampler:
    """Proposes the trials that it is made with, and keeps what it is told."""

    def __init__(self, *trials: TrialJob) -> None:
        self.n_to_draw, self.drawn, self.waiting, self.told = len(trials), [], list(trials), []

    def ask(self) -> TrialJob | None:
        return self.waiting.pop(0) if self.waiting else None

    def tell(self, trial_id: str, outcome: TrialOutcome) -> None:
        self.told.append((trial_id, outcome))


class StopAll:
    """A scheduler that stops every trial at once."""

    def add(self, trial_id: str) -> None:
        pass

    def report(self, trial_id: str, epoch: int, value: float) -> Decision:
        return Decision.STOP


@pytest.fixture(autouse=True)
def _answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray's `get` for such a writer."""

    def get(call: tuple[Writer, str, tuple[Any, ...]], timeout: float | None = None) -> Any:
        writer, name, given = call
        if writer.dead:
            raise module_under_test.ray.exceptions.RayActorError
        writer.calls.append((name, *given))
        return {} if name == "unfinished" else None

    monkeypatch.setattr(module_under_test.ray, "get", get)


@pytest.fixture
def trials(tmp_path: Path) -> list[TrialJob]:
    """Three, named a, b and c."""
    plan = plan_of(tmp_path / "rates", FILE)
    job = job_of(plan, plan.trials[0])
    return [replace(job, trial_id=name) for name in "abc"]


@pytest.fixture
def sweep(trials: list[TrialJob]) -> Callable[..., tuple[SweepController, list[Event]]]:
    """Makes the controller of a sweep of a and b, and the events that it emits."""

    def make(*writers: Writer, **search: Any) -> tuple[SweepController, list[Event]]:
        events: list[Event] = []
        waiting = list(writers or (Writer(),))
        controller = SweepController(
            trials[:2],
            start_writer=lambda: waiting.pop(0),
            schemas={},
            search=SearchSettings(**search),
            device="cpu",
            time_limit_s=None,
            on_event=events.append,
        )
        return controller, events

    return make


def attempt(*indices: int, why: str = "", gpu: float = 0.0) -> Attempt:
    return Attempt(indices, None, AttemptSettings(Path("logs"), gpu=gpu), why)


def test_a_dead_writer_is_named_in_words() -> None:
    """A living one has nothing to tell."""
    assert writer_death(Writer(dead=True)) == "the process that writes the tables died"
    assert writer_death(Writer()) is None


def test_what_is_held_is_written_where_the_sweep_is_left_in_a_hurry(sweep) -> None:
    """Finished trials are kept also at the second Ctrl-C."""
    writer = Writer()
    with pytest.raises(KeyboardInterrupt), sweep(writer)[0].flushed_on_error():
        raise KeyboardInterrupt

    assert writer.calls == [("close",)]


def test_a_dead_writer_does_not_hide_why_the_sweep_was_left(sweep) -> None:
    """The interruption is what counts."""
    with pytest.raises(KeyboardInterrupt), sweep(Writer(dead=True))[0].flushed_on_error():
        raise KeyboardInterrupt


def test_an_interruption_is_noted_once(sweep) -> None:
    """However often Tune asks whether it shall stop: what runs has a while, the user knows."""
    controller, events = sweep()
    assert not controller.should_stop()
    controller.interrupted.set()

    assert controller.should_stop() and controller.should_stop()
    assert events == [Note(ENDING)]


@pytest.mark.parametrize(("seconds_left", "stops"), [(-1.0, True), (60.0, False)])
def test_a_time_budget_that_is_over_stops_all_trials(
    sweep, seconds_left: float, stops: bool
) -> None:
    controller, _ = sweep(deadline_s=time.monotonic() + seconds_left)

    assert controller.should_stop() is stops


def test_a_writer_that_died_stops_the_sweep_and_a_new_one_ends_it(sweep) -> None:
    """What began and has no row is asked of the new one; the death is the run's error."""
    lost, new = Writer(dead=True), Writer()
    controller, _ = sweep(lost, new)
    controller.crashed(0, None)

    assert controller.should_stop()
    assert controller.finish() == "the process that writes the tables died"
    assert [name for name, *_ in new.calls] == ["unfinished", "close"]


def test_what_is_missing_comes_before_what_is_drawn(sweep, trials: list[TrialJob]) -> None:
    """Then there is nothing more; the drawn one is kept for the worker that takes it."""
    writer = Writer()
    controller, _ = sweep(writer, sampler=Sampler(trials[2]))
    controller.begin_attempt(attempt(0, 1))

    assert [controller.next_index() for _ in range(4)] == [0, 1, 2, None]
    assert controller.trial_ids == ["a", "b", "c"]
    assert writer.calls == [("offer", 2, trials[2])]


def test_the_sampler_is_told_how_a_trial_ended(sweep, trials: list[TrialJob]) -> None:
    sampler = Sampler()
    controller, _ = sweep(sampler=sampler)
    controller.tell_sampler(1, TrialOutcome("complete", 0.9))

    assert sampler.told == [("b", TrialOutcome("complete", 0.9))]


def test_who_is_spared_goes_on_and_only_who_was_stopped_is_pruned(sweep) -> None:
    """A trial that adds repeats to complete rows, or that is to be finished."""
    writer = Writer()
    controller, _ = sweep(writer, scheduler=StopAll(), spared=frozenset({"b"}))
    epoch = {"epoch": 1, "objective": 0.5, "status": "running"}

    assert [controller.decide(index, epoch) for index in (0, 1)] == [
        Decision.STOP,
        Decision.CONTINUE,
    ]
    for index in (0, 1):
        controller.completed(index)
    assert writer.calls == [("unfinished",)]  # asked for the epochs of a, not of b


def test_a_last_report_is_not_judged(sweep) -> None:
    """It has no epoch: a trial that trained to its end is complete."""
    controller, _ = sweep(scheduler=StopAll())

    assert controller.decide(0, {"objective": 0.1, "status": "complete"}) is Decision.CONTINUE


def test_reports_become_events_and_statuses(sweep) -> None:
    """A trial that is tried again has neither; what happened before it began again is past."""
    controller, events = sweep()
    end = {"objective": 0.5, "objective_std": 0.1, "fit_time_s": 2.0, "error": None}
    controller.started(0)
    controller.reported(0, {"status": "running", "epoch": 1, "objective": 0.4, "notes": ["n"]})
    controller.reported(0, {**end, "status": "complete", "notes": ["n"]})
    controller.reported(1, {**end, "status": TO_RETRY, "error": "out of memory"})

    assert events == [
        TrialStarted("a"),
        Note("n"),
        EpochEnded("a", 1, 0.4),
        TrialEnded("a", "complete", 0.5, 0.1, 2.0, None),
    ]
    assert controller.statuses == {"a": "complete"}
    assert controller.failed.out_of_memory == {"b": "out of memory"}
    controller.started(1)
    assert controller.failed.out_of_memory == {}


def test_that_trials_do_not_fit_on_a_gpu_together_is_noted_once(sweep) -> None:
    """Not by the first trial, which is small, and by the second large one no more."""
    controller, events = sweep()
    controller.begin_attempt(attempt(0, 1, gpu=0.5))
    for peak_bytes in (10 * GB, 50 * GB, 60 * GB):
        memory = {"peak_bytes": peak_bytes, "total_bytes": 80 * GB}
        running = {"status": "running", "epoch": 1, "objective": 0.1}
        controller.reported(0, {**running, MEASURED: memory})
    controller.reported(0, {**running, MEASURED: None})

    (note,) = [event for event in events if isinstance(event, Note)]
    assert "took 50.0 GB" in note.text
