"""Numbers over folds, repeats and trials. Nothing here draws or reads files."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.errors import BenchError
from harness.results.schema import SPLITS

if TYPE_CHECKING:
    import pandas as pd


def mean_std(values: Iterable[float | None]) -> tuple[float | None, float | None]:
    """Mean and sample standard deviation (ddof 1), which one value does not have.

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


def trial_summary(
    fold_rows: Sequence[Mapping[str, Any]], metrics: Sequence[str]
) -> dict[str, float | None]:
    """The metric and loss columns of a trials row, over all its folds and repeats.

    fold_rows: rows of `folds`; a column that is absent counts as null.
    """
    summary: dict[str, float | None] = {}
    for split in SPLITS:
        for metric in metrics:
            name = f"{split}_{metric}"
            values = [row.get(name) for row in fold_rows]
            summary[f"{name}_mean"], summary[f"{name}_std"] = mean_std(values)
        summary[f"{split}_loss_mean"], _ = mean_std(row.get(f"{split}_loss") for row in fold_rows)
    return summary


def rank(trials: "pd.DataFrame", objective: str, mode: str) -> "pd.DataFrame":
    """The complete trials by validation mean of the objective, best first, ties by trial id.

    Trials whose mean is null come last. Raises BenchError where the objective is no column.
    """
    column = f"val_{objective}_mean"
    if column not in trials.columns:
        raise BenchError(f"these results have no column {column}")
    complete = trials[trials["status"] == "complete"].sort_values("trial_id")
    ranked = complete.sort_values(
        column, ascending=mode == "min", kind="stable", na_position="last"
    )
    return ranked.reset_index(drop=True)
