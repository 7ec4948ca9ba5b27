"""The folder, the token and the settings of a Ray that one run starts for itself."""

import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.errors import BenchError
from harness.tune.cluster import guard

SOCKET_BYTES = 103  # the shortest limit of a socket's path: macOS; Linux allows 107
# What Ray appends: /session_<date>_<time>_<microseconds>_<pid>/sockets/plasma_store.<number>
BELOW_FOLDER_BYTES = len("/session_2026-01-01_00-00-00_000000_4194304/sockets/plasma_store.12")
PREFIX = "bench-"
SHORT_ROOT = Path("/tmp")

SETTINGS = {
    "RAY_worker_niceness": "0",  # Ray's 15 starves the trials on a machine that others use too
    # Ray's own limits end a start on a busy machine: 60, 30, 30 and 5 s.
    "RAY_worker_register_timeout_seconds": "300",
    "RAY_gcs_server_port_wait_time_s": "120",
    "RAY_py_gcs_connect_timeout_s": "120",
    "RAY_raylet_client_connect_timeout_milliseconds": "60000",
    # A machine that swaps answers late; the death of a process is noticed by watch_head anyway.
    "RAY_health_check_timeout_ms": "60000",
    # What libraries print goes to files of the folder; without a limit it filled a disk.
    "RAY_ROTATION_MAX_BYTES": "10000000",
    "RAY_ROTATION_BACKUP_COUNT": "1",
}


@dataclass(frozen=True)
class PrivateFolder:
    """A folder that only its owner may read, and the process that removes it at the end.

    Attributes:
        path: Absolute, short enough for the sockets that Ray puts below it.
        guard: See `harness.tune.cluster.guard`.
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


def make_private_folder() -> PrivateFolder:
    """Make a folder for one private Ray, guarded from the start.

    Raises:
        BenchError: No folder for temporary files is writable and has a path that is short enough.
    """
    path = _root().resolve() / f"{PREFIX}{secrets.token_hex(4)}"
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", guard.__file__, str(path)],
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


@contextmanager
def private_environment() -> Iterator[None]:
    """Set what Ray reads from the environment of this process while a private one runs.

    The token is of this Ray alone, whatever the environment says: without one, anybody who reaches
    its ports can run code.
    """
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    with _set({**SETTINGS, **token}):
        yield


@contextmanager
def marked(folder: Path) -> Iterator[None]:
    """Mark every process that starts meanwhile, and those that it starts, as that folder's."""
    with _set({guard.MARK: str(folder)}):
        yield


@contextmanager
def _set(variables: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
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
