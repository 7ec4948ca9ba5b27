"""A run in the test's own process, by code that would use Ray."""

import pytest

from harness.engine import prepare


def run_without_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    """For the duration of a test, let `run_benchmark` train here and start no Ray."""
    monkeypatch.setattr(prepare, "ON_RAY", prepare.IN_PROCESS)
