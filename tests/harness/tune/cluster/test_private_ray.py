"""The folder, the token and the settings of a private Ray."""

import os
import tempfile
from pathlib import Path

import pytest

from harness.errors import BenchError
from harness.tune.cluster import private_ray
from harness.tune.cluster.private_ray import (
    BELOW_FOLDER_BYTES,
    SOCKET_BYTES,
    make_private_folder,
    private_environment,
)

NICENESS = "RAY_worker_niceness"  # as Ray spells it


def test_the_token_is_new_for_each_ray_and_gone_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the environment says; what it said is back at the end."""
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.delenv("RAY_AUTH_TOKEN", raising=False)
    tokens = set()
    for _ in range(2):
        with private_environment():
            assert os.environ["RAY_AUTH_MODE"] == "token"
            tokens.add(os.environ["RAY_AUTH_TOKEN"])

    assert len(tokens) == 2
    assert os.environ["RAY_AUTH_MODE"] == "disabled"
    assert "RAY_AUTH_TOKEN" not in os.environ


def test_trials_are_not_slowed_beside_other_programs() -> None:
    with private_environment():
        assert os.environ[NICENESS] == "0"


def test_a_long_temporary_path_is_left_for_a_short_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = tmp_path / ("long" * 30)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    folder = make_private_folder()
    folder.remove()

    assert len(os.fsencode(folder.path)) + BELOW_FOLDER_BYTES <= SOCKET_BYTES


def test_a_machine_without_a_short_path_is_refused_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = tmp_path / ("long" * 30)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    monkeypatch.setattr(private_ray, "SHORT_ROOT", tmp_path / "missing")

    with pytest.raises(BenchError, match=r"too long a path for Ray.s sockets.*set TMPDIR"):
        make_private_folder()


def test_a_folder_of_somebody_else_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = tmp_path / "bench-00000000"
    taken.mkdir()
    (taken / "theirs.txt").touch()
    monkeypatch.setattr(private_ray, "_root", lambda: tmp_path)
    monkeypatch.setattr(private_ray.secrets, "token_hex", lambda n: "0" * 2 * n)

    with pytest.raises(BenchError, match=r"no folder for Ray in .*: File exists; set TMPDIR"):
        make_private_folder()

    assert (taken / "theirs.txt").exists()
