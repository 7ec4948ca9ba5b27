"""What Ray has to compute with, and whether a trial's resources fit into any of its nodes."""

from dataclasses import dataclass
from pathlib import Path

from harness.config.benchmark import BenchmarkSpec
from harness.errors import Problem, SpecError


@dataclass(frozen=True)
class Node:
    """One machine that Ray runs on. name: its host name and address, as a person would say it."""

    name: str
    cpus: float
    gpus: float


@dataclass(frozen=True)
class Capacity:
    """What Ray may use: cores and GPUs of the machine or the cluster, together and by node.

    notes: what a user should read once of the nodes.
    scratch: a folder that only the user may read and that is removed at the end; None on a cluster.
    """

    cpus: float
    gpus: float
    nodes: tuple[Node, ...] = ()
    notes: tuple[str, ...] = ()
    scratch: Path | None = None

    def at_a_time(self, *, cpu: int, gpu: float) -> int:
        """How many trials of so many cores and GPUs run side by side, each on one node."""
        nodes = self.nodes or (Node("all", self.cpus, self.gpus),)
        return sum(_room(node, cpu=cpu, gpu=gpu) for node in nodes)


def check_capacity(spec: BenchmarkSpec, capacity: Capacity) -> None:
    """Raises SpecError where no node could ever take one of the file's trials.

    Ray would wait for such a node for ever. A GPU share where no node has a GPU is no mistake: it
    is dropped.
    """
    cpu, gpu = spec.resources.cpu, spec.resources.gpu if capacity.gpus else 0.0
    problems = [
        problem
        for problem in (_too_many_cores(spec, capacity), _too_many_gpus(spec, capacity))
        if problem is not None
    ]
    nodes = capacity.nodes
    if nodes and not problems and not any(n.cpus >= cpu and n.gpus >= gpu for n in nodes):
        text = f"no node has {cpu} cores and {gpu:g} of a GPU at once"
        problems = [spec.problem("resources", text, allowed=_listed(nodes))]
    if problems:
        raise SpecError(problems)


def _room(node: Node, *, cpu: int, gpu: float) -> int:
    by_cores = int(node.cpus // cpu)
    if not gpu:
        return by_cores
    by_gpus = int(node.gpus) * int(1 / gpu + 1e-6) if gpu < 1 else int(node.gpus // gpu)
    return min(by_cores, by_gpus)


def _too_many_cores(spec: BenchmarkSpec, capacity: Capacity) -> Problem | None:
    largest = max(capacity.nodes, key=lambda node: node.cpus, default=None)
    if largest is None or spec.resources.cpu <= largest.cpus:
        return None
    return spec.problem(
        "resources.cpu",
        "no node has so many cores",
        found=str(spec.resources.cpu),
        allowed=f"up to {largest.cpus:g}, on {largest.name}",
    )


def _too_many_gpus(spec: BenchmarkSpec, capacity: Capacity) -> Problem | None:
    largest = max(capacity.nodes, key=lambda node: node.gpus, default=None)
    if not capacity.gpus or largest is None or spec.resources.gpu <= largest.gpus:
        return None
    return spec.problem(
        "resources.gpu",
        "no node has so many GPUs",
        found=f"{spec.resources.gpu:g}",
        allowed=f"up to {largest.gpus:g}, on {largest.name}",
    )


def _listed(nodes: tuple[Node, ...]) -> str:
    return "; ".join(f"{node.name}: {node.cpus:g} cores, {node.gpus:g} GPUs" for node in nodes)
