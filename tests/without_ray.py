"""A run in the test's own process, by code that would use Ray."""

from collections.abc import Iterator
from typing import Any

import pytest

from harness.tuning import missing, starts
from harness.tuning.in_process import no_session, run_in_process


def run_without_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    """For the duration of a test, let `run_benchmark` train here and start no Ray."""
    monkeypatch.setattr(missing, "ray_session", no_session)
    monkeypatch.setattr(missing, "run_sweep", run_in_process)
    monkeypatch.setattr(starts, "in_worker", _pretrain)


def _pretrain(task: Any, data: Any, checkpoint: bytes | None, *, gpu: float) -> Iterator[Any]:
    return starts.pretraining_steps(task, data, checkpoint)
