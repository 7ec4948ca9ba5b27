"""Results folders with numbers chosen by hand, written as a run writes them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from harness.report.benchmark_results import BenchmarkResults
from harness.report.load import load_benchmark_results
from harness.results.column_types import param_type
from harness.results.rows import FoldPredictions, TrialRows, to_tables
from harness.results.runs import write_run
from harness.results.table_writer import TableWriter
from harness.results.tables import table_schemas

FILE = """
question: Do more heads help <b>here</b>?
dataset: {name: digits}
model: {name: vit}
training: {epochs: 2, batch_size: 8, optimizer: adam, lr: 0.01}
cross_validation: {strategy: stratified, n_splits: 3}
search:
  space:
    model.num_heads: [1, 2, 4]
objective: {metric: accuracy}
"""
SCHEMAS = table_schemas(
    metrics=("accuracy",), objective="accuracy", params={"model.num_heads": param_type([1, 2, 4])}
)
PROBABILITIES = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.7, 0.3]], np.float32)
TARGETS = np.array([0, 1, 1, 0])
RUN = "20260101T000000-0001"


class Trial(NamedTuple):
    """One trial: its validation score in each fold, its test scores where they differ from these.

    80 examples train, 40 validate, 40 test in each fold; the test part rotates unless said: then
    it is `test_part`.
    """

    heads: int
    val: Sequence[float] = ()
    test: Sequence[float] | None = None
    status: str = "complete"
    rotates: bool = True
    test_part: int = 1
    row: Mapping[str, Any] = {}
    predictions: Sequence[FoldPredictions] | None = None

    @property
    def trial_id(self) -> str:
        """Sixteen digits that begin with the heads."""
        return f"{self.heads}".ljust(16, "0")


def results_of(folder: Path, *trials: Trial, text: str = FILE, **choices: Any) -> BenchmarkResults:
    """The results of a folder that holds these trials; all are planned."""
    return load_benchmark_results(make_results(folder, *trials, text=text), **choices)


def make_results(
    folder: Path, *trials: Trial, text: str = FILE, planned: Sequence[Trial] = ()
) -> Path:
    """Writes `digits/` with a run and these trials; `planned` adds trials that have no row."""
    results = folder / "digits"
    write_run(results, RUN, resolved=text, record={"plan": _plan([*trials, *planned])},
              read={"data_card.json": {"digits": CARD}})  # fmt: skip
    writer = TableWriter(results, SCHEMAS)
    for trial in trials:
        writer.add(trial.trial_id, to_tables(_rows(trial), SCHEMAS))
    if trials:
        writer.flush()
    return results


CARD = {
    "n_examples": 120,
    "input_shape": [1, 8, 8],
    "counts": {"cat": 70, "dog": 50},
    "folds": [{"repeat": 1, "fold": 1, "test_part": 2, "counts": {
        "train": {"cat": 50, "dog": 30}, "validation": {"cat": 20, "dog": 20}}}],
    "n_duplicates": 0,
    "examples": {"cat": ["a"], "dog": ["b"]},
}  # fmt: skip


def _plan(trials: Sequence[Trial]) -> list[dict[str, Any]]:
    return [{"trial_id": one.trial_id, "params": json.dumps({"model.num_heads": one.heads}),
             "state": "missing"} for one in trials]  # fmt: skip


def _rows(trial: Trial) -> TrialRows:
    done = trial.status == "complete"
    test = trial.val if trial.test is None else trial.test
    folds = [
        {"repeat": 1, "fold": fold, "test_part": fold % 3 + 1 if trial.rotates else trial.test_part,
         "n_train": 80, "n_validation": 40, "n_test": 40, "val_accuracy": val,
         "test_accuracy": tested, "val_loss": 1 - val}
        for fold, (val, tested) in enumerate(zip(trial.val, test, strict=True), start=1)
    ]  # fmt: skip
    return TrialRows(
        trial={
            "trial_id": trial.trial_id, "benchmark": "digits", "run_id": RUN,
            "status": trial.status, "n_folds": len(folds), "n_repeats": 1,
            "val_accuracy_mean": float(np.mean(trial.val)) if done else None,
            "class_names": json.dumps(["cat", "dog"]), "selected_on": "best",
            "config": json.dumps({"dataset": {"name": "digits"},
                                  "model": {"name": "vit", "num_heads": trial.heads},
                                  "objective": {"metric": "accuracy"}}),
            **trial.row,
        },
        folds=folds if done else (),
        epochs=[{"stage": "training", "repeat": 1, "fold": fold, "epoch": epoch,
                 "val_accuracy": val / (3 - epoch), "val_loss": 1.0 / epoch, "train_loss": 0.5,
                 "train_accuracy": 1.0}
                for fold, val in enumerate(trial.val, start=1) for epoch in (1, 2)],
        predictions=_predictions(trial) if done else (),
    )  # fmt: skip


def _predictions(trial: Trial) -> Sequence[FoldPredictions]:
    if trial.predictions is not None:
        return trial.predictions
    return [FoldPredictions(1, 1, "test", ["a", "b", "c", "d"], None, TARGETS,
                            PROBABILITIES.argmax(1), PROBABILITIES)]  # fmt: skip
