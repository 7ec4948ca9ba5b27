"""Addresses of clusters, what nodes say of themselves, and the code that travels to them."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.errors import BenchError
from harness.plugins import catalog
from harness.tune.cluster import join
from harness.tune.cluster.join import (
    NodeFacts,
    differences,
    find_cluster,
    incompatibilities,
    packed_code,
)

HERE = {"python": "3.11.7", "ray": "2.60.0", "torch": "2.11.0+cpu", "numpy": "2.3.1"}


@pytest.fixture
def port() -> Iterator[int]:
    """Of a server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def told(address: str) -> str:
    """What an address is answered."""
    with pytest.raises(BenchError) as raised:
        find_cluster(address)
    return str(raised.value)


@pytest.mark.parametrize("address", ["10.0.0.1", "10.0.0.1:", ":6379", "head:many", "head:70000"])
def test_an_address_needs_a_host_and_a_port(address: str) -> None:
    """Nothing is guessed."""
    assert told(address).startswith(f"--address: no host and port; found {address!r}; allowed: ")


def test_ray_client_addresses_are_refused_with_the_reason() -> None:
    """The result writer would write on the cluster's side."""
    said = told("ray://head:10001")
    assert "bench writes the results where it runs, so it runs on a node of the cluster" in said


def test_an_address_where_nothing_listens_is_told_at_once() -> None:
    """The port was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
    assert told(address) == (
        f"--address {address}: no Ray cluster at {address} (Connection refused)"
    )


def test_a_server_that_is_no_ray_is_told(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The dashboard's port and the client's are the usual mistakes."""
    monkeypatch.setattr(join, "_asked", lambda place: join.threading.Event().wait(3))
    monkeypatch.setattr(join, "ANSWERED_WITHIN_S", 0.1)
    said = told(f"127.0.0.1:{port}")
    assert "something answers there that is no Ray head node" in said
    assert "8265 is the dashboard's" in said


def test_a_machine_that_is_no_node_is_told_how_to_become_one(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray alone would look for its own node for a minute."""
    monkeypatch.setattr(join, "_asked", lambda place: {"a1" * 28})
    said = told(f"127.0.0.1:{port}")
    assert f"ray start --address=127.0.0.1:{port} --num-cpus=0" in said


def test_nodes_with_the_same_versions_fit() -> None:
    """Another build of torch, for GPUs, is the same torch."""
    node = NodeFacts("gpu1 (10.0.0.2)", {**HERE, "torch": "2.11.0+cu128"})
    assert incompatibilities(node, here=HERE) == []
    assert differences(node, here=HERE) == []


def test_another_python_ray_or_torch_is_named_with_the_node() -> None:
    """Numbers or pickles would differ."""
    node = NodeFacts("gpu1 (10.0.0.2)", {**HERE, "torch": "2.10.0+cu128", "python": "3.12.1"})
    assert incompatibilities(node, here=HERE) == [
        "gpu1 (10.0.0.2) has python 3.12.1, this machine 3.11.7",
        "gpu1 (10.0.0.2) has torch 2.10.0+cu128, this machine 2.11.0+cpu",
    ]


def test_a_package_that_a_node_lacks_is_named() -> None:
    """Before every trial fails there."""
    node = NodeFacts("gpu1 (10.0.0.2)", {k: v for k, v in HERE.items() if k != "numpy"})
    assert incompatibilities(node, here=HERE) == [
        "gpu1 (10.0.0.2) has no numpy; this machine has 2.3.1"
    ]


def test_other_versions_are_said_and_do_not_stop_a_run() -> None:
    """One line for a node."""
    node = NodeFacts("gpu1 (10.0.0.2)", {**HERE, "numpy": "2.2.0"})
    assert incompatibilities(node, here=HERE) == []
    assert differences(node, here=HERE) == [
        "other versions on gpu1 (10.0.0.2): numpy 2.2.0 (2.3.1 here)"
    ]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A user's working directory with a model, a file beside it, and what is no code."""
    for name in ("models/mine.py", "models/labels.json", "models/__pycache__/mine.pyc"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x = 1\n")
    return tmp_path


def test_our_packages_and_the_users_folders_travel(folder: Path) -> None:
    """The user's under a name that shadows nothing, without what Python makes of it."""
    with packed_code(folder) as packages:
        *ours, users = map(Path, packages)
        assert [one.name for one in ours] == ["harness", "models", "data_prep"]
        assert users.name == "bench_user"
        files = sorted(str(file.relative_to(users)) for file in users.rglob("*") if file.is_file())
        assert files == ["__init__.py", "models/labels.json", "models/mine.py"]
    assert not users.exists()


def test_a_folder_too_large_to_be_code_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Data in it would be sent to every node."""
    monkeypatch.setattr(join, "LIMIT_BYTES", 1000)
    (folder / "models" / "weights.bin").write_bytes(bytes(2000))
    with pytest.raises(BenchError, match=r"models travels .* largest file is weights\.bin"):
        packed_code(folder).__enter__()


def test_a_file_is_found_where_it_travelled_to(folder: Path) -> None:
    """A process of a node: the driver's paths mean nothing there, or something else."""
    driver = Path("/home/somebody/project/models")
    with packed_code(folder) as packages:
        places = [str(Path(one).parent) for one in packages]
        script = f"""
import sys
from pathlib import Path
sys.path[:0] = {places!r}
from harness.plugins.catalog import Entry, has_travelled, here, load
assert has_travelled()
mine = Entry("model", "mine", Path({str(driver / "mine.py")!r}), shipped=False)
vit = Entry("model", "vit", Path({str(driver / "vit.py")!r}), shipped=True)
print(load(mine).x, here(mine).file, here(vit).file)
"""
        command = [sys.executable, "-c", script]
        done = subprocess.run(command, cwd="/", capture_output=True, text=True, check=True)
        assert done.stdout.split() == [
            "1",
            f"{packages[-1]}/models/mine.py",
            str(catalog.SHIPPED / "models" / "vit.py"),
        ]


def test_on_a_machine_of_ones_own_nothing_travels() -> None:
    """An entry keeps its file."""
    vit = catalog.find("model", "vit", folder=catalog.SHIPPED)
    assert not catalog.has_travelled()
    assert catalog.here(vit) is vit
