"""Starting and stopping Ray: a private local one, or a running cluster."""

import contextlib
import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from harness.events import OnEvent
from harness.tuning.machines.capacity import Capacity as Capacity
from harness.tuning.machines.capacity import Node
from harness.tuning.machines.cluster import join
from harness.tuning.machines.head import shut_down, watch_head
from harness.tuning.machines.lean import without_helpers

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


@contextlib.contextmanager
def ray_session(
    *, address: str | None, num_cpus: int, threads: int, on_event: OnEvent
) -> Iterator[Callable[[], Capacity]]:
    """A Ray to run trials on, starting behind the caller's back; it stops at the end.

    The value waits until Ray is there and says what it has.
    address: of a running cluster, `auto` or host:port; None starts a private one with `num_cpus`
    cores.
    threads: of each worker's arithmetic; set before a worker imports anything.
    on_event: hears of the death of a private one, which ends this process.
    """
    os.environ.update(QUIET)
    for name in THREADS:
        os.environ[name] = str(threads)
    with ThreadPoolExecutor(max_workers=1) as executor:
        on_sigterm = signal.getsignal(signal.SIGTERM)
        watched = contextlib.ExitStack()
        capacity = executor.submit(_start, address, num_cpus=num_cpus, threads=threads)

        def wait() -> Capacity:
            ready = capacity.result()
            if address is None:
                watched.callback(watch_head(on_event))
            if threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGTERM, on_sigterm)  # Ray has put its own in its place
            return ready

        try:
            yield wait
        finally:
            watched.close()
            _stop(capacity)


def _start(address: str | None, *, num_cpus: int, threads: int) -> Capacity:
    import ray
    from ray._private import worker

    logging.getLogger("ray").setLevel(logging.ERROR)
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    worker._worker_logs_enabled = False  # else a worker's death is told on stdout, inside --json
    quiet = {"logging_level": logging.ERROR, "log_to_driver": False}
    notes: list[str] = []
    if address is None:
        with without_helpers():
            ray.init(address="local", num_cpus=num_cpus, include_dashboard=False, **quiet)
    else:
        threaded = {name: str(threads) for name in THREADS}
        notes = join(address, environment={**QUIET, **threaded}, init=quiet)
    return _capacity(notes)


def _capacity(notes: Sequence[str]) -> Capacity:
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
    return Capacity(
        sum(node.cpus for node in nodes), sum(node.gpus for node in nodes), nodes, tuple(notes)
    )


def _stop(capacity: Future[Capacity]) -> None:
    if capacity.exception() is None:
        shut_down()
