"""Every use of what Ray and Ray Tune do not document, each with its reason and its fallback.

Tried with Ray 2.55 and 2.60. A name that another version lacks costs speed or a plainer message,
never a run: each function says what happens then.
"""

import contextlib
import subprocess
from collections.abc import Iterator, Mapping
from importlib import import_module
from operator import attrgetter
from typing import Any

import ray

# Methods of Ray's node that start processes which no sweep uses, and what stands in their place.
_HELPERS = {
    "start_monitor": lambda node: None,
    "start_log_monitor": lambda node: None,
    "start_api_server": lambda node, **options: setattr(node, "_webui_url", None),
}


@contextlib.contextmanager
def without_helpers() -> Iterator[None]:
    """Start no autoscaler, log monitor and dashboard with a Ray that is started meanwhile.

    Each is a Python process of half a second on the way to the first trial, and the autoscaler
    takes a second to end. Ray has no option for it. Where a name is gone, that helper starts.
    """
    node = _internal("ray._private.node", "Node")
    replaced = {name: getattr(node, name) for name in _HELPERS if hasattr(node, name)}
    try:
        for name in replaced:
            setattr(node, name, _HELPERS[name])
        yield
    finally:
        for name, method in replaced.items():
            setattr(node, name, method)


def reread_environment() -> None:
    """Make Ray's C++ side of this process read its settings and its token once more.

    Both are read when Ray is imported, and once: a second run of one process would present the
    token of the first. Where a name is gone, nothing has been read before the first start.
    """
    initialize = _internal("ray._raylet", "Config.initialize")
    if initialize is not None:
        initialize("")
    loader = _internal("ray._raylet", "AuthenticationTokenLoader.instance")
    if loader is not None:
        loader().reset_cache()


def silence_worker_logs() -> None:
    """Keep what Ray prints of a dead worker off the driver's stdout, where `--json` answers.

    `log_to_driver=False` leaves these lines. Where the switch is gone, they are printed.
    """
    worker = _internal("ray._private", "worker")
    if worker is not None:
        worker._worker_logs_enabled = False


def head_processes() -> Mapping[str, list["subprocess.Popen[bytes]"]]:
    """Return the processes that Ray started in this session, by Ray's name for their kind.

    A private Ray's head is watched, and its processes are named to the guard. Where the record is
    gone, none are known: a head that dies is then noticed by Ray alone, within a minute.
    """
    with contextlib.suppress(AttributeError):
        kinds = _node().all_processes.items()
        return {kind: [info.process for info in infos] for kind, infos in kinds}
    return {}


def kill_head_processes() -> None:
    """Kill the processes that Ray started in this session; the guard kills what is left."""
    with contextlib.suppress(AttributeError):
        _node().kill_all_processes(check_alive=False, allow_graceful=False)


def shut_down_at_once() -> None:
    """End Ray and kill its head processes; the guard of its folder kills what is left.

    `ray.shutdown` would ask each process to end and wait a second for it, though nothing is left
    for it to do: they ignore SIGTERM, see `harness.cli.terminal`. Where the method is gone, that
    second is spent.
    """
    with contextlib.suppress(AttributeError):
        node = _node()
        kill = node.kill_all_processes
        node.kill_all_processes = lambda **_asked: kill(check_alive=False, allow_graceful=False)
    ray.shutdown()


def bootstrap_address() -> str | None:
    """Return the host:port where `ray.init(address="auto")` would look; None where nothing runs.

    Ray itself would wait for a minute before it says so. Where the function is gone, None as well:
    the address then has to be typed.
    """
    find = _internal("ray._private.services", "canonicalize_bootstrap_address_or_die")
    with contextlib.suppress(ConnectionError, ValueError):
        return None if find is None else str(find("auto"))
    return None


def living_nodes(address: str, *, timeout_s: float) -> set[str] | None:
    """Ask a head node for the ids of its cluster's living nodes, in hexadecimal.

    It answers in seconds whether it is one and takes our token, where `ray.init` takes a minute.

    Returns:
        The ids; None where the client is gone, and `ray.init` has to find out.

    Raises:
        Exception: The head node refuses, or does not answer in time; Ray's own, of any class.
    """
    client = _internal("ray._raylet", "GcsClient")
    if client is None:
        return None
    nodes = client(address=address).get_all_node_info(timeout=timeout_s)
    return {node.hex() for node, info in nodes.items() if info.state == 0}  # 0: alive


def nodes_here() -> set[str] | None:
    """Return the ids of the nodes that run on this machine, in hexadecimal.

    `ray.init` would look for one for a minute. Where the function is gone, None: it does so.
    """
    find = _internal("ray._private.services", "find_node_ids")
    return None if find is None else {str(node_id) for node_id in find()}


def can_retire_actors() -> bool:
    """Return whether `retire_actor` works, so that Tune may give an actor several trials.

    Where it does not, each trial starts an actor of its own, which takes seconds.
    """
    start = _internal("ray.tune.execution.tune_controller", "TuneController.__init__.__code__")
    return start is not None and "_reuse_actors" in start.co_names


def retire_actor(tune_controller: Any, *, changed: bool) -> None:
    """Make Tune end the actor of the trial that ends now where its process was changed.

    Tune would fail the next trial if the actor refused it; it asks this attribute for each actor
    before it keeps it.
    """
    tune_controller._reuse_actors = not changed


def forget_statistics(tune_trial: Any) -> None:
    """Drop the statistics that Tune keeps of each number of a trial, 32 kB a trial.

    Where Tune names them otherwise, the driver grows by that much.
    """
    for name in ("metric_analysis", "metric_n_steps"):
        getattr(tune_trial, name, {}).clear()


def _node() -> Any:
    """Return Ray's record of the processes that it started here; None without a private Ray."""
    return _internal("ray._private.worker", "_global_node")


def _internal(module: str, name: str) -> Any:
    """Return what a module of Ray has under a dotted name; None where this version lacks it."""
    with contextlib.suppress(ImportError, AttributeError):
        return attrgetter(name)(import_module(module))
    return None
