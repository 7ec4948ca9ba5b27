"""Joining a running Ray cluster: finding it, asking whether its nodes fit, and sending our code.

Ray alone waits for up to a minute before it says that nothing is there; what can be known at once
is asked here first.
"""

import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from harness.errors import BenchError
from harness.plugins.catalog import FOLDERS, TRAVELLED, has_travelled
from harness.plugins.shipped_folders import PACKAGE, SHIPPED
from harness.results.provenance import versions
from harness.tune import ray_internals

CONNECTED_WITHIN_S = 3.0
ANSWERED_WITHIN_S = 10.0
CHECKED_WITHIN_S = 180.0  # a node installs our code and starts its first worker
COLLECTED_WITHIN_S = 0.1  # an answer that has arrived is only fetched
SAME = ("python", "ray", "torch")  # other packages may differ, which is said
NEEDED = ("ray", "torch", "numpy", "pandas", "pyarrow", "scikit-learn", "scipy")
ALLOWED = "auto, or host:port of the head node, such as 10.0.0.1:6379"

LIMIT_BYTES = 50_000_000  # of a user's folder; what is larger is data, and goes to every node
_LEFT_BEHIND = shutil.ignore_patterns("__pycache__", ".*", "*.pyc")


@dataclass(frozen=True)
class NodeFacts:
    """What a node says of itself.

    Attributes:
        name: Host name and address.
        versions: Of Python and of the packages.
    """

    name: str
    versions: Mapping[str, str]


def join(address: str, *, environment: Mapping[str, str], init: Mapping[str, Any]) -> list[str]:
    """Connect this process to a cluster, whose workers then run our code.

    Args:
        address: `auto` or host:port.
        environment: Of every worker.
        init: Further arguments of `ray.init`.

    Returns:
        What a user should read of the nodes, a line each.

    Raises:
        BenchError: There is no cluster, it refuses us, or a node could not run a trial.
    """
    place = find_cluster(address)
    with packed_code() as modules, _plain_errors(address):
        runtime = {"py_modules": modules, "env_vars": dict(environment)}
        ray.init(address=place, runtime_env=runtime, **init)
    try:
        nodes = _ask_every_node()
        here = versions()
        problems = [line for facts in nodes for line in incompatibilities(facts, here=here)]
        if problems:
            raise BenchError("\n  ".join([f"the cluster at {place} does not fit:", *problems]))
    except BaseException:
        ray.shutdown()
        raise
    return [line for facts in nodes for line in differences(facts, here=here)]


def find_cluster(address: str) -> str:
    """Return the host:port of a cluster that answers, lets us in and has a node on this machine.

    Raises:
        BenchError: There is none; in at most some ten seconds.
    """
    host, port = _auto() if address == "auto" else _parsed(address)
    place = f"{host}:{port}"
    try:
        socket.create_connection((host.strip("[]"), port), timeout=CONNECTED_WITHIN_S).close()
    except OSError as error:
        reason = error.strerror or str(error)
        raise BenchError(f"--address {address}: no Ray cluster at {place} ({reason})") from None
    _check_node_here(_nodes_of(place, address), address=place)
    return place


def incompatibilities(facts: NodeFacts, *, here: Mapping[str, str]) -> list[str]:
    """Return why a node can't run our trials, a line each.

    Args:
        facts: Of the node.
        here: Versions on this machine.
    """
    there = facts.versions
    lacking = [name for name in NEEDED if name in here and name not in there]
    other = [name for name in SAME if name in there and _public(there[name]) != _public(here[name])]
    return [
        *(f"{facts.name} has no {name}; this machine has {here[name]}" for name in lacking),
        *(f"{facts.name} has {name} {there[name]}, this machine {here[name]}" for name in other),
    ]


def differences(facts: NodeFacts, *, here: Mapping[str, str]) -> list[str]:
    """Return the versions that differ without stopping a run, in at most one line.

    Args:
        facts: Of the node.
        here: Versions on this machine.
    """
    ours = ("bench-harness", *SAME)  # our own code travels with the run
    others = {
        name: version
        for name, version in facts.versions.items()
        if name not in ours and version != here.get(name, version)
    }
    if not others:
        return []
    listed = ", ".join(f"{name} {version} ({here[name]} here)" for name, version in others.items())
    return [f"other versions on {facts.name}: {listed}"]


def node_facts() -> NodeFacts:
    """Return who this node is and what is installed on it; runs as a task of Ray."""
    return NodeFacts(node_name(), versions())


def node_name() -> str:
    """Return how its cluster knows this machine: host name and address."""
    return f"{socket.gethostname()} ({ray.util.get_node_ip_address()})"


def log_header() -> str:
    """Return the first line of a trial's log, naming the node; empty for a local run."""
    return f"runs on {node_name()}\n" if has_travelled() else ""


@contextmanager
def packed_code(folder: Path | None = None) -> Iterator[list[str]]:
    """Give the Python packages that the workers get, as folders; copies go at the end.

    Args:
        folder: The user's, by default the working directory. Its `models/` and `data_prep/` travel
            in a package of their own name, so that nothing shipped is shadowed.

    Raises:
        BenchError: The user's folders are too large to be code.
    """
    own = (folder or Path.cwd()).resolve()
    with tempfile.TemporaryDirectory(prefix="bench-code-") as scratch:
        staged = Path(scratch, TRAVELLED)
        staged.mkdir()
        (staged / "__init__.py").touch()
        if own != SHIPPED:
            _stage(own, staged)
        yield [str(PACKAGE), *(str(SHIPPED / name) for name in FOLDERS.values()), str(staged)]


