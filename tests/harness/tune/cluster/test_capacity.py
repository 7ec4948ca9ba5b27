"""What no node can take is refused before Ray waits for it for ever; cores that stay idle."""

import pytest

from harness.errors import SpecError
from harness.tune.cluster.capacity import (
    Capacity,
    Node,
    check_capacity,
    cores_note,
    crowded_note,
)
from tests.spec_files import FILE, read

SMALL = Node("small (10.0.0.1)", cpus=4, gpus=0)
LARGE = Node("large (10.0.0.2)", cpus=16, gpus=2)


def capacity_of(*nodes: Node) -> Capacity:
    """Of a cluster with these nodes."""
    return Capacity(sum(node.cpus for node in nodes), sum(node.gpus for node in nodes), nodes)


def asking_for(resources: str, *nodes: Node) -> str:
    """What a file with these resources, in its line 24, is told."""
    spec = read(f"{FILE}resources: {resources}\n")
    with pytest.raises(SpecError) as raised:
        check_capacity(spec, capacity_of(*nodes))
    (problem,) = raised.value.problems
    return str(problem)


def test_what_one_node_can_take_is_accepted() -> None:
    """16 cores and two GPUs, all of the large one."""
    check_capacity(read(f"{FILE}resources: {{cpu: 16, gpu: 2}}\n"), capacity_of(SMALL, LARGE))


def test_more_cores_than_the_largest_node_has_are_refused_though_all_together_have_them() -> None:
    """4 + 16 cores are not 17 in one place."""
    said = asking_for("{cpu: 17}", SMALL, LARGE)
    assert said == (
        "heads.yaml:24: resources.cpu: no node has so many cores; "
        "found 17; allowed: up to 16, on large (10.0.0.2)"
    )


def test_more_gpus_than_any_node_has_are_refused() -> None:
    """Two cards are the most."""
    assert "no node has so many GPUs; found 3; allowed: up to 2" in asking_for("{gpu: 3}", LARGE)


def test_cores_and_gpus_must_lie_on_one_node() -> None:
    """Each alone would be there."""
    said = asking_for("{cpu: 8, gpu: 1}", Node("cores", 8, 0), Node("cards", 4, 1))
    assert "no node has 8 cores and 1 of a GPU at once" in said
    assert "cores: 8 cores, 0 GPUs; cards: 4 cores, 1 GPUs" in said


def test_a_gpu_share_without_any_gpu_is_no_mistake() -> None:
    """It is dropped, and the sweep says so."""
    check_capacity(read(f"{FILE}resources: {{gpu: 0.5}}\n"), capacity_of(SMALL))


def test_trials_side_by_side_are_counted_node_by_node() -> None:
    """Three cores hold one trial of two cores; a third of a GPU lets three share each."""
    three = Node("three", 3, 0)
    assert capacity_of(three, three).at_a_time(cpu=2, gpu=0) == 2
    assert capacity_of(SMALL, LARGE).at_a_time(cpu=1, gpu=0.3333) == 6
    assert capacity_of(LARGE).at_a_time(cpu=8, gpu=0.25) == 2
    assert capacity_of(LARGE).at_a_time(cpu=1, gpu=2) == 1


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
