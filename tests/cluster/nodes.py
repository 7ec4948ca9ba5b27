"""A real Ray cluster on one machine: nodes in network namespaces of their own, joined by a bridge.

Every node but the first sees the project's packages, /tmp and the home folder empty, so that
nothing reaches it but through the network. The first is the driver's: it sees all files.
"""

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
PORT = 6391
STARTED_WITHIN_S = 90
_OBJECT_STORE_BYTES = 300_000_000
_STARTED_FROM = ("PATH", "LANG", "OMP_NUM_THREADS")


def why_impossible() -> str | None:
    """Why no such cluster can be made here, or None."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "network namespaces need root on Linux"
    if not (shutil.which("ip") and shutil.which("unshare")):
        return "needs the commands ip (iproute2) and unshare (util-linux)"
    probe = f"bench-{secrets.token_hex(2)}"
    made = subprocess.run(["ip", "netns", "add", probe], capture_output=True, text=True)
    subprocess.run(["ip", "netns", "delete", probe], capture_output=True)
    return made.stderr.strip() or None if made.returncode else None


@dataclass(frozen=True)
class Node:
    """One machine of the cluster, as far as network, files and host name go."""

    name: str
    namespace: str
    ip: str
    is_driver: bool

    def command(self, words: Sequence[str], *, temporary: Path) -> list[str]:
        """The words as this node would run them."""
        here = ["ip", "netns", "exec", self.namespace]
        if self.is_driver:
            return [*here, *words]
        mounts = [f"mount -t tmpfs none {folder}" for folder in _hidden(temporary)]
        script = " && ".join([*mounts, f"hostname {self.name}", "cd /", 'exec "$@"'])
        return [*here, "unshare", "--mount", "--uts", "sh", "-c", script, "sh", *words]

    def processes(self) -> list[int]:
        """Ids of everything that runs on the node."""
        listed = subprocess.run(
            ["ip", "netns", "pids", self.namespace], capture_output=True, text=True, check=True
        )
        return [int(word) for word in listed.stdout.split()]

    def die(self) -> None:
        """Ends every process of the node at once, as a power cut would."""
        for _ in range(50):
            alive = self.processes()
            if not alive:
                return
            for process in alive:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            time.sleep(0.1)

    def received_bytes(self) -> int:
        """What came in through the node's network card since it was made."""
        file = "/sys/class/net/eth0/statistics/rx_bytes"
        read = ["ip", "netns", "exec", self.namespace, "cat", file]
        return int(subprocess.run(read, capture_output=True, check=True).stdout)


def _hidden(temporary: Path) -> list[Path]:
    """What the other nodes see empty. Python and its packages may lie inside the project."""
    own = [PROJECT / name for name in ("harness", "models", "data_prep", "benchmarks", "tests")]
    below_tmp = temporary.is_relative_to("/tmp")
    return [*own, *([] if below_tmp else [temporary]), Path("/tmp"), Path("/dev/shm")]


@dataclass(frozen=True)
class Cluster:
    """Its nodes, the driver's first, and the environment that a command on it needs."""

    nodes: tuple[Node, ...]
    environment: Mapping[str, str]
    temporary: Path

    @property
    def address(self) -> str:
        """What `--address` takes."""
        return f"{self.nodes[0].ip}:{PORT}"

    def run(
        self, words: Sequence[str], *, cwd: Path, **changed: str
    ) -> subprocess.CompletedProcess[str]:
        """A command on the driver's node. changed: environment variables."""
        return subprocess.run(
            self.nodes[0].command(words, temporary=self.temporary),
            cwd=cwd,
            env={**self.environment, **changed},
            capture_output=True,
            text=True,
            timeout=280,
        )

    def start(self, words: Sequence[str], *, cwd: Path, log: Path) -> subprocess.Popen[str]:
        """The same, without waiting for its end; what it says goes into a file."""
        command = self.nodes[0].command(words, temporary=self.temporary)
        with log.open("w") as out:
            return subprocess.Popen(
                command, cwd=cwd, env=dict(self.environment), stdout=out, stderr=out, text=True
            )


@contextlib.contextmanager
def cluster(temporary: Path, *, n_nodes: int, cpus: int = 1) -> Iterator[Cluster]:
    """A cluster that demands a token; all of it is gone at the end.

    temporary: a folder that only the driver's node sees.
    """
    mark = secrets.token_hex(2)
    nodes = tuple(
        Node(f"node{i}", f"bench-{mark}-{i}", f"10.77.0.{i}", is_driver=i == 1)
        for i in range(1, n_nodes + 1)
    )
    kept = {name: os.environ[name] for name in _STARTED_FROM if name in os.environ}
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    home = {"HOME": str(temporary), "BENCH_CACHE": str(temporary / "cache")}
    made = Cluster(nodes, {**kept, **token, **home}, temporary)
    ray_files = Path("/tmp", f"bench-ray-{mark}")
    try:
        _connect(nodes, switch=f"bench-{mark}-0")
        _start_ray(made, cpus=cpus, ray_files=ray_files)
        yield made
    finally:
        for node in nodes:
            _quietly(node.die)
            _quietly(lambda node=node: _ip("netns", "delete", node.namespace))
        _quietly(lambda: _ip("netns", "delete", f"bench-{mark}-0"))
        shutil.rmtree(ray_files, ignore_errors=True)


def _connect(nodes: Sequence[Node], *, switch: str) -> None:
    """A bridge in a namespace of its own, and a cable from it to every node."""
    _ip("netns", "add", switch)
    _ip("-n", switch, "link", "add", "bridge", "type", "bridge")
    _ip("-n", switch, "link", "set", "bridge", "up")
    for number, node in enumerate(nodes, start=1):
        _ip("netns", "add", node.namespace)
        port = f"port{number}"
        ends = ["type", "veth", "peer", "name", port, "netns", switch]
        _ip("-n", node.namespace, "link", "add", "eth0", *ends)
        _ip("-n", switch, "link", "set", port, "master", "bridge")
        _ip("-n", switch, "link", "set", port, "up")
        _ip("-n", node.namespace, "address", "add", f"{node.ip}/24", "dev", "eth0")
        _ip("-n", node.namespace, "link", "set", "eth0", "up")
        _ip("-n", node.namespace, "link", "set", "lo", "up")


def _start_ray(made: Cluster, *, cpus: int, ray_files: Path) -> None:
    ray = str(Path(sys.executable).with_name("ray"))
    common = [f"--num-cpus={cpus}", "--num-gpus=0", "--disable-usage-stats"]
    common += [f"--object-store-memory={_OBJECT_STORE_BYTES}"]
    for node in made.nodes:
        place = [f"--node-ip-address={node.ip}"]
        if node.is_driver:
            head = ["--head", f"--port={PORT}", "--include-dashboard=false"]
            place += [*head, f"--temp-dir={ray_files}"]
        else:
            place += [f"--address={made.address}"]
        words = node.command([ray, "start", *place, *common], temporary=made.temporary)
        started = subprocess.run(
            words,
            env=dict(made.environment),
            capture_output=True,
            text=True,
            timeout=STARTED_WITHIN_S,
        )
        assert started.returncode == 0, started.stdout + started.stderr


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


def _quietly(act: object) -> None:
    with contextlib.suppress(subprocess.CalledProcessError):
        act()  # type: ignore[operator]
