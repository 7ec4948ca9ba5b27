"""What is known of a running sweep, as one line and as times."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from harness.cli.progress import Counts, failure, progress, spread
from harness.duration_text import duration
from harness.events import (
    EpochEnded,
    Event,
    Note,
    RunLost,
    StepStarted,
    SweepPlanned,
    TrialDrawn,
    TrialEnded,
    TrialStarted,
)

pytestmark = pytest.mark.usefixtures("user")


def planned(mode: str = "max") -> SweepPlanned:
    return SweepPlanned(done=2, missing=4, objective="accuracy", mode=mode)


def ended(trial_id: str, value: float | None, std: float | None = None) -> TrialEnded:
    status = "failed" if value is None else "complete"
    error = "RuntimeError: no mood" if value is None else None
    return TrialEnded(trial_id, status, value, std, 1.0, error)


def after(*events: Event) -> Counts:
    counts = Counts()
    for event in events:
        counts.apply(event)
    return counts


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A clock that stands at `now_s`."""
    clock = SimpleNamespace(now_s=100.0)
    clock.monotonic = lambda: clock.now_s
    monkeypatch.setattr("harness.cli.progress.time", clock)
    return clock


def test_before_the_plan_the_line_is_the_step() -> None:
    """Nothing is counted yet."""
    assert after(StepStarted("reading the data")).line() == "reading the data"


def test_trials_done_before_count_as_done(clock: SimpleNamespace) -> None:
    """Two of six, before any of this run."""
    assert after(planned()).line() == "2/6 trials · starting workers"


def test_running_and_failed_trials_are_counted(clock: SimpleNamespace) -> None:
    """A failed trial has ended, and is never the best."""
    counts = after(planned(), TrialStarted("a"), TrialStarted("b"), ended("a", None))

    assert counts.line() == "3/6 trials · 1 running · 1 failed · ETA 0.0 s"
    assert counts.best is None


def test_an_epoch_shows_where_its_trial_stands(clock: SimpleNamespace) -> None:
    """A trial that starts again loses nothing that is known of it."""
    epoch = EpochEnded("a", 3, 0.5)

    assert after(planned(), TrialStarted("a"), epoch, TrialStarted("a")).running == {"a": epoch}


@pytest.mark.parametrize(("mode", "best"), [("max", "b"), ("min", "a")])
def test_the_best_follows_the_direction_of_the_objective(mode: str, best: str) -> None:
    """Ties stay with the earlier."""
    counts = after(planned(mode), ended("a", 0.5), ended("b", 0.7), ended("c", 0.7))

    assert counts.best is not None
    assert counts.best.trial_id == best


def test_the_best_is_shown_with_its_spread(clock: SimpleNamespace) -> None:
    """Mean and standard deviation over the folds."""
    counts = after(planned(), ended("a", 0.95123, 0.00874))

    assert "best accuracy 0.9512 ± 0.0087" in counts.line()
    assert spread(ended("a", 0.5)) == "0.5000"


def test_the_time_left_follows_the_pace(clock: SimpleNamespace) -> None:
    """One of four trials in 10 s leaves 30 s."""
    counts = after(planned(), ended("a", 0.5))
    clock.now_s += 10

    assert counts.remaining_s == pytest.approx(30.0)


def test_a_running_trial_counts_as_half_done(clock: SimpleNamespace) -> None:
    """One and two halves in 10 s: 5 s each, two left of four."""
    counts = after(planned(), TrialStarted("a"), TrialStarted("b"), ended("c", 0.5))
    clock.now_s += 10

    assert counts.remaining_s == pytest.approx(10.0)


def test_nothing_is_known_of_the_time_before_a_trial_has_ended() -> None:
    """Nor before the plan."""
    assert after(planned(), TrialStarted("a")).remaining_s is None
    assert Counts().remaining_s is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.44, "0.4 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (45.2, "45 s"),
        (59.6, "1 min 00 s"),
        (200, "3 min 20 s"),
        (3599.6, "1 h 00 min"),
        (7500, "2 h 05 min"),
    ],
)
def test_times_are_told_in_two_units_at_most(seconds: float, text: str) -> None:
    """Rounded, never `60 s` or `60 min`."""
    assert duration(seconds) == text


SWEEP = (
    StepStarted("reading the data"),
    planned(),
    Note("no GPU here"),
    ended("a", 0.5),
    ended("b", None),
    ended("c", 0.6),
    ended("d", 0.7),
)


def test_a_pipe_gets_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """Steps, notes and failures at once; counts now and then, and at the end."""
    with progress(quiet=False) as watch:
        for event in SWEEP:
            watch(event)
    said = capsys.readouterr()

    assert said.out == ""
    lines = said.err.splitlines()
    assert lines[:2] == ["reading the data", "no GPU here"]
    assert "failed b: RuntimeError: no mood" in lines
    assert lines[-1].startswith("6/6 trials · 0 running · 1 failed · best accuracy 0.7000")
    assert len(lines) == 5


@pytest.mark.parametrize("quiet", [True, False])
def test_a_run_that_is_lost_says_so_even_when_quiet(
    capsys: pytest.CaptureFixture[str], quiet: bool
) -> None:
    """Its process ends right after, and nothing else can say why."""
    with progress(quiet=quiet) as watch:
        watch(RunLost("Ray's raylet died: what is finished is kept"))

    assert capsys.readouterr().err == (
        "error: Ray's raylet died: what is finished is kept; the same command goes on\n"
    )


def test_quiet_is_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    """Failures are in the tables and in the summary."""
    with progress(quiet=True) as watch:
        for event in SWEEP:
            watch(event)

    assert capsys.readouterr() == ("", "")


def test_a_trial_is_named_by_what_was_searched(clock: SimpleNamespace) -> None:
    """Its id stays for whoever looks into the tables."""
    counts = after(replace(planned(), labels={"a": "lr=0.1"}))
    failed = TrialEnded("a", "failed", None, None, 0.1, "RuntimeError: no mood")

    assert (counts.name("a"), counts.name("b")) == ("lr=0.1", "b")
    assert failure(failed, counts) == "failed a (lr=0.1): RuntimeError: no mood"


def test_a_terminal_gets_bars(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On stderr; notes and failures stay above them."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    with progress(quiet=False) as watch:
        for event in (*SWEEP[:3], TrialStarted("a"), EpochEnded("a", 3, 0.25), *SWEEP[4:5]):
            watch(event)
    said = capsys.readouterr()

    assert said.out == ""
    assert "no GPU here" in said.err
    assert "failed b: RuntimeError: no mood" in said.err
    assert "3/6 trials" in said.err
    assert "epoch   3  accuracy 0.2500  a" in said.err


def test_pruned_trials_are_counted_and_drawn_ones_named(clock: SimpleNamespace) -> None:
    """A trial that is drawn while the sweep runs has a label of its own."""
    stopped = TrialEnded("b", "pruned", None, None, 1.0)
    counts = after(planned(), TrialDrawn("b", "lr=0.1"), TrialStarted("b"), stopped)
    assert counts.line().startswith("3/6 trials · 0 running · 1 pruned")
    assert counts.name("b") == "lr=0.1"


def test_an_interrupted_trial_has_not_been_done() -> None:
    """Nothing runs any more, and it counts neither as ended nor for the pace."""
    stopped = TrialEnded("b", "interrupted", None, None, 0.0)
    counts = after(planned(), TrialStarted("b"), stopped)

    assert (counts.ended, counts.running) == (0, {})
