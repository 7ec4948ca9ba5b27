"""Results folders of trials whose scores a test writes down, for what only reads tables."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from harness.results.column_types import param_type
from harness.results.rows import FoldPredictions, TrialRows, to_tables
from harness.results.summaries import mean_std
from harness.results.table_writer import TableWriter
from harness.results.tables import plan_schema, table_schemas

RUN = "20260101T000000-aaaa"


def fold(
    number: int,
    *,
    val: float | None = 0.5,
    test: float | None = None,
    repeat: int = 1,
    test_part: int | None = None,
    split: str = "",
    n_validation: int = 10,
    n_test: int = 10,
    n_train: int = 40,
    metric: str = "accuracy",
) -> dict[str, Any]:
    """One row of `folds`; the same split has the same hash."""
    return {
        "repeat": repeat,
        "fold": number,
        "test_part": test_part,
        "split_hash": f"{split}{repeat}-{number}",
        "n_train": n_train,
        "n_validation": n_validation,
        "n_test": n_test,
        f"val_{metric}": val,
        f"test_{metric}": test,
    }


def rotating(scores: Sequence[float], *, repeats: int = 1, **choices: Any) -> list[dict[str, Any]]:
    """Folds whose test part rotates; scores are those of test, repeat by repeat."""
    n_folds = len(scores) // repeats
    return [
        fold(i % n_folds + 1, test=score, val=score, repeat=i // n_folds + 1,
             test_part=(i + 1) % n_folds + 1, **choices)
        for i, score in enumerate(scores)
    ]  # fmt: skip


def predicted(
    right: Sequence[bool],
    *,
    ids: Sequence[str] | None = None,
    fold: int = 1,
    repeat: int = 1,
    role: str = "test",
    groups: Sequence[str] | None = None,
) -> FoldPredictions:
    """Predictions of examples whose true class is 1, right or wrong as told."""
    names = ids or [f"example-{i:03d}" for i in range(len(right))]
    return FoldPredictions(
        repeat=repeat,
        fold=fold,
        role=role,
        example_ids=list(names),
        groups=groups,
        targets=np.ones(len(right), np.int64),
        predicted=np.asarray(right, np.int64),
        probabilities=np.full((len(right), 2), 0.5, np.float32),
    )


def trial_rows(
    trial_id: str,
    folds: Sequence[Mapping[str, Any]] = (),
    *,
    status: str = "complete",
    metric: str = "accuracy",
    dataset: str = "digits",
    predictions: Sequence[FoldPredictions] = (),
    sections: Mapping[str, Mapping[str, Any]] | None = None,
    **model: Any,
) -> TrialRows:
    """A trial of a network with these hyper-parameters; sections: other parts of its config."""
    mean, std = mean_std(row[f"val_{metric}"] for row in folds)
    config = {
        "dataset": {"name": dataset},
        "model": {"name": "net", **model},
        "objective": {"metric": metric},
        **(sections or {}),
    }
    return TrialRows(
        trial={
            "trial_id": trial_id,
            "run_id": RUN,
            "status": status,
            "error": "ValueError: no" if status == "failed" else None,
            "n_repeats": len({row["repeat"] for row in folds}),
            f"val_{metric}_mean": mean,
            f"val_{metric}_std": std,
            "config": json.dumps(config),
            "data_fingerprint": "data",
            "code_fingerprint": "code",
        },
        folds=folds,
        predictions=predictions,
    )


def write_results(
    folder: Path,
    *trials: TrialRows,
    metric: str = "accuracy",
    params: Mapping[str, Sequence[Any]] | None = None,
    run: str | None = RUN,
    planned: Sequence[str] | None = None,
) -> Path:
    """Writes the trials and a run that planned them (or only `planned`)."""
    searched = params or {}
    types = {path: param_type(values) for path, values in searched.items()}
    schemas = table_schemas(metrics=(metric,), objective=metric, params=types)
    writer = TableWriter(folder, schemas)
    for rows in trials:
        writer.add(rows.trial["trial_id"], to_tables(rows, schemas))
    writer.flush()
    if run:
        _write_plan(folder / "runs" / run, trials, searched, planned)
    return folder


def _write_plan(
    folder: Path,
    trials: Sequence[TrialRows],
    searched: Mapping[str, Sequence[Any]],
    planned: Sequence[str] | None,
) -> None:
    folder.mkdir(parents=True)
    configs = {rows.trial["trial_id"]: json.loads(rows.trial["config"]) for rows in trials}
    rows = []
    for trial_id in configs if planned is None else planned:
        config = configs.get(trial_id, {})
        keys = {path: path.split(".") for path in searched}
        params = {path: config.get(a, {}).get(b) for path, (a, b) in keys.items()}
        rows.append({"trial_id": trial_id, "params": json.dumps(params)})
    pq.write_table(pa.Table.from_pylist(rows, schema=plan_schema()), folder / "plan.parquet")
