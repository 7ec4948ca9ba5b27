"""Starting and stopping Ray: a private one in a folder of its own, or a running cluster."""

import contextlib
import logging
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray

from harness.data.paths import available_cores
from harness.errors import BenchError
from harness.events import Note, OnEvent, RunLost
from harness.tune import ray_internals
from harness.tune.cluster import ray_cleanup
from harness.tune.cluster.capacity import Capacity, Node
from harness.tune.cluster.join import join
from harness.user_code_errors import message

QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # Tune would change the workers' directory
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # 1,100 ms a trial for files nobody reads
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # the sweep handles signals
    "TUNE_GLOBAL_CHECKPOINT_S": "3600",  # the truth is in Parquet
    "TUNE_WARN_THRESHOLD_S": "600",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",  # a worker's death becomes a row, not a traceback
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DEDUP_LOGS": "0",
    "RAY_task_events_report_interval_ms": "0",  # a record of every call, for a dashboard we lack
    "RAY_enable_metrics_collection": "0",
}
PRIVATE = {
    "RAY_worker_niceness": "0",  # Ray's 15 starves the trials on a machine that others use too
    # Ray's own limits end a start on a busy machine: 60, 30, 30 and 10 s.
    "RAY_worker_register_timeout_seconds": "300",
    "RAY_gcs_server_port_wait_time_s": "120",
    "RAY_py_gcs_connect_timeout_s": "120",
    # The raylet connects to its own object store, which another of its threads is just starting.
    # In Ray 2.60 the "timeout" is the pause before the next attempt (1 s); with a long one, a race
    # that was lost once outlasted the 30 s in which Ray gives up on the raylet.
    "RAY_raylet_client_connect_timeout_milliseconds": "100",
    "RAY_raylet_client_num_connect_attempts": "600",
    # A machine that swaps answers late; the death of a process is noticed by watch_head anyway.
    "RAY_health_check_timeout_ms": "60000",
    # What libraries print goes to files of the folder; without a limit it filled a disk.
    "RAY_ROTATION_MAX_BYTES": "10000000",
    "RAY_ROTATION_BACKUP_COUNT": "1",
}
# Ray 2.60 sets it in the process that starts or joins it, and leaves it there: a breakpoint of a
# later run in this process, or in one that it starts, would ask for debugpy instead of opening pdb.
SET_BY_RAY = ("PYTHONBREAKPOINT",)
SILENT: Mapping[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
ATTEMPTS = 3  # a start that fails on a crowded machine mostly succeeds a little later
# Between two attempts, so that what crowds the machine can pass; a run whose Ray never starts waits
# ten seconds in all.
PAUSE_S = 5.0
LONGEST_REASON = 200  # characters of what Ray says of a failed start

HEAD = ("gcs_server", "raylet")  # Ray's names of the processes without which nothing is left to do
HEAD_POLL_S = 0.5
FLUSH_S = 2.5  # the result writer writes what it holds within two seconds

SOCKET_BYTES = 103  # the shortest limit of a socket's path: macOS; Linux allows 107
# What Ray appends: /session_<date>_<time>_<microseconds>_<pid>/sockets/plasma_store.<number>
BELOW_FOLDER_BYTES = len("/session_2026-01-01_00-00-00_000000_4194304/sockets/plasma_store.12")
PREFIX = "bench-"
SHORT_ROOT = Path("/tmp")


@dataclass(frozen=True)
class Session:
    """A Ray that has started.

    Attributes:
        capacity: What it has to compute with.
        end: Stops it; a private one leaves nothing behind.
    """

    capacity: Capacity
    end: Callable[[], None]


@dataclass(frozen=True)
class PrivateFolder:
    """A folder that only its owner may read, and the process that removes it at the end.

    Attributes:
        path: Absolute, short enough for the sockets that Ray puts below it.
        guard: See `harness.tune.cluster.ray_cleanup`.
    """

    path: Path
    guard: "subprocess.Popen[str]"

    def name_processes(self, ids: Iterable[int]) -> None:
        """Name processes to kill at the end where the machine does not list its processes."""
        assert self.guard.stdin is not None
        self.guard.stdin.write("".join(f"{pid}\n" for pid in ids))
        self.guard.stdin.flush()

    def remove(self) -> None:
        """Kill what is left of Ray and remove the folder; return when that is done."""
        self.guard.communicate()


@contextlib.contextmanager
def ray_session(
    *, address: str | None, num_cpus: int, threads: int, on_event: OnEvent
) -> Iterator[Callable[[], Capacity]]:
    """Start or join Ray in the background, and stop it at the end.

    The value waits until Ray is there and returns what it has; it raises BenchError where Ray can't
    be started or joined.

    Args:
        address: Of a running cluster, `auto` or host:port; None starts a private one with
            `num_cpus` cores.
        num_cpus: Cores of a private one.
        threads: Of each worker's arithmetic; set before a worker imports anything.
        on_event: Receives the death of a private one, which ends this process.
    """
    environment = {**QUIET, **{name: str(threads) for name in THREADS}}
    with (
        _set(environment, restored=SET_BY_RAY),
        ThreadPoolExecutor(max_workers=1) as executor,
    ):
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
            # Once the environment is as it was: for a Ray of somebody else in this process.
            end.callback(ray_internals.reread_environment)
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
    _silence()
    ray_internals.reread_environment()
    end.callback(ray_internals.shut_down_at_once)
    with ray_internals.without_helpers(), marked(folder.path):
        ray.init(
            address="local",
            num_cpus=num_cpus,
            include_dashboard=False,
            _temp_dir=str(folder.path),  # documented in spite of its name
            **SILENT,
        )
    started = ray_internals.head_processes()
    folder.name_processes(process.pid for kind in started.values() for process in kind)


def _join(address: str, *, threads: int) -> Session:
    _silence()
    threaded = {name: str(threads) for name in THREADS}
    notes = join(address, environment={**QUIET, **threaded}, init=SILENT)
    return Session(_capacity(notes), ray.shutdown)


def _silence() -> None:
    logging.getLogger("ray").setLevel(logging.ERROR)
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    ray_internals.silence_worker_logs()


def _in_one_line(error: Exception) -> str:
    """Return what Ray says of a failed start, without its advice of many lines."""
    lines = [line.strip() for line in message(error).splitlines() if line.strip()]
    first = lines[0] if lines else type(error).__name__
    return first if len(first) <= LONGEST_REASON else f"{first[:LONGEST_REASON]}…"


def _capacity(notes: Sequence[str] = (), *, scratch: Path | None = None) -> Capacity:
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


def watch_head(on_event: OnEvent) -> Callable[[], None]:
    """End this process with exit code 1 once a head process of the private Ray dies.

    Left alone, Ray freezes the driver for up to a minute and aborts it from C++, where no handler
    of ours runs.

    Args:
        on_event: Receives why the run ends.

    Returns:
        A function that stops the watch.
    """
    stopped = threading.Event()
    threading.Thread(target=_watch, args=(stopped, on_event), daemon=True).start()
    return stopped.set


def _watch(stopped: threading.Event, on_event: OnEvent) -> None:
    started = ray_internals.head_processes()
    heads = {name: started[name][0] for name in HEAD if started.get(name)}
    while not stopped.wait(HEAD_POLL_S):
        for name, process in heads.items():
            if process.poll() is not None and not stopped.is_set():
                on_event(RunLost(f"Ray's {name} died: what is finished is kept"))
                time.sleep(FLUSH_S)
                ray_internals.kill_head_processes()
                os._exit(1)  # from this thread, and before Ray aborts the process


def make_private_folder() -> PrivateFolder:
    """Make a folder for one private Ray, guarded from the start.

    Raises:
        BenchError: No folder for temporary files is writable and has a path that is short enough.
    """
    path = _root().resolve() / f"{PREFIX}{secrets.token_hex(4)}"
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", ray_cleanup.__file__, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,  # a signal to the run's whole group is not for it
    )
    try:
        path.mkdir(mode=0o700)  # after the guard: a run that is killed in between leaves nothing
    except OSError as error:
        process.kill()  # before its pipe ends: what lies there is not ours to remove
        process.communicate()
        reason = error.strerror or str(error)
        raise BenchError(f"no folder for Ray in {path.parent}: {reason}; set TMPDIR") from error
    return PrivateFolder(path, process)


