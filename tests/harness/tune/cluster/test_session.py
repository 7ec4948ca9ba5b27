"""Starting a private Ray on a machine that makes it hard; its folder, token and settings."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.errors import BenchError
from harness.events import Note
from harness.tune.cluster import session
from harness.tune.cluster.capacity import Capacity
from harness.tune.cluster.session import (
    ATTEMPTS,
    BELOW_FOLDER_BYTES,
    PRIVATE,
    SOCKET_BYTES,
    make_private_folder,
    private_environment,
    ray_session,
)

NICENESS = "RAY_worker_niceness"  # as Ray spells it
BUSY = "The current node timed out during startup. This could happen because…\nadvice\nadvice"


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """What `ray.init` does, call by call: an error to raise, or None; None once they are used."""
    outcomes: list[Any] = []

    def init_private(folder: Any, num_cpus: int, end: Any) -> None:
        if outcomes and (error := outcomes.pop(0)) is not None:
            raise error

    monkeypatch.setattr(session, "_init_private", init_private)
    monkeypatch.setattr(session, "_capacity", lambda scratch: Capacity(2.0, 0.0, scratch=scratch))
    monkeypatch.setattr(session, "watch_head", lambda on_event: lambda: None)
    monkeypatch.setattr(session, "PAUSE_S", 0.0)
    yield outcomes


def test_a_start_that_fails_is_tried_again(starts: list[Any]) -> None:
    starts[:] = [RuntimeError(BUSY), None]
    events: list[Any] = []
    with ray_session(address=None, num_cpus=2, threads=1, on_event=events.append) as capacity:
        scratch = capacity().scratch
        assert scratch is not None and scratch.is_dir()

    assert not scratch.exists()
    assert [type(event) for event in events] == [Note]
    assert events[0].text == "Ray did not start, the machine may be busy: trying again"


def test_a_machine_on_which_ray_never_starts_is_told_in_one_sentence(
    starts: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what else can be done; nothing is left behind."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path) if len(str(tmp_path)) < 20 else None)
    starts[:] = [RuntimeError(BUSY)] * ATTEMPTS
    with (
        ray_session(address=None, num_cpus=2, threads=1, on_event=lambda _: None) as capacity,
        pytest.raises(BenchError) as told,
    ):
        capacity()

    assert str(told.value).startswith(f"Ray did not start on this machine in {ATTEMPTS} attempts")
    assert "--in-process" in str(told.value)
    assert "\n" not in str(told.value)


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


def test_the_environment_is_as_before_once_ray_has_ended(
    starts: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also the debugger that Ray sets in this process and leaves there."""
    starts[:] = [None]
    monkeypatch.delenv("PYTHONBREAKPOINT", raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    before = dict(os.environ)
    with ray_session(address=None, num_cpus=2, threads=1, on_event=lambda _: None) as capacity:
        capacity()
        os.environ["PYTHONBREAKPOINT"] = "ray.util.rpdb.set_trace"
        assert os.environ["OMP_NUM_THREADS"] == "1"

    assert dict(os.environ) == before


def test_a_raylet_that_is_early_at_its_object_store_tries_again_at_once() -> None:
    """Ray gives up on a raylet after 30 s; one whose machine is busy may try for a minute."""
    pause_ms = int(PRIVATE["RAY_raylet_client_connect_timeout_milliseconds"])
    attempts = int(PRIVATE["RAY_raylet_client_num_connect_attempts"])

    assert pause_ms <= 1000
    assert pause_ms * attempts >= 60_000


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
    monkeypatch.setattr(session, "SHORT_ROOT", tmp_path / "missing")

    with pytest.raises(BenchError, match=r"too long a path for Ray.s sockets.*set TMPDIR"):
        make_private_folder()


def test_a_folder_of_somebody_else_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = tmp_path / "bench-00000000"
    taken.mkdir()
    (taken / "theirs.txt").touch()
    monkeypatch.setattr(session, "_root", lambda: tmp_path)
    monkeypatch.setattr(session.secrets, "token_hex", lambda n: "0" * 2 * n)

    with pytest.raises(BenchError, match=r"no folder for Ray in .*: File exists; set TMPDIR"):
        make_private_folder()

    assert (taken / "theirs.txt").exists()
