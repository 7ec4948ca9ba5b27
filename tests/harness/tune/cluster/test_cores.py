"""Cores that a sweep can't fill, and those that it asks too much of."""

import pytest

from harness.tune.cluster.cores import cores_note, crowded_note


@pytest.mark.parametrize(
    ("n_trials", "cpu", "cores", "told"),
    [
        (3, 1, 8, "3 trials on 8 cores: resources.cpu=2 would use them"),
        (1, 2, 8, "1 trial on 8 cores: resources.cpu=8 would use them"),
    ],
)
def test_few_trials_are_told_what_would_use_the_cores(
    n_trials: int, cpu: int, cores: int, told: str
) -> None:
    """The largest number of threads with which all of them still train at once."""
    assert cores_note(n_trials, cpu=cpu, cores=cores, jobs=None) == told


@pytest.mark.parametrize(
    ("n_trials", "cpu", "cores"), [(8, 1, 8), (5, 1, 8), (4, 2, 8), (0, 1, 8), (1, 8, 8)]
)
def test_nothing_is_told_where_more_threads_would_not_fit(
    n_trials: int, cpu: int, cores: int
) -> None:
    """Five trials of two threads need ten cores; three of eight idle are nobody's mistake."""
    assert cores_note(n_trials, cpu=cpu, cores=cores, jobs=None) is None


@pytest.mark.parametrize(
    ("cpu", "jobs", "told"),
    [
        (4, None, "resources.cpu=4 on 2 cores: threads will wait for each other"),
        (1, 8, "--jobs 8, 1 thread each, on 2 cores: threads will wait for each other"),
    ],
)
def test_more_threads_than_cores_are_told(cpu: int, jobs: int | None, told: str) -> None:
    """What was asked for is done all the same."""
    assert cores_note(16, cpu=cpu, cores=2, jobs=jobs) == told


def test_fewer_jobs_than_cores_are_what_was_asked_for() -> None:
    """`--jobs 1` on 8 cores leaves 7 to somebody else."""
    assert cores_note(3, cpu=1, cores=8, jobs=1) is None


@pytest.mark.parametrize(("load", "told"), [(6.0, False), (6.1, True), (0.0, False)])
def test_a_machine_that_others_keep_busy_is_told(load: float, told: bool) -> None:
    line = crowded_note(load, cores=2)

    assert line == ("this machine is busy: load 6 on 2 cores; trials take longer" if told else None)
