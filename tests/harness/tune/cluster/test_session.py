"""Starting a private Ray on a machine that makes it hard."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.errors import BenchError
from harness.events import Note
from harness.tune.cluster import session
from harness.tune.cluster.capacity import Capacity
from harness.tune.cluster.session import ATTEMPTS, ray_session

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
