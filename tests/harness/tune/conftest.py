"""A worker in this process: Ray's references are plain values here."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from harness.engine.results_folder import fit_tables
from harness.plugins import catalog
from harness.training.trial_rows import TrialJob
from harness.tune import trainable
from harness.tune.local import LocalActor, Value
from harness.tune.result_writer import ResultWriter, WriterSettings
from harness.tune.trainable import TrialWorker, WorkerContext
from harness.tune.worker_failures import AttemptSettings
from tests.builders import make_trial_data
from tests.plans import Plan, job_of, plan_of

MODEL = """
from math import prod
from torch import nn

def build(*, input_shape: tuple[int, ...], num_classes: int, mood: str = "calm"):
    if mood == "raises":
        raise RuntimeError("no mood for this")
    if mood == "hungry":
        raise MemoryError("no room")
    if mood == "exits":
        raise SystemExit(3)
    print("a word")
    return nn.Sequential(nn.Flatten(), nn.Linear(prod(input_shape), num_classes))
"""

FILE = """\
question: Which mood?
dataset: {name: digits}
model: {name: moody}
training: {epochs: 3, batch_size: 8, optimizer: adam, lr: 0.05}
cross_validation: {strategy: kfold, n_splits: 3}
search:
  space:
    model.mood: [calm, raises, hungry, exits]
objective: {metric: accuracy}
"""


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """Two moods of a model in the user's folder."""
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "moody.py").write_text(MODEL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(trainable, "get_data", lambda reference: reference.value)
    monkeypatch.setattr(trainable, "REPORT_EVERY_S", 60.0)  # a busy machine is not a long trial
    return plan_of(tmp_path / "rates", FILE)


@pytest.fixture
def worker(plan: Plan) -> Callable[..., tuple[TrialWorker, ResultWriter]]:
    """A worker that takes the plan's trials, and the writer that it reports to."""

    def make(
        weights: str = "best",
        *,
        tracked: bool = False,
        scheduled: bool = False,
        settings: Mapping[str, Any] = MappingProxyType({}),
        **changes: Any,
    ) -> tuple[TrialWorker, ResultWriter]:
        schemas = fit_tables(plan)[0]
        folder = plan.folder
        writer = ResultWriter(
            WriterSettings(folder, folder / "runs" / "r", schemas, {}, weights, "max", None)
        )
        trials = [_on_data(replace(job_of(plan, one), **changes)) for one in plan.trials]
        data = {"d": Value(DATA)}
        context = WorkerContext(
            Value(trials),
            Value(schemas),
            data,
            LocalActor(writer),
            AttemptSettings(folder / "under_way", **settings),
            tracked=tracked,
            scheduled=scheduled,
        )
        made = TrialWorker()
        made.setup({"index": 0}, context)
        return made, writer

    return make


DATA = make_trial_data(n_folds=2)


def _on_data(job: TrialJob) -> TrialJob:
    return replace(job, data_key="d", model=catalog.find("model", "moody"))
