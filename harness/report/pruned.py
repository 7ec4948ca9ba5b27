"""Trials that a scheduler stopped early: they are reported, but are in no mean and no ranking."""

from collections import Counter
from statistics import median

from harness.report.benchmark_results import BenchmarkResults, Configuration
from harness.report.blocks import Cell, Column, Table
from harness.report.formatting import plural


def pruned_configurations(results: BenchmarkResults) -> tuple[Configuration, ...]:
    """Return the pruned configurations, those that came furthest first."""
    pruned = [
        configuration
        for configuration in results.configurations
        if configuration.status == "pruned"
    ]
    return tuple(sorted(pruned, key=_epochs, reverse=True))


def pruned_text(results: BenchmarkResults) -> str:
    """Say how many were pruned and after how many epochs; empty if none was."""
    epochs = [_epochs(configuration) for configuration in pruned_configurations(results)]
    if not epochs:
        return ""
    low, high = min(epochs), max(epochs)
    span = f"{low}" if low == high else f"{low} to {high} (median {median(epochs):g})"
    were = "was" if len(epochs) == 1 else "were"
    return (
        f"{plural(len(epochs), 'configuration')} {were} stopped after {span} epochs, since the "
        "mean over folds had fallen behind the others' at the same epoch"
    )


def pruned_table(results: BenchmarkResults) -> Table:
    """Return how many were pruned after which epoch."""
    counts = Counter(_epochs(configuration) for configuration in pruned_configurations(results))
    rows = tuple(
        (Cell(f"{epoch:,}", epoch), Cell(f"{n:,}", n)) for epoch, n in sorted(counts.items())
    )
    columns = (Column("stopped after epoch", numeric=True), Column("configurations", numeric=True))
    return Table(columns, rows, caption="Pruned: done, never ranked, in no mean")


def _epochs(configuration: Configuration) -> int:
    return int(configuration.row.get("epochs_trained") or 0)
