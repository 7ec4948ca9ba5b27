"""Joining a running Ray cluster: finding it, and asking its nodes whether they fit.

Ray alone waits for up to a minute before it says that nothing is there; what can be known at once
is asked here first.
"""

import socket
import threading
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from harness.errors import BenchError
from harness.plugins.catalog import has_travelled
from harness.results.provenance import versions
from harness.tune.cluster.runtime_env import travelling_code

CONNECTED_WITHIN_S = 3.0
ANSWERED_WITHIN_S = 10.0
CHECKED_WITHIN_S = 180.0  # a node installs our code and starts its first worker
SAME = ("python", "ray", "torch")  # others may differ, which is said
NEEDED = ("ray", "torch", "numpy", "pandas", "pyarrow", "scikit-learn", "scipy")
ALLOWED = "auto, or host:port of the head node, such as 10.0.0.1:6379"


@dataclass(frozen=True)
class NodeFacts:
    """What a node says of itself. versions: Python's and the packages'."""

    name: str
    versions: Mapping[str, str]


def join(address: str, *, environment: Mapping[str, str], init: Mapping[str, Any]) -> list[str]:
    """Connects this process to the cluster, whose workers then run our code.

    address: `auto` or host:port. environment: of every worker. init: further arguments of
    `ray.init`. Returns what a user should read of the nodes. Raises BenchError where there is no
    cluster, it refuses us, or a node could not run a trial.
    """
    import ray

    found = find(address)
    with travelling_code() as modules, _said_plainly(address):
        runtime = {"py_modules": modules, "env_vars": dict(environment)}
        ray.init(address=found, runtime_env=runtime, **init)
    try:
        facts = _ask_every_node()
        problems = [line for one in facts for line in misfits(one, here=versions())]
        if problems:
            raise BenchError("\n  ".join([f"the cluster at {found} does not fit:", *problems]))
    except BaseException:
        ray.shutdown()
        raise
    return [line for one in facts for line in differences(one, here=versions())]


def find(address: str) -> str:
    """The host:port of a cluster that answers, lets us in and has a node on this machine.

    Raises BenchError in at most some ten seconds.
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


def misfits(facts: NodeFacts, *, here: Mapping[str, str]) -> list[str]:
    """Why a node can't run our trials, a line each."""
    there = facts.versions
    lacking = [name for name in NEEDED if name in here and name not in there]
    other = [name for name in SAME if name in there and _public(there[name]) != _public(here[name])]
    return [
        *(f"{facts.name} has no {name}; this machine has {here[name]}" for name in lacking),
        *(f"{facts.name} has {name} {there[name]}, this machine {here[name]}" for name in other),
    ]


def differences(facts: NodeFacts, *, here: Mapping[str, str]) -> list[str]:
    """Versions that differ without stopping a run, in at most one line."""
    there = facts.versions
    ours = ("bench-harness", *SAME)  # our own code travels with the run
    names = [name for name, one in there.items() if name not in ours and one != here.get(name, one)]
    if not names:
        return []
    listed = ", ".join(f"{name} {there[name]} ({here[name]} here)" for name in names)
    return [f"other versions on {facts.name}: {listed}"]


def node_facts() -> NodeFacts:
    """Runs on a node: who it is and what is installed there."""
    return NodeFacts(node_name(), versions())


def node_name() -> str:
    """This machine as its cluster knows it: host name and address."""
    import ray

    return f"{socket.gethostname()} ({ray.util.get_node_ip_address()})"


def first_words() -> str:
    """What a trial's log begins with: where it runs, a line; nothing on a machine of one's own."""
    return f"runs on {node_name()}\n" if has_travelled() else ""


def _public(version: str) -> str:
    """`2.11.0` of `2.11.0+cu128`: a driver without a GPU may have another build."""
    return version.partition("+")[0]


def _auto() -> tuple[str, int]:
    """Where Ray itself would look: $RAY_ADDRESS, else the cluster that runs on this machine."""
    from ray._private.services import canonicalize_bootstrap_address_or_die

    try:
        return _parsed(canonicalize_bootstrap_address_or_die("auto"))
    except (ConnectionError, ValueError):
        text = "--address auto: no Ray cluster runs on this machine; start one with `ray start`"
        raise BenchError(text) from None


def _parsed(address: str) -> tuple[str, int]:
    host, colon, port = address.rpartition(":")
    if "://" in address:
        reason = "bench writes the results where it runs, so it runs on a node of the cluster"
        raise BenchError(f"--address: {reason}; found {address!r}; allowed: {ALLOWED}")
    if not (colon and host and port.isdigit() and int(port) < 65536):
        raise BenchError(f"--address: no host and port; found {address!r}; allowed: {ALLOWED}")
    return host, int(port)


def _nodes_of(place: str, address: str) -> set[str]:
    """The ids of the cluster's living nodes, in hexadecimal."""
    answer: list[set[str] | Exception] = []
    asking = threading.Thread(target=lambda: answer.append(_asked(place)), daemon=True)
    asking.start()
    asking.join(ANSWERED_WITHIN_S)
    if not answer:
        reason = "something answers there that is no Ray head node"
        hint = "its port is 6379 unless told otherwise; 8265 is the dashboard's, 10001 the client's"
        raise BenchError(f"--address {address}: {reason}; {hint}")
    if isinstance(answer[0], Exception):
        raise BenchError(f"--address {address}: {_in_words(answer[0])}") from None
    return answer[0]


def _asked(place: str) -> set[str] | Exception:
    from ray._raylet import GcsClient  # type: ignore[attr-defined]

    try:
        nodes = GcsClient(address=place).get_all_node_info(timeout=ANSWERED_WITHIN_S)
        return {node.hex() for node, info in nodes.items() if info.state == 0}
    except Exception as error:
        return error


def _check_node_here(nodes: set[str], *, address: str) -> None:
    """Ray would look for a node on this machine for a minute."""
    from ray._private.services import find_node_ids

    if not nodes & {str(one) for one in find_node_ids()}:
        text = "this machine is no node of that cluster; make it one, with no cores if need be"
        command = f"ray start --address={address} --num-cpus=0"
        raise BenchError(f"--address {address}: {text}: {command}")


@contextmanager
def _said_plainly(address: str) -> Any:
    """What Ray says when it can't connect, as one line."""
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
    """Every living node's own words, asked side by side. Raises BenchError naming a silent one."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    ask = ray.remote(node_facts)
    nodes = [node for node in ray.nodes() if node["Alive"]]
    answers = []
    for node in nodes:
        there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        answers.append(ask.options(num_cpus=0, max_retries=0, scheduling_strategy=there).remote())
    ray.wait(answers, num_returns=len(answers), timeout=CHECKED_WITHIN_S)
    found = [_answer(node, one) for node, one in zip(nodes, answers, strict=True)]
    return [facts for facts in found if facts is not None]


def _answer(node: Mapping[str, Any], reference: Any) -> NodeFacts | None:
    """None of a node that has left since it was listed; Ray lists the dead for some seconds."""
    import ray

    try:
        facts: NodeFacts = ray.get(reference, timeout=0.1)
    except ray.exceptions.TaskUnschedulableError:
        return None
    except ray.exceptions.RayError as error:
        name = f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']})"
        cause = getattr(error, "cause", None) or error
        silent = isinstance(error, ray.exceptions.GetTimeoutError)
        reason = "no answer" if silent else f"{type(cause).__name__}: {_in_words(cause)}"
        raise BenchError(f"node {name} can't run our code: {reason}") from None
    return facts
