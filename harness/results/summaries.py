"""Numbers over folds, repeats and trials: a trial's means, and how a plan stands."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import BenchError
from harness.results.integrity import lost_rows
from harness.results.parquet_parts import read_file, read_schema
from harness.results.table_reader import parts
from harness.results.tables import SPLITS, STATUSES

if TYPE_CHECKING:
    import pandas as pd

_RANKED = ("status", "n_folds", "n_repeats", "n_parameters", "fit_time_s", "error", "findings")


def mean_std(values: Iterable[float | None]) -> tuple[float | None, float | None]:
    """Return mean and sample standard deviation (ddof 1), which one value does not have.

    Both are None where there is no value, or any is None or nan: a mean over some of the folds
    would be another quantity.
    """
    numbers = [math.nan if value is None else float(value) for value in values]
    if not numbers or any(math.isnan(number) for number in numbers):
        return None, None
    mean = math.fsum(numbers) / len(numbers)
    if len(numbers) == 1:
        return mean, None
    squares = math.fsum((number - mean) ** 2 for number in numbers)
    return mean, math.sqrt(squares / (len(numbers) - 1))


def metric_summary(
    fold_rows: Sequence[Mapping[str, Any]], metrics: Sequence[str]
) -> dict[str, float | None]:
    """Summarize metrics over all folds and repeats of a trial.

    Args:
        fold_rows: Rows of `folds`; a column that is absent counts as null.
        metrics: The metrics.

    Returns:
        The columns `{train,val,test}_<metric>_{mean,std}` of a trials row.
    """
    summary: dict[str, float | None] = {}
    for name in (f"{split}_{metric}" for split in SPLITS for metric in metrics):
        values = [row.get(name) for row in fold_rows]
        summary[f"{name}_mean"], summary[f"{name}_std"] = mean_std(values)
    return summary


def loss_summary(fold_rows: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
    """Summarize losses in the same way: the columns `{train,val,test}_loss_mean`."""
    names = [f"{split}_loss" for split in SPLITS]
    return {f"{name}_mean": mean_std(row.get(name) for row in fold_rows)[0] for name in names}


def rank(trials: "pd.DataFrame", objective: str, mode: str) -> "pd.DataFrame":
    """Return the complete trials by validation mean of the objective, best first.

    Ties go by trial id; trials whose mean is null come last.

    Args:
        trials: Rows of `trials`.
        objective: The metric.
        mode: `max` or `min`.

    Raises:
        BenchError: The objective has no column.
    """
    column = f"val_{objective}_mean"
    if column not in trials.columns:
        raise BenchError(f"these results have no column {column}")
    complete = trials[trials["status"] == "complete"].sort_values("trial_id")
    ranked = complete.sort_values(
        column, ascending=mode == "min", kind="stable", na_position="last"
    )
    return ranked.reset_index(drop=True)


@dataclass(frozen=True)
class RankedTrial:
    """One trial of a plan as the summary shows it; numbers are None where it is not complete.

    Attributes:
        validation: Mean of the objective over folds and repeats.
        validation_std: Its standard deviation, ddof 1.
        test: The same on the test examples.
        test_std: Its standard deviation.
    """

    trial_id: str
    status: str
    params: Mapping[str, Any]
    validation: float | None
    validation_std: float | None
    test: float | None
    test_std: float | None
    n_parameters: int | None
    fit_time_s: float | None
    error: str | None
    findings: str | None


@dataclass(frozen=True)
class Summary:
    """How a plan stands: its trials by status.

    Attributes:
        missing: Trials without a row, or whose rows are gone.
        best: The complete trial with the best validation mean.
        ranking: All trials that have rows, best first.
        results: The results folder.
    """

    trials: int
    complete: int
    failed: int
    pruned: int
    interrupted: int
    missing: int
    objective: str
    best: RankedTrial | None
    ranking: tuple[RankedTrial, ...]
    results: str


def summarize(folder: Path, trial_ids: Sequence[str], *, objective: str, mode: str) -> Summary:
    """Return the state of these trials in the tables of `folder`, ranked by validation."""
    ranked = _ranked(_rows(folder, objective), trial_ids, objective=objective, mode=mode)
    complete = [trial for trial in ranked if trial.status == "complete"]
    counts = {status: sum(trial.status == status for trial in ranked) for status in STATUSES}
    return Summary(
        trials=len(trial_ids),
        **counts,
        missing=len(trial_ids) - len(ranked),
        objective=objective,
        best=complete[0] if complete else None,
        ranking=tuple(ranked),
        results=str(folder),
    )


def _rows(folder: Path, objective: str) -> dict[str, dict[str, Any]]:
    numbers = [f"{role}_{objective}_{end}" for role in ("val", "test") for end in ("mean", "std")]
    rows: dict[str, dict[str, Any]] = {}
    for part in parts(folder, "trials"):
        params = [name for name in read_schema(part).names if name.startswith("params.")]
        columns = ["trial_id", *_RANKED, *numbers, *params]
        rows |= {row["trial_id"]: row for row in read_file(part, columns).to_pylist()}
    lost = lost_rows(folder)
    return {trial_id: row for trial_id, row in rows.items() if trial_id not in lost}


def _ranked(
    rows: Mapping[str, Mapping[str, Any]],
    trial_ids: Sequence[str],
    *,
    objective: str,
    mode: str,
) -> list[RankedTrial]:
    trials = [_trial(rows[id_], objective) for id_ in trial_ids if id_ in rows]
    sign = -1.0 if mode == "max" else 1.0

    def place(trial: RankedTrial) -> tuple[bool, float]:
        done = trial.status == "complete" and trial.validation is not None
        return (not done, sign * (trial.validation or 0.0) if done else 0.0)

    return sorted(trials, key=place)


def _trial(row: Mapping[str, Any], objective: str) -> RankedTrial:
    params = {
        name.removeprefix("params."): value
        for name, value in row.items()
        if name.startswith("params.")
    }
    return RankedTrial(
        trial_id=row["trial_id"],
        status=row["status"],
        params=params,
        validation=row.get(f"val_{objective}_mean"),
        validation_std=row.get(f"val_{objective}_std"),
        test=row.get(f"test_{objective}_mean"),
        test_std=row.get(f"test_{objective}_std"),
        n_parameters=row.get("n_parameters"),
        fit_time_s=row.get("fit_time_s"),
        error=row.get("error"),
        findings=row.get("findings"),
    )
