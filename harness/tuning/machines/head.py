"""The processes of a private Ray: missed when they die early, gone when the run ends."""

import contextlib
import os
import subprocess
import threading
import time
from collections.abc import Callable
from typing import Any

from harness.events import OnEvent, RunLost

POLL_S = 0.5
FLUSH_S = 2.5  # the collector writes what it holds within two seconds
HEAD = ("gcs_server", "raylet")


def watch_head(on_event: OnEvent) -> Callable[[], None]:
    """Ends this process with exit code 1 once Ray's head process dies; returns what stops that.

    Left alone, Ray freezes the driver for up to a minute, aborts it from C++, where no handler of
    ours runs, and leaves processes behind.
    """
    stopped = threading.Event()
    guard = _guard(_descendants(_node()))
    threading.Thread(target=_watch, args=(stopped, on_event), daemon=True).start()

    def stop() -> None:
        stopped.set()
        guard.kill()
        guard.communicate()

    return stop


def shut_down() -> None:
    """Ends Ray; a private one with all its processes, at once.

    Nothing is left for them to do, and asking first would cost a second for each of them: they
    don't hear SIGTERM, see `harness.cli.stopping`.
    """
    import ray

    node = _node()
    if node is None:
        return
    left = _descendants(node)
    kill = node.kill_all_processes
    node.kill_all_processes = lambda **_asked: kill(check_alive=False, allow_graceful=False)
    ray.shutdown()
    _kill(left)


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


def _guard(processes: list[Any]) -> "subprocess.Popen[bytes]":
    """A shell that kills these where this process dies, for a pipe of ours ends with us.

    The kernel kills Ray's head then, workers follow it, but its agents would stay for a minute.
    """
    pids = " ".join(str(process.pid) for process in processes)
    return subprocess.Popen(
        ["/bin/sh", "-c", f"read _; kill -9 {pids}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _node() -> Any:
    """Ray's own record of the processes that it started here."""
    from ray._private import worker

    return worker._global_node


def _descendants(node: Any) -> list[Any]:
    """Workers and agents, which outlive a killed raylet for a while, or for good."""
    import psutil

    raylets = [info.process.pid for info in node.all_processes.get("raylet", ())]
    with contextlib.suppress(psutil.NoSuchProcess):
        return [one for pid in raylets for one in psutil.Process(pid).children(recursive=True)]
    return []


def _kill(processes: list[Any]) -> None:
    import psutil

    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
