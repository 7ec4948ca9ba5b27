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
from types import MappingProxyType

PROJECT = Path(__file__).resolve().parents[2]
PORT = 6391
STARTED_WITHIN_S = 90
_OBJECT_STORE_BYTES = 300_000_000
_STARTED_FROM = ("PATH", "LANG", "OMP_NUM_THREADS", "PYTHONPATH")


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

    def files(self, pattern: str) -> list[str]:
        """What the node's raylet sees where this machine would see `pattern`, an absolute one."""
        process = next(one for one in self.processes() if _program(one) == "raylet")
        root = Path(f"/proc/{process}/root")
        return [str(file) for file in root.glob(pattern.lstrip("/"))]

    def received_bytes(self) -> int:
        """What came in through the node's network card since it was made."""
        file = "/sys/class/net/eth0/statistics/rx_bytes"
        read = ["ip", "netns", "exec", self.namespace, "cat", file]
        return int(subprocess.run(read, capture_output=True, check=True).stdout)


def _program(process: int) -> str:
    try:
        return Path(f"/proc/{process}/comm").read_text().strip()
    except OSError:
        return ""


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
    cpus: int
    ray_files: Path

    @property
    def for_all(self) -> Path:
        """A folder that every node sees."""
        return Path("/var/tmp", self.ray_files.name)

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

    def start_ray(
        self, node: Node, *, pretending: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        """Makes the node part of the cluster, also again after its death.

        pretending: package -> version that seems to be installed there.
        """
        ray = str(Path(sys.executable).with_name("ray"))
        words = [ray, "start", f"--node-ip-address={node.ip}", f"--num-cpus={self.cpus}"]
        words += ["--num-gpus=0", f"--object-store-memory={_OBJECT_STORE_BYTES}"]
        words += ["--disable-usage-stats"]
        if node.is_driver:
            words += ["--head", f"--port={PORT}", "--include-dashboard=false"]
            words += [f"--temp-dir={self.ray_files}"]
        else:
            words += [f"--address={self.address}"]
        started = subprocess.run(
            node.command(words, temporary=self.temporary),
            env={**self.environment, "PYTHONPATH": _packages(self.for_all, pretending)},
            capture_output=True,
            text=True,
            timeout=STARTED_WITHIN_S,
        )
        assert started.returncode == 0, started.stdout + started.stderr


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
    made = Cluster(
        nodes, {**kept, **token, **home}, temporary, cpus, Path(f"/tmp/bench-ray-{mark}")
    )
    try:
        _connect(nodes, switch=f"bench-{mark}-0")
        for node in nodes:
            made.start_ray(node)
        yield made
    finally:
        for node in nodes:
            _quietly(node.die)
            _quietly(lambda node=node: _ip("netns", "delete", node.namespace))
        _quietly(lambda: _ip("netns", "delete", f"bench-{mark}-0"))
        for folder in (made.ray_files, made.for_all):
            shutil.rmtree(folder, ignore_errors=True)


def _packages(folder: Path, versions: Mapping[str, str]) -> str:
    """Nothing but what the metadata of installed packages would say."""
    for name, version in versions.items():
        metadata = folder / f"{name}-{version}.dist-info" / "METADATA"
        metadata.parent.mkdir(parents=True, exist_ok=True)
        metadata.write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    return str(folder) if versions else ""


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


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


def _quietly(act: object) -> None:
    with contextlib.suppress(subprocess.CalledProcessError):
        act()  # type: ignore[operator]
