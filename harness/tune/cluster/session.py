"""Starting and stopping Ray: a private local one, or a running cluster."""

import contextlib
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.data.paths import available_cores
from harness.errors import BenchError
from harness.events import Note, OnEvent
from harness.failures import message
from harness.tune.cluster.capacity import Capacity as Capacity
from harness.tune.cluster.capacity import Node
from harness.tune.cluster.join import join
from harness.tune.cluster.private_ray import (
    PrivateFolder,
    make_private_folder,
    marked,
    private_environment,
)
from harness.tune.cluster.ray_patches import read_environment_anew, without_helpers
from harness.tune.cluster.ray_processes import head_processes, shut_down, watch_head

QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # Tune would change the workers' directory
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # 1,100 ms a trial for files nobody reads
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # the watcher listens
    "TUNE_GLOBAL_CHECKPOINT_S": "3600",  # the truth is in Parquet
    "TUNE_WARN_THRESHOLD_S": "600",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",  # a worker's death becomes a row, not a traceback
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DEDUP_LOGS": "0",
    "RAY_task_events_report_interval_ms": "0",  # a record of every call, for a dashboard we lack
    "RAY_enable_metrics_collection": "0",
}
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
ATTEMPTS = 3  # a start that fails on a crowded machine mostly succeeds a little later
# Between two attempts, so that what crowds the machine can pass; a run whose Ray never starts waits
# ten seconds in all.
PAUSE_S = 5.0


@dataclass(frozen=True)
class Session:
    """A Ray that has started. end: stops it; a private one leaves nothing behind."""

    capacity: Capacity
    end: Callable[[], None]


@contextlib.contextmanager
def ray_session(
    *, address: str | None, num_cpus: int, threads: int, on_event: OnEvent
) -> Iterator[Callable[[], Capacity]]:
    """A Ray to run trials on, starting behind the caller's back; it stops at the end.

    The value waits until Ray is there and returns what it has; it raises BenchError where Ray can't
    be started or joined.

    Args:
        address: Of a running cluster, `auto` or host:port; None starts a private one with
            `num_cpus` cores.
        num_cpus: Cores of a private one.
        threads: Of each worker's arithmetic; set before a worker imports anything.
        on_event: Receives the death of a private one, which ends this process.
    """
    os.environ.update(QUIET)
    for name in THREADS:
        os.environ[name] = str(threads)
    with ThreadPoolExecutor(max_workers=1) as executor:
        on_sigterm = signal.getsignal(signal.SIGTERM)
        watched = contextlib.ExitStack()
        if address is None:
            starting = executor.submit(_start_private, num_cpus, on_event)
        else:
            starting = executor.submit(_join, address, threads=threads)

        def wait() -> Capacity:
            session = starting.result()
            if address is None:
                watched.callback(watch_head(on_event))
            if threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGTERM, on_sigterm)  # Ray has put its own in its place
            return session.capacity

        try:
            yield wait
        finally:
            watched.close()
            if starting.exception() is None:
                starting.result().end()


def _start_private(num_cpus: int, on_event: OnEvent) -> Session:
    """Start a Ray of this run's own, again where the machine was too busy for it.

    Raises:
        BenchError: It did not start in several attempts.
    """
    for attempt in range(1, ATTEMPTS + 1):
        end = contextlib.ExitStack()
        try:
            folder = make_private_folder()
            end.callback(folder.remove)
            end.callback(read_environment_anew)  # once it is as it was: for a Ray of somebody else
            end.enter_context(private_environment())
            _init_private(folder, num_cpus, end)
            return Session(_capacity(scratch=folder.path), end.close)
        except BenchError:
            end.close()
            raise
        except Exception as error:
            end.close()
            text = _in_one_line(error)
            if attempt < ATTEMPTS:
                on_event(Note("Ray did not start, the machine may be busy: trying again"))
                time.sleep(PAUSE_S)
    load = f"{os.getloadavg()[0]:.0f} on {available_cores()} cores"
    raise BenchError(
        f"Ray did not start on this machine in {ATTEMPTS} attempts: {text}; load: {load}; wait "
        "until the machine is less busy, or train without Ray: bench run FILE --in-process"
    )


def _init_private(folder: PrivateFolder, num_cpus: int, end: contextlib.ExitStack) -> None:
    import ray

    _silence()
    read_environment_anew()
    end.callback(shut_down)
    with without_helpers(), marked(folder.path):
        ray.init(
            address="local",
            num_cpus=num_cpus,
            include_dashboard=False,
            _temp_dir=str(folder.path),
            **SILENT,
        )
    folder.name_processes(head_processes())


def _join(address: str, *, threads: int) -> Session:
    import ray

    _silence()
    threaded = {name: str(threads) for name in THREADS}
    notes = join(address, environment={**QUIET, **threaded}, init=SILENT)
    return Session(_capacity(notes), ray.shutdown)


def _silence() -> None:
    from ray._private import worker

    logging.getLogger("ray").setLevel(logging.ERROR)
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    worker._worker_logs_enabled = False  # else a worker's death is told on stdout, inside --json


SILENT: Mapping[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}


def _in_one_line(error: Exception) -> str:
    """Return what Ray says of a failed start, without its advice of many lines."""
    lines = [line.strip() for line in message(error).splitlines() if line.strip()]
    first = lines[0] if lines else type(error).__name__
    return first if len(first) <= 200 else f"{first[:200]}…"


def _capacity(notes: Sequence[str] = (), *, scratch: Path | None = None) -> Capacity:
    import ray

    nodes = tuple(
        Node(
            f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']})",
            cpus=node["Resources"].get("CPU", 0.0),
            gpus=node["Resources"].get("GPU", 0.0),
        )
        for node in ray.nodes()
        if node["Alive"]
    )
    cpus, gpus = sum(node.cpus for node in nodes), sum(node.gpus for node in nodes)
    return Capacity(cpus, gpus, nodes, tuple(notes), scratch)
