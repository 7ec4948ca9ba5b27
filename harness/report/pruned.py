"""Trials that a scheduler stopped early: when, and what they had reached. In no mean, ever."""

from collections import Counter
from collections.abc import Sequence
from statistics import median
from typing import TYPE_CHECKING, Protocol

from harness.report.benchmark_results import BenchmarkResults, Configuration
from harness.report.blocks import Cell, Column, Table
from harness.report.formatting import plural
from harness.report.theme import OTHER, faded

if TYPE_CHECKING:
    import plotly.graph_objects as go

MOST_DRAWN = 30
FAINTNESS = 0.45


class Line(Protocol):
    """A mean over folds, epoch by epoch."""

    @property
    def configuration(self) -> Configuration:
        """Whose it is."""

    @property
    def epochs(self) -> Sequence[int]:
        """From 1."""

    @property
    def mean(self) -> Sequence[float]:
        """One value an epoch."""


def stopped(results: BenchmarkResults) -> tuple[Configuration, ...]:
    """The pruned configurations, those that came furthest first."""
    pruned = [one for one in results.configurations if one.status == "pruned"]
    return tuple(sorted(pruned, key=_epochs, reverse=True))


def sentence(results: BenchmarkResults) -> str:
    """How many were stopped and after how many epochs; empty where none was."""
    found = [_epochs(one) for one in stopped(results)]
    if not found:
        return ""
    low, high = min(found), max(found)
    span = f"{low}" if low == high else f"{low} to {high} (median {median(found):g})"
    were = "was" if len(found) == 1 else "were"
    return (f"{plural(len(found), 'configuration')} {were} stopped after {span} epochs, since the "
            "mean over folds had fallen behind the others' at the same epoch")  # fmt: skip


def table(results: BenchmarkResults) -> Table:
    """How many were stopped after which epoch."""
    counts = Counter(_epochs(one) for one in stopped(results))
    rows = tuple(
        (Cell(f"{epoch:,}", epoch), Cell(f"{n:,}", n)) for epoch, n in sorted(counts.items())
    )
    columns = (Column("stopped after epoch", numeric=True), Column("configurations", numeric=True))
    return Table(columns, rows, caption="Pruned: done, never ranked, in no mean")


def faint(lines: Sequence[Line]) -> list["go.Scatter"]:
    """Thin grey lines that end where the trials did."""
    import plotly.graph_objects as go

    return [
        go.Scatter(
            x=list(one.epochs), y=[float(f"{value:.5g}") for value in one.mean],
            mode="lines+markers", marker={"size": [0] * (len(one.epochs) - 1) + [5]},
            line={"color": faded(OTHER, FAINTNESS), "width": 1}, name="pruned",
            legendgroup="pruned", showlegend=place == 0,
            hovertemplate=f"{name} pruned, epoch %{{x}}: %{{y:.4f}}<extra></extra>",
        )
        for place, one in enumerate(lines) for name in [one.configuration.name]
    ]  # fmt: skip


def _epochs(one: Configuration) -> int:
    return int(one.row.get("epochs_trained") or 0)
