"""What no node can take is told before Ray waits for it for ever."""

import pytest

from harness.errors import SpecError
from harness.tune.cluster.capacity import Capacity, Node, check_capacity
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
