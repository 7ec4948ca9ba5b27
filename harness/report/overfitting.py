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


class Ending(NamedTuple):
    """One configuration's best and last epoch, each fold by itself.

    epochs: the best epoch of each fold, the earliest of equal ones. at_best, at_last: mean
    validation score. lost: how much worse the last epoch is, mean over folds, never negative.
    gap_best, gap_last: mean train minus validation score there; None without train values.
    """

    configuration: Configuration
    epochs: tuple[int, ...]
    at_best: float
    at_last: float
    lost: Estimate
    gap_best: float | None
    gap_last: float | None


def endings(
    rows: "pd.DataFrame",
    shown: Sequence[Configuration],
    *,
    metric: str,
    mode: str,
    size_ratio: float,
) -> tuple[Ending, ...]:
    """One for each configuration with epochs. rows: of `epochs`, stage `training`.

    mode: `max` or `min`. size_ratio: validation examples per train example.
    """
    if f"val_{metric}" not in rows.columns:
        return ()
    known = rows[rows[f"val_{metric}"].notna()].sort_values("epoch")
    found = (
        _ending(one, known[known["trial_id"] == one.trial_id], metric, mode, size_ratio)
        for one in shown
        if (known["trial_id"] == one.trial_id).any()
    )
    return tuple(found)


def table(found: Sequence[Ending]) -> Table:
    """One row a configuration."""
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
    return Table(columns, tuple(_row(one) for one in found), sortable=True)


def _ending(
    one: Configuration, rows: "pd.DataFrame", metric: str, mode: str, size_ratio: float
) -> Ending:
    best: list[Any] = []
    last: list[Any] = []
    sign = 1.0 if mode == "max" else -1.0
    for _, fold in rows.groupby(["repeat", "fold"]):
        values = sign * fold[f"val_{metric}"].to_numpy(dtype=float)
        best.append(fold.iloc[int(values.argmax())])
        last.append(fold.iloc[-1])
    at_best, at_last = (np.array([float(row[f"val_{metric}"]) for row in ends])
                        for ends in (best, last))  # fmt: skip
    return Ending(
        one,
        tuple(int(row["epoch"]) for row in best),
        float(at_best.mean()),
        float(at_last.mean()),
        estimate(sign * (at_best - at_last), size_ratio),
        _gap(best, metric),
        _gap(last, metric),
    )


def _gap(ends: Sequence[Any], metric: str) -> float | None:
    gaps = np.array([float(row.get(f"train_{metric}", np.nan)) - float(row[f"val_{metric}"])
                     for row in ends])  # fmt: skip
    return None if np.isnan(gaps).any() else float(gaps.mean())


def _row(one: Ending) -> tuple[Cell, ...]:
    middle, low, high = float(np.median(one.epochs)), min(one.epochs), max(one.epochs)
    lost = number(one.lost.mean)
    if one.lost.mean is not None and one.lost.high is not None:
        lost += f" ± {number(one.lost.high - one.lost.mean)}"
    return (
        Cell(str(one.configuration.place), one.configuration.place),
        Cell(one.configuration.label, None, one.configuration.colour),
        Cell(f"{middle:g} ({low}–{high})" if low < high else f"{middle:g}", middle),
        Cell(number(one.at_best), one.at_best),
        Cell(number(one.at_last), one.at_last),
        Cell(lost, one.lost.mean),
        Cell(signed(one.gap_best), one.gap_best),
        Cell(signed(one.gap_last), one.gap_last),
    )
