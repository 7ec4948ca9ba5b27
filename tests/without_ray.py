"""A run without Ray: all of its path but Ray itself, one trial after another in this process."""

import contextlib
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from harness.tuning import executions, missing, starts, trainable
from harness.tuning.collector import Collector
from harness.tuning.machines.session import Capacity
from harness.tuning.recovery import keeper
from harness.tuning.recovery.retry import Terms
from harness.tuning.sweep import SweepEnd, SweepRequest
from harness.tuning.trainable import Shared, TrialTrainable


def run_without_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    """For the duration of a test, `run_benchmark` trains here and starts no Ray."""
    monkeypatch.setattr(missing, "ray_session", _session)
    monkeypatch.setattr(missing, "run_sweep", _sweep)
    monkeypatch.setattr(starts, "in_worker", _pretrain)
    for module in (executions, keeper, trainable):
        monkeypatch.setattr(module, "ray", SimpleNamespace(get=_itself))
    monkeypatch.setattr(trainable, "_fetch", _itself)


class _Actor:
    """Answers `actor.method.remote(...)` with what the method returns."""

    def __init__(self, target: Any) -> None:
        self._target = target

    def __getattr__(self, name: str) -> Any:
        return SimpleNamespace(remote=getattr(self._target, name))


def _itself(value: Any, get: Any = None) -> Any:
    return value


@contextlib.contextmanager
def _session(**ignored: Any) -> Iterator[Any]:
    yield lambda: Capacity(cpus=1.0, gpus=0.0)


def _pretrain(task: Any, data: Any, checkpoint: bytes | None, *, gpu: float) -> Iterator[Any]:
    return starts.pretraining_steps(task, data, checkpoint)


def _sweep(request: SweepRequest, **ignored: Any) -> SweepEnd:
    collector = Collector(request.settings)
    shared = Shared(
        trials=request.trials,
        schemas=request.settings.schemas,
        data=request.data,
        collector=_Actor(collector),
        terms=Terms(request.settings.run_folder / "under_way"),
        weights=request.weights,
    )
    statuses = {
        trial.job.trial_id: _last_words(index, shared)["status"]
        for index, trial in enumerate(request.trials)
    }
    return SweepEnd(statuses, interrupted=False, write_error=collector.close())


def _last_words(index: int, shared: Shared) -> dict[str, Any]:
    """What Tune hears last of a trial, stepped through as Tune would."""
    worker = object.__new__(TrialTrainable)  # its __init__ belongs to Tune
    worker.setup({"index": index}, shared)
    while not (said := worker.step()).get("done"):
        pass
    return said
