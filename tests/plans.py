"""Plans of a tiny benchmark against tables written by hand, without torch and without Ray."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from harness.config.benchmark import BenchmarkSpec
from harness.config.read import parse_benchmark
from harness.engine.jobs import Provenance, trial_job
from harness.engine.plan import Plan, PlannedTrial, make_plan
from harness.engine.results_folder import run_schemas
from harness.results.rows import FoldPredictions, TrialRows, to_tables
from harness.results.schema_migration import widen
from harness.results.summaries import metric_summary
from harness.results.table_writer import TableWriter
from harness.training.trial_rows import TrialJob, ended_rows, failed_rows, identity

FILE = """\
question: Which rate?
dataset: {name: digits}
model: {name: linear}
training: {epochs: 2, batch_size: 32, optimizer: adam}
cross_validation: {strategy: stratified, n_splits: 4}
search:
  space:
    training.lr: [0.1, 0.2, 0.3]
objective: {metric: accuracy}
"""


def read(text: str = FILE, *overrides: str) -> BenchmarkSpec:
    """The benchmark `rates` in this text."""
    return parse_benchmark(text, file="rates.yaml", overrides=overrides)


def plan_of(
    folder: Path,
    text: str = FILE,
    *,
    overrides: Sequence[str] = (),
    data: str = "d",
    **options: Any,
) -> Plan:
    """Its plan against what the folder holds; `data` stands for the raw files' contents."""
    return make_plan(
        read(text, *overrides), folder, data_fingerprint=lambda resolved: data, **options
    )


def job_of(plan: Plan, trial: PlannedTrial, **changes: Any) -> TrialJob:
    """The job of a trial that knows nothing of earlier folds."""
    given: dict[str, Any] = {
        "run_id": "run-1",
        "param_paths": list(trial.resolved.params),
        "device": "cpu",
        "previous_folds": (),
        "provenance": Provenance("abc1234", "{}"),
        "counts": None,
    }
    return trial_job(plan, trial, **given | changes)


def write_trials(plan: Plan, statuses: Mapping[int, str], **changes: Any) -> None:
    """Writes a row for each named place of the plan; what has rows already is replaced."""
    schemas = widen(plan.folder, run_schemas(plan))
    writer = TableWriter(plan.folder, schemas)
    for place, status in statuses.items():
        trial = plan.trials[place]
        rows = rows_of(plan, trial, status, **changes)
        writer.add(trial.trial_id, to_tables(rows, schemas), replace=trial.status is not None)
    writer.close()


def rows_of(plan: Plan, trial: PlannedTrial, status: str, *, predictions: bool = True) -> TrialRows:
    """A trial of two folds and three examples, of which two are right in each fold."""
    job = replace(job_of(plan, trial), attempt=trial.attempt + 1)
    if status == "failed":
        return failed_rows(job, "RuntimeError: no mood", ())
    if status != "complete":
        return ended_rows(job, status, ())
    keys = [(repeat, fold) for repeat in range(1, plan.spec.repeats + 1) for fold in (1, 2)]
    folds = [
        {
            **{"repeat": repeat, "fold": fold, "split_hash": f"{repeat}-{fold}"},
            **{"n_train": 6, "n_validation": 3, "n_test": 0},
            **{"val_accuracy": 2 / 3, "fit_time_s": 1.0},
        }
        for repeat, fold in keys
    ]
    made = {
        **identity(job, status, started_at=None).cells(),
        **metric_summary(folds, ("accuracy",)),
        "n_repeats": plan.spec.repeats,
        "class_names": '["a", "b"]',
        "fit_time_s": 1.0 * len(folds),
    }
    blocks = [_predictions(*key) for key in keys] if predictions else []
    return TrialRows(made, folds=folds, predictions=blocks)


def _predictions(repeat: int, fold: int) -> FoldPredictions:
    return FoldPredictions(
        repeat=repeat,
        fold=fold,
        role="validation",
        example_ids=["a", "b", "c"],
        groups=None,
        targets=np.array([0, 1, 1]),
        predicted=np.array([0, 1, 0]),
        probabilities=np.array([[0.75, 0.25], [0.25, 0.75], [0.5, 0.5]], np.float32),
    )