def _stage(own: Path, staged: Path) -> None:
    for name in FOLDERS.values():
        if (own / name).is_dir():
            _check_size(own / name)
            shutil.copytree(own / name, staged / name, ignore=_LEFT_BEHIND)


def _check_size(folder: Path) -> None:
    sizes = {file: file.stat().st_size for file in folder.rglob("*") if file.is_file()}
    if sum(sizes.values()) > LIMIT_BYTES:
        largest = max(sizes, key=lambda file: sizes[file])
        raise BenchError(
            f"{folder} travels to every node and holds {sum(sizes.values()) / 1e6:.0f} MB; "
            f"allowed: {LIMIT_BYTES / 1e6:.0f} MB of code; data belongs elsewhere, "
            f"the largest file is {largest.name}"
        )


def _public(version: str) -> str:
    """Return `2.11.0` of `2.11.0+cu128`: a driver without a GPU may have another build."""
    return version.partition("+")[0]


def _auto() -> tuple[str, int]:
    """Return where Ray itself would look: $RAY_ADDRESS, else the cluster of this machine."""
    address = ray_internals.bootstrap_address()
    if address is None:
        text = "--address auto: no Ray cluster runs on this machine; start one with `ray start`"
        raise BenchError(text)
    return _parsed(address)


def _parsed(address: str) -> tuple[str, int]:
    host, colon, port = address.rpartition(":")
    if "://" in address:
        reason = "bench writes the results where it runs, so it runs on a node of the cluster"
        raise BenchError(f"--address: {reason}; found {address!r}; allowed: {ALLOWED}")
    if not (colon and host and port.isdigit() and int(port) < 65536):
        raise BenchError(f"--address: no host and port; found {address!r}; allowed: {ALLOWED}")
    return host, int(port)


def _nodes_of(place: str, address: str) -> set[str] | None:
    """Return the ids of the cluster's living nodes, in hexadecimal; None where Ray can't say.

    In a thread: a server that is no head node keeps Ray's client waiting whatever the timeout.

    Raises:
        BenchError: Nothing answers as a head node does, or it refuses us.
    """
    answers: list[set[str] | Exception | None] = []
    asking = threading.Thread(target=lambda: answers.append(_asked(place)), daemon=True)
    asking.start()
    asking.join(ANSWERED_WITHIN_S)
    if not answers:
        reason = "something answers there that is no Ray head node"
        hint = "its port is 6379 unless told otherwise; 8265 is the dashboard's, 10001 the client's"
        raise BenchError(f"--address {address}: {reason}; {hint}")
    (answer,) = answers
    if isinstance(answer, Exception):
        raise BenchError(f"--address {address}: {_in_words(answer)}") from None
    return answer


def _asked(place: str) -> set[str] | Exception | None:
    try:
        return ray_internals.living_nodes(place, timeout_s=ANSWERED_WITHIN_S)
    except Exception as error:
        return error


def _check_node_here(nodes: set[str] | None, *, address: str) -> None:
    """Refuse a cluster without a node here; Ray would look for one for a minute."""
    here = ray_internals.nodes_here()
    if nodes is not None and here is not None and not nodes & here:
        text = "this machine is no node of that cluster; make it one, with no cores if need be"
        command = f"ray start --address={address} --num-cpus=0"
        raise BenchError(f"--address {address}: {text}: {command}")


@contextmanager
def _plain_errors(address: str) -> Iterator[None]:
    """Turn what Ray raises when it can't connect into one line."""
    try:
        yield
    except BenchError:
        raise
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        raise BenchError(f"--address {address}: {_in_words(error)}") from error


def _in_words(error: BaseException) -> str:
    text = " ".join(str(error).split())
    if "InvalidAuthToken" in text or "AuthenticationError" in text:
        cure = "set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN to what its nodes were started with"
        return f"the cluster refuses this token, or the lack of one; {cure}"
    return text or type(error).__name__


def _ask_every_node() -> Sequence[NodeFacts]:
    """Return every living node's facts, asked side by side.

    Raises:
        BenchError: A node does not answer, which it names.
    """
    ask = ray.remote(node_facts)
    nodes = [node for node in ray.nodes() if node["Alive"]]
    answers = []
    for node in nodes:
        there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        answers.append(ask.options(num_cpus=0, max_retries=0, scheduling_strategy=there).remote())
    ray.wait(answers, num_returns=len(answers), timeout=CHECKED_WITHIN_S)
    answered = [_answer(node, reference) for node, reference in zip(nodes, answers, strict=True)]
    return [facts for facts in answered if facts is not None]


def _answer(node: Mapping[str, Any], reference: Any) -> NodeFacts | None:
    """Return a node's facts; None of one that has left: Ray lists the dead for some seconds."""
    try:
        facts: NodeFacts = ray.get(reference, timeout=COLLECTED_WITHIN_S)
    except ray.exceptions.TaskUnschedulableError:
        return None
    except ray.exceptions.RayError as error:
        name = f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']})"
        cause = getattr(error, "cause", None) or error
        silent = isinstance(error, ray.exceptions.GetTimeoutError)
        reason = "no answer" if silent else f"{type(cause).__name__}: {_in_words(cause)}"
        raise BenchError(f"node {name} can't run our code: {reason}") from None
    return facts
