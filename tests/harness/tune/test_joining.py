"""Addresses of clusters, and what nodes say of themselves."""

import socket
from collections.abc import Iterator

import pytest

from harness.errors import BenchError
from harness.tune.cluster import join
from harness.tune.cluster.join import NodeFacts, differences, find, misfits

HERE = {"python": "3.11.7", "ray": "2.60.0", "torch": "2.11.0+cpu", "numpy": "2.3.1"}


@pytest.fixture
def port() -> Iterator[int]:
    """Of a server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def told(address: str) -> str:
    """What an address is answered."""
    with pytest.raises(BenchError) as raised:
        find(address)
    return str(raised.value)


@pytest.mark.parametrize("address", ["10.0.0.1", "10.0.0.1:", ":6379", "head:many", "head:70000"])
def test_an_address_needs_a_host_and_a_port(address: str) -> None:
    """Nothing is guessed."""
    assert told(address).startswith(f"--address: no host and port; found {address!r}; allowed: ")


def test_ray_client_addresses_are_refused_with_the_reason() -> None:
    """The collector would write on the cluster's side."""
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
    assert misfits(node, here=HERE) == []
    assert differences(node, here=HERE) == []


def test_another_python_ray_or_torch_is_named_with_the_node() -> None:
    """Numbers or pickles would differ."""
    node = NodeFacts("gpu1 (10.0.0.2)", {**HERE, "torch": "2.10.0+cu128", "python": "3.12.1"})
    assert misfits(node, here=HERE) == [
        "gpu1 (10.0.0.2) has python 3.12.1, this machine 3.11.7",
        "gpu1 (10.0.0.2) has torch 2.10.0+cu128, this machine 2.11.0+cpu",
    ]


def test_a_package_that_a_node_lacks_is_named() -> None:
    """Before every trial fails there."""
    node = NodeFacts("gpu1 (10.0.0.2)", {k: v for k, v in HERE.items() if k != "numpy"})
    assert misfits(node, here=HERE) == ["gpu1 (10.0.0.2) has no numpy; this machine has 2.3.1"]


def test_other_versions_are_said_and_do_not_stop_a_run() -> None:
    """One line for a node."""
    node = NodeFacts("gpu1 (10.0.0.2)", {**HERE, "numpy": "2.2.0"})
    assert misfits(node, here=HERE) == []
    assert differences(node, here=HERE) == [
        "other versions on gpu1 (10.0.0.2): numpy 2.2.0 (2.3.1 here)"
    ]
