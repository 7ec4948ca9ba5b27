"""Which trials are tried again, and on what terms."""

from pathlib import Path

import pytest

from harness.tune.recovery.out_of_memory import advice, kills, larger_share
from harness.tune.recovery.retry import (
    Terms,
    Troubles,
    first_pass,
    pass_of_the_dead,
    pass_of_the_starved,
)
from harness.tune.recovery.worker_failures import Death

IDS = ["a", "b", "c", "d"]


def first(*, gpu: float = 0.0, jobs: int | None = None, fits: int = 4):
    return first_pass(len(IDS), jobs=jobs, fits=fits, terms=Terms(Path("logs"), gpu=gpu))


def test_the_first_pass_holds_all_trials() -> None:
    """Those for which memory runs out hand themselves back where more can be given."""
    several, alone = first(), first(jobs=1)

    assert several.indices == (0, 1, 2, 3)
    assert (several.terms.alone, several.terms.hands_back) == (False, True)
    assert (alone.terms.alone, alone.terms.hands_back) == (True, False)
    assert first(fits=0).terms.alone  # a trial that needs more cores than there are


@pytest.mark.parametrize(
    ("gpu", "at_a_time", "expected"),
    [
        (0.25, 4, 0.5),
        (0.25, 1, 0.5),
        (0.7, 1, 1.0),
        (1.0, 2, None),
        (2.0, 1, None),
        (0.0, 2, 0.0),
        (0.0, 1, None),
    ],
)
def test_a_larger_share(gpu: float, at_a_time: int, expected: float | None) -> None:
    """Twice as much of a GPU, at most all of it; without one, to run alone."""
    assert larger_share(gpu, at_a_time=at_a_time) == expected


def test_only_deaths_without_a_cause_are_simply_repeated() -> None:
    """A time limit would be reached again; memory is another matter."""
    troubles = Troubles(
        {"d": Death("unknown"), "b": Death("time limit"), "a": Death("out of memory")}
    )
    again = pass_of_the_dead(first(), IDS, troubles)

    assert again is not None
    assert (again.indices, again.jobs) == ((3,), None)
    assert again.why == "the worker of 1 trial died; tried once more"
    assert pass_of_the_dead(first(), IDS, Troubles()) is None


def test_trials_without_memory_run_one_at_a_time_on_the_cpu() -> None:
    """Those that said so and those that were killed, and for the last time."""
    troubles = Troubles({"d": Death("out of memory")}, {"b": "out of memory: MemoryError"})
    again = pass_of_the_starved(first(), IDS, troubles)

    assert again is not None
    assert (again.indices, again.jobs) == ((1, 3), 1)
    assert (again.terms.alone, again.terms.hands_back) == (True, False)
    assert again.why == "memory ran out for 2 trials; tried again one at a time"


def test_trials_without_memory_get_twice_the_share_of_the_gpu() -> None:
    """As many at a time as then fit."""
    again = pass_of_the_starved(first(gpu=0.25, jobs=4), IDS, Troubles({}, {"c": "out of memory"}))

    assert again is not None
    assert (again.jobs, again.terms.gpu, again.terms.alone) == (4, 0.5, False)
    assert again.why == "memory ran out for 1 trial; tried again with 0.5 of a GPU each"


def test_where_no_larger_share_is_left_nothing_is_tried_again() -> None:
    """It would end in the same way."""
    assert pass_of_the_starved(first(jobs=1), IDS, Troubles({"a": Death("out of memory")})) is None


def test_what_begins_again_has_no_past() -> None:
    """Else it would be tried for ever."""
    troubles = Troubles({"a": Death("unknown")}, {"a": "out of memory"})
    troubles.begun("a")

    assert (troubles.deaths, troubles.starved) == ({}, {})


def test_advice_says_what_was_tried_and_what_may_help() -> None:
    """By what the trial had."""
    error = "out of memory: MemoryError"

    assert advice(error, gpu=0.5, alone=False) == (
        f"{error}, with 0.5 of a GPU; try a smaller training.batch_size, a larger resources.gpu"
    )
    assert advice(error, gpu=0.0, alone=False).endswith(
        "batch_size, fewer trials at a time (--jobs)"
    )
    assert advice(error, gpu=1.0, alone=True).endswith("a GPU; try a smaller training.batch_size")


def test_the_kernel_s_counts_are_added(tmp_path: Path) -> None:
    """Of both kinds of files; null where there are none."""
    (tmp_path / "vmstat").write_text("nr_free_pages 12\noom_kill 3\n")
    (tmp_path / "events").write_text("low 0\noom 9\noom_kill 2\noom_group_kill 7\n")

    assert kills([tmp_path / "vmstat", tmp_path / "events", tmp_path / "none"]) == 5
    assert kills([tmp_path / "none"]) is None
