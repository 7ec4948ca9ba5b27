"""A sweep over three nodes that share no file: the same tables as on one, whatever dies."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest

from tests.cluster.nodes import PROJECT, Cluster, Node, cluster, why_impossible
from tests.cluster.user_folder import DATA_BYTES, N_TRIALS, make_user_folder
from tests.commands import BENCH
from tests.kill.sweeps import assert_same_results

pytestmark = [pytest.mark.all, pytest.mark.ray, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three machines of one core each."""
    if reason := why_impossible():
        pytest.skip(f"no cluster can be made here: {reason}")
    with cluster(tmp_path_factory.mktemp("cluster"), n_nodes=3) as made:
        yield made


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory, nodes: Cluster) -> Path:
    """The tables of the same sweep on the driver's machine alone."""
    folder = make_user_folder(tmp_path_factory.mktemp("local"))
    done = nodes.run([*BENCH, "run", "sweep", "--quiet"], cwd=folder)
    assert done.returncode == 0, done.stderr
    return tables_of(folder)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A user's working directory, which only the first node has."""
    return make_user_folder(tmp_path)


def test_the_nodes_share_no_file(nodes: Cluster) -> None:
    """Otherwise the tests below would show nothing."""
    for node in nodes.nodes[1:]:
        assert node.files(str(PROJECT / "harness" / "*")) == []
        assert node.files(f"{nodes.temporary}*") == []


def test_the_tables_are_those_of_one_machine_and_every_node_trained(
    nodes: Cluster, folder: Path, local: Path
) -> None:
    """The user's own model, on machines that have neither its file nor ours."""
    done = nodes.run([*BENCH, "run", "sweep", "--address", nodes.address], cwd=folder)
    assert done.returncode == 0, done.stderr
    assert_same_results(tables_of(folder), local)
    trained = trials_by_address(folder)
    assert sum(trained.values()) == N_TRIALS
    assert set(trained) == {node.ip for node in nodes.nodes}


def test_the_data_crosses_the_network_once_per_node(nodes: Cluster, tmp_path: Path) -> None:
    """However many trials a node trains on it."""
    folder = make_user_folder(tmp_path, dataset="noise")
    before = [node.received_bytes() for node in nodes.nodes]
    done = nodes.run([*BENCH, "run", "sweep", "--address", nodes.address], cwd=folder)
    assert done.returncode == 0, done.stderr
    driver, *others = [
        (node.received_bytes() - past) / DATA_BYTES
        for node, past in zip(nodes.nodes, before, strict=True)
    ]
    trained = trials_by_address(folder)
    assert all(trained[node.ip] >= 2 for node in nodes.nodes[1:]), trained
    assert all(1.0 < one < 1.3 for one in others), others
    assert driver < 0.3


def test_a_node_that_dies_loses_nothing(nodes: Cluster, folder: Path, local: Path) -> None:
    """Its trial is trained again elsewhere; what it had finished stays."""
    log, dying = folder / "log.txt", nodes.nodes[2]
    command = [*BENCH, "run", "sweep", "--address", nodes.address]
    running = nodes.start(command, cwd=folder, log=log)
    try:
        _wait_until(lambda: finished(folder) >= 2 and is_training(dying), log)
        dying.die()
        assert running.wait(timeout=250) == 0, log.read_text()
    finally:
        running.kill()
        nodes.start_ray(dying)
    assert_same_results(tables_of(folder), local)
    attempts = pd.read_parquet(tables_of(folder) / "trials")["attempt"]
    assert sorted(attempts) == [1] * (N_TRIALS - 1) + [2]


def test_a_wrong_token_is_told_in_words(nodes: Cluster, folder: Path) -> None:
    """Ray alone tries it for twenty seconds and ends in a traceback."""
    said = refused(nodes, folder, RAY_AUTH_TOKEN="0" * 64)
    assert f"--address {nodes.address}: the cluster refuses this token" in said


def test_an_address_where_nothing_listens_is_told(nodes: Cluster, folder: Path) -> None:
    """Ray alone waits for forty seconds."""
    address = f"{nodes.nodes[1].ip}:6000"
    said = refused(nodes, folder, address=address)
    assert f"--address {address}: no Ray cluster at {address} (Connection refused)" in said


def test_more_cores_than_any_node_has_are_told_at_their_line(nodes: Cluster, folder: Path) -> None:
    """Ray would wait for them for ever."""
    file = folder / "sweep.yaml"
    file.write_text(file.read_text() + "resources: {cpu: 2}\n")
    said = refused(nodes, folder)
    assert (
        "sweep.yaml:8: resources.cpu: no node has so many cores; found 2; allowed: up to 1" in said
    )


def test_another_torch_on_a_node_is_named(nodes: Cluster, folder: Path) -> None:
    """Before a trial fails there."""
    other = nodes.nodes[1]
    other.die()
    nodes.start_ray(other, pretending={"torch": "1.0.0"})
    try:
        said = refused(nodes, folder)
    finally:
        other.die()
        nodes.start_ray(other)
    assert f"{other.name} ({other.ip}) has torch 1.0.0, this machine" in said


def tables_of(folder: Path) -> Path:
    """Where the sweep's tables lie."""
    return folder / "results" / "sweep"


def trials_by_address(folder: Path) -> dict[str, int]:
    """Address of a node -> how many trials say in their logs that they ran there."""
    logs = (tables_of(folder) / "runs").glob("*/logs/*.txt")
    first = [log.read_text().splitlines()[0] for log in logs]  # runs on NAME (ADDRESS)
    counts = pd.Series([line.rpartition("(")[2].rstrip(")") for line in first]).value_counts()
    return {str(address): int(count) for address, count in counts.items()}


def refused(nodes: Cluster, folder: Path, *, address: str = "", **environment: str) -> str:
    """What a run says that ends with exit code 2 and writes no table."""
    command = [*BENCH, "run", "sweep", "--address", address or nodes.address]
    done = nodes.run(command, cwd=folder, **environment)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert not (folder / "results").exists()
    return done.stderr


def finished(folder: Path) -> int:
    """How many trials are in the tables."""
    parts = (tables_of(folder) / "trials").glob("*.parquet")
    return sum(len(pd.read_parquet(part, columns=["trial_id"])) for part in parts)


def is_training(node: Node) -> bool:
    """Whether a trial is under way there: its log lies in the node's temporary folder."""
    return bool(node.files("/tmp/bench-logs-*/*.txt"))


def _wait_until(happened: Callable[[], bool], log: Path) -> None:
    deadline = time.monotonic() + 150
    while not happened():
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)
