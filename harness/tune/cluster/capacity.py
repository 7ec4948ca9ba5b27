"""What Ray has to compute with, and what a file's resources make of it."""

from dataclasses import dataclass
from pathlib import Path

from harness.config.benchmark import BenchmarkSpec
from harness.errors import Problem, SpecError
from harness.tune.cluster.gpu_memory import trials_per_gpu

CROWDED = 3.0  # load per core from which other programs clearly slow the trials


@dataclass(frozen=True)
class Node:
    """One machine that Ray runs on.

    Attributes:
        name: Host name and address, as a person would say it.
        cpus: Cores that Ray may use there.
        gpus: GPUs that Ray may use there.
    """

    name: str
    cpus: float
    gpus: float


@dataclass(frozen=True)
class Capacity:
    """What Ray may use: cores and GPUs of the machine or the cluster, together and by node.

    Attributes:
        cpus: Cores of all nodes.
        gpus: GPUs of all nodes.
        nodes: The nodes; empty for a run in this process.
        notes: What a user should read once of the nodes.
        scratch: A folder that only the user may read and that is removed at the end; None on a
            cluster.
    """

    cpus: float
    gpus: float
    nodes: tuple[Node, ...] = ()
    notes: tuple[str, ...] = ()
    scratch: Path | None = None

    def at_a_time(self, *, cpu: int, gpu: float) -> int:
        """Return how many trials of so many cores and GPUs run side by side, each on one node."""
        nodes = self.nodes or (Node("all", self.cpus, self.gpus),)
        return sum(_room(node, cpu=cpu, gpu=gpu) for node in nodes)


def check_capacity(spec: BenchmarkSpec, capacity: Capacity) -> None:
    """Refuse a file of whose trials no node could ever take one.

    Ray would wait for such a node for ever. A GPU share where no node has a GPU is no mistake: it
    is dropped.

    Raises:
        SpecError: No node is large enough.
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


def cores_note(n_trials: int, *, cpu: int, cores: int, jobs: int | None) -> str | None:
    """Return what to say where cores stay idle or threads outnumber them.

    Args:
        n_trials: Trials to train.
        cpu: `resources.cpu`, the threads of a trial, which never change by themselves: a trial
            computes the same whatever runs beside it.
        cores: Those that this process may use.
        jobs: Trials at a time as asked for.

    Returns:
        A sentence, or None where neither is so.
    """
    if (jobs or 1) * cpu > cores:
        asked = (
            f"resources.cpu={cpu}"
            if jobs is None
            else f"--jobs {jobs}, {_counted(cpu, 'thread')} each,"
        )
        return f"{asked} on {_counted(cores, 'core')}: threads will wait for each other"
    fitting = cores // max(1, n_trials)
    if jobs is not None or n_trials < 1 or fitting <= cpu:
        return None
    left = f"{_counted(n_trials, 'trial')} on {_counted(cores, 'core')}"
    return f"{left}: resources.cpu={fitting} would use them"


def crowded_note(load: float, *, cores: int) -> str | None:
    """Return what to say where other programs keep the cores busy; None where they don't.

    Args:
        load: Mean number of processes that wanted a core in the last minute, before the sweep.
        cores: Those that this process may use.
    """
    if load <= CROWDED * cores:
        return None
    return f"this machine is busy: load {load:.0f} on {_counted(cores, 'core')}; trials take longer"


def _counted(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def _room(node: Node, *, cpu: int, gpu: float) -> int:
    by_cores = int(node.cpus // cpu)
    if not gpu:
        return by_cores
    by_gpus = int(node.gpus) * trials_per_gpu(gpu) if gpu < 1 else int(node.gpus // gpu)
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
