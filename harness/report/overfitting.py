"""Where learning curves end: best epoch against last, and how far train runs ahead."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.report.benchmark_results import Configuration
from harness.report.blocks import Cell, Column, Table
from harness.report.formatting import number, signed
from harness.statistics.intervals import Estimate, estimate

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[Any]


class OverfitSummary(NamedTuple):
    """The best and the last epoch of one configuration, each fold separately.

    Attributes:
        configuration: Whose they are.
        epochs: The best epoch of each fold, the earliest of equal ones.
        at_best: The mean validation score there.
        at_last: The mean validation score at the last epoch.
        lost: How much worse the last epoch is, mean over folds, never negative.
        gap_best: Mean train minus validation score at the best epoch; None without train values.
        gap_last: The same at the last epoch.
    """

    configuration: Configuration
    epochs: tuple[int, ...]
    at_best: float
    at_last: float
    lost: Estimate
    gap_best: float | None
    gap_last: float | None


def overfit_summaries(
    rows: "pd.DataFrame",
    shown: Sequence[Configuration],
    *,
    metric: str,
    mode: str,
    size_ratio: float,
) -> tuple[OverfitSummary, ...]:
    """Return a summary of each configuration that has epochs.

    Args:
        rows: Rows of `epochs`, stage `training`.
        shown: The configurations.
        metric: The objective.
        mode: `max` or `min`.
        size_ratio: Validation examples per train example.
    """
    if f"val_{metric}" not in rows.columns:
        return ()
    known = rows[rows[f"val_{metric}"].notna()].sort_values("epoch")
    summaries = (
        _summary(
            configuration,
            known[known["trial_id"] == configuration.trial_id],
            metric,
            mode,
            size_ratio,
        )
        for configuration in shown
        if (known["trial_id"] == configuration.trial_id).any()
    )
    return tuple(summaries)


def overfit_table(summaries: Sequence[OverfitSummary]) -> Table:
    """Return one row a configuration."""
    columns = (
        Column("#", numeric=True),
        Column("configuration"),
        Column("best epoch", numeric=True, hint="median over folds, lowest to highest"),
        Column("validation there", numeric=True),
        Column("at the last epoch", numeric=True),
        Column("lost by the last", numeric=True, hint="mean over folds ± half the 95 % interval"),
        Column("train − validation, best epoch", numeric=True),
        Column("train − validation, last epoch", numeric=True),
    )
    return Table(columns, tuple(_row(summary) for summary in summaries), sortable=True)


def _summary(
    configuration: Configuration, rows: "pd.DataFrame", metric: str, mode: str, size_ratio: float
) -> OverfitSummary:
    best: list[Any] = []
    last: list[Any] = []
    sign = 1.0 if mode == "max" else -1.0
    for _, fold in rows.groupby(["repeat", "fold"]):
        values = sign * fold[f"val_{metric}"].to_numpy(dtype=float)
        best.append(fold.iloc[int(values.argmax())])
        last.append(fold.iloc[-1])
    at_best, at_last = (
        np.array([float(row[f"val_{metric}"]) for row in ends]) for ends in (best, last)
    )
    return OverfitSummary(
        configuration,
        tuple(int(row["epoch"]) for row in best),
        float(at_best.mean()),
        float(at_last.mean()),
        estimate(sign * (at_best - at_last), size_ratio),
        _gap(best, metric),
        _gap(last, metric),
    )


def _gap(ends: Sequence[Any], metric: str) -> float | None:
    gaps = np.array(
        [float(row.get(f"train_{metric}", np.nan)) - float(row[f"val_{metric}"]) for row in ends]
    )
    return None if np.isnan(gaps).any() else float(gaps.mean())


def _row(summary: OverfitSummary) -> tuple[Cell, ...]:
    middle, low, high = float(np.median(summary.epochs)), min(summary.epochs), max(summary.epochs)
    lost = number(summary.lost.mean)
    if summary.lost.mean is not None and summary.lost.high is not None:
        lost += f" ± {number(summary.lost.high - summary.lost.mean)}"
    return (
        Cell(str(summary.configuration.place), summary.configuration.place),
        Cell(summary.configuration.label, None, summary.configuration.colour),
        Cell(f"{middle:g} ({low}–{high})" if low < high else f"{middle:g}", middle),
        Cell(number(summary.at_best), summary.at_best),
        Cell(number(summary.at_last), summary.at_last),
        Cell(lost, summary.lost.mean),
        Cell(signed(summary.gap_best), summary.gap_best),
        Cell(signed(summary.gap_last), summary.gap_last),
    )
