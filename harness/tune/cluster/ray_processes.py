"""The head processes of a private Ray: noticed when they die early, killed when the run ends."""

import os
import threading
import time
from collections.abc import Callable
from typing import Any

from harness.events import OnEvent, RunLost

POLL_S = 0.5
FLUSH_S = 2.5  # the collector writes what it holds within two seconds
HEAD = ("gcs_server", "raylet")


def watch_head(on_event: OnEvent) -> Callable[[], None]:
    """End this process with exit code 1 once Ray's head process dies; return what stops that.

    Left alone, Ray freezes the driver for up to a minute and aborts it from C++, where no handler
    of ours runs.
    """
    stopped = threading.Event()
    threading.Thread(target=_watch, args=(stopped, on_event), daemon=True).start()
    return stopped.set


def head_processes() -> list[int]:
    """Return the ids of the processes that Ray started here; workers end with them."""
    node = _node()
    infos = [] if node is None else [one for kind in node.all_processes.values() for one in kind]
    return [info.process.pid for info in infos]


def shut_down() -> None:
    """End Ray and its head processes at once; the guard of its folder kills what is left.

    Nothing is left for them to do, and asking first would cost a second for each of them: they
    ignore SIGTERM, see `harness.cli.signals`.
    """
    import ray

    node = _node()
    if node is None:
        return
    kill = node.kill_all_processes
    node.kill_all_processes = lambda **_asked: kill(check_alive=False, allow_graceful=False)
    ray.shutdown()


def _watch(stopped: threading.Event, on_event: OnEvent) -> None:
    node = _node()
    processes = {name: node.all_processes[name][0].process for name in HEAD}
    while not stopped.wait(POLL_S):
        for name, process in processes.items():
            if process.poll() is not None and not stopped.is_set():
                on_event(RunLost(f"Ray's {name} died: what is finished is kept"))
                time.sleep(FLUSH_S)
                node.kill_all_processes(check_alive=False, allow_graceful=False)
                os._exit(1)


def _node() -> Any:
    """Return Ray's own record of the processes that it started here; None without a private Ray."""
    from ray._private import worker

    return worker._global_node
