"""Small trials with known numbers, and a folder of them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from harness.results.rows import FoldPredictions, TrialRows, to_tables
from harness.results.schema import param_type, table_schemas
from harness.results.write import TableWriter

PROBABILITIES = np.array([[0.75, 0.25], [0.25, 0.75], [0.5, 0.5]], np.float32)


class Builder:
    """Makes trials of two folds and three examples; what they hold follows from the arguments."""

    schemas = table_schemas(
        metrics=("accuracy",), objective="accuracy", params={"model.width": param_type([8, 16])}
    )

    def rows(
        self,
        trial_id: str,
        *,
        repeats: tuple[int, ...] = (1,),
        status: str = "complete",
        accuracy: float = 0.5,
        width: Any = 8,
        **trial: Any,
    ) -> TrialRows:
        """A complete trial has rows in all tables; another has a trials row and epochs alone."""
        keys = [(repeat, fold) for repeat in repeats for fold in (1, 2)]
        folds = [
            {"repeat": repeat, "fold": fold, "val_accuracy": accuracy, "train_accuracy": 1.0}
            for repeat, fold in keys
        ]
        done = status == "complete"
        return TrialRows(
            trial={
                "trial_id": trial_id,
                "status": status,
                "n_repeats": max(repeats),
                "val_accuracy_mean": accuracy if done else None,
                "config": json.dumps({"model": {"name": "net", "width": width}}),
                **trial,
            },
            folds=folds if done else (),
            epochs=[
                {"stage": "training", "repeat": repeat, "fold": fold, "epoch": 1, "lr": 0.1}
                for repeat, fold in keys
            ],
            predictions=[self.predictions(*key) for key in keys] if done else (),
        )

    def predictions(self, repeat: int, fold: int, role: str = "validation") -> FoldPredictions:
        """Three examples of two classes: the last one's true class is 1, 0 is predicted."""
        return FoldPredictions(
            repeat=repeat,
            fold=fold,
            role=role,
            example_ids=["a", "b", "c"],
            groups=None,
            targets=np.array([0, 1, 1]),
            predicted=np.array([0, 1, 0]),
            probabilities=PROBABILITIES,
        )

    def tables(
        self, trial_id: str, *, schemas: Mapping[str, pa.Schema] | None = None, **choices: Any
    ) -> dict[str, pa.Table]:
        """The same as Arrow tables."""
        return to_tables(self.rows(trial_id, **choices), schemas or self.schemas)

    def write(self, folder: Path, *trial_ids: str, **choices: Any) -> None:
        """Writes each trial to a part of its own."""
        writer = TableWriter(folder, choices.get("schemas") or self.schemas)
        for trial_id in trial_ids:
            writer.add(trial_id, self.tables(trial_id, **choices))
            writer.flush()


@pytest.fixture
def build() -> Builder:
    return Builder()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a benchmark's results lie."""
    return tmp_path / "results" / "digits"