@contextlib.contextmanager
def private_environment() -> Iterator[None]:
    """Set what Ray reads from the environment of this process while a private one runs.

    The token is of this Ray alone, whatever the environment says: without one, anybody who reaches
    its ports can run code.
    """
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    with _set({**PRIVATE, **token}):
        yield


@contextlib.contextmanager
def marked(folder: Path) -> Iterator[None]:
    """Mark every process that starts meanwhile, and those that it starts, as that folder's."""
    with _set({ray_cleanup.MARK: str(folder)}):
        yield


@contextlib.contextmanager
def _set(variables: Mapping[str, str], *, restored: Sequence[str] = ()) -> Iterator[None]:
    """Set variables of the environment; put them back in the end, and those named `restored`."""
    before = {name: os.environ.get(name) for name in (*variables, *restored)}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _root() -> Path:
    """Return the folder for temporary files, or /tmp where its path is too long for sockets."""
    named = Path(tempfile.gettempdir())
    room = SOCKET_BYTES - BELOW_FOLDER_BYTES - len(f"/{PREFIX}12345678")
    for root in (named, SHORT_ROOT):
        if len(os.fsencode(root.resolve())) <= room and os.access(root, os.W_OK):
            return root
    raise BenchError(
        f"the folder for temporary files, {named}, has too long a path for Ray's sockets; found: "
        f"{len(os.fsencode(named.resolve()))} bytes; allowed: {room}; set TMPDIR to a shorter one"
    )
