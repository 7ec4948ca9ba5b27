"""Small trials with known numbers, folders of them, and deaths while they are written."""

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from harness.results.column_types import param_type
from harness.results.rows import FoldPredictions, TrialRows, to_tables
from harness.results.table_writer import TableWriter
from harness.results.tables import TABLES, table_schemas

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
            attention=[self.attention(*key) for key in keys] if done else (),
            layers=[self.layer(*key) for key in keys] if done else (),
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

    def attention(self, repeat: int, fold: int) -> dict[str, Any]:
        """One token of one head."""
        place = {"repeat": repeat, "fold": fold, "class": "cat", "block": 1, "head": 1}
        return {**place, "token": "purr", "count": 2, "score_sum": 0.5}

    def layer(self, repeat: int, fold: int) -> dict[str, Any]:
        """One layer after the first epoch."""
        place = {"repeat": repeat, "fold": fold, "epoch": 1, "position": 1, "layer": "head"}
        return {**place, "module": "Linear", "gradient_norm": 0.25}

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


def whole(folder: Path) -> dict[str, dict[str, Any]]:
    """Trial id -> its trials row, once every table has been found to agree with it."""
    tables = {table: read_rows(folder, table) for table in TABLES}
    ids = [row["trial_id"] for row in tables["trials"]]
    assert len(ids) == len(set(ids)), "a trial has two rows"
    for trial in tables["trials"]:
        own = {
            table: [row for row in rows if row["trial_id"] == trial["trial_id"]]
            for table, rows in tables.items()
        }
        repeats = range(1, trial["n_repeats"] + 1)
        keys = [(repeat, fold) for repeat in repeats for fold in (1, 2)]
        done = trial["status"] == "complete"
        found = {
            table: sorted((row["repeat"], row["fold"]) for row in own[table])
            for table in TABLES[:-1]
        }
        assert found["epochs"] == keys
        for table in ("folds", "attention", "layers"):
            assert found[table] == (keys if done else [])
        assert found["predictions"] == ([key for key in keys for _ in range(3)] if done else [])
    known = set(ids)
    assert all(row["trial_id"] in known for rows in tables.values() for row in rows)
    return {row["trial_id"]: row for row in tables["trials"]}


def read_rows(folder: Path, table: str) -> list[dict[str, Any]]:
    """The rows as they lie on disk, read without any code of ours."""
    paths = sorted((folder / table).glob("*.parquet"))
    return [row for path in paths for row in pq.ParquetFile(path).read().to_pylist()]


class Died(BaseException):
    """Stands for SIGKILL: no handler of the code under test may catch it."""


@contextmanager
def dying_at(step: int) -> Iterator[list[str]]:
    """Dies before the file operation number `step`; yields the operations that were reached."""
    reached: list[str] = []

    def dies(name: str, real: Any) -> Any:
        def call(*arguments: Any, **keywords: Any) -> Any:
            reached.append(name)
            if len(reached) > step:
                raise Died(name)
            return real(*arguments, **keywords)

        return call

    with ExitStack() as patches:
        for name in ("replace", "unlink", "fsync"):
            patches.enter_context(patch.object(os, name, dies(name, getattr(os, name))))
        try:
            yield reached
        except Died:
            reached.append("died")


def deaths(act: Callable[[Path], None], start: Path) -> Iterator[Path]:
    """Copies of the folder `start` in which `act` died, once at each of its file operations."""
    for step in range(1000):
        folder = start.with_name(f"{start.name}-{step}")
        shutil.copytree(start, folder)
        with dying_at(step) as reached:
            act(folder)
        if "died" not in reached:
            assert step > 2, "nothing was interrupted"
            return
        yield folder
