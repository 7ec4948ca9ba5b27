"""Can the probabilities be believed: reliability, calibration error, log loss, Brier score."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.metrics import log_loss
from harness.report.benchmark_results import BenchmarkResults, Configuration
from harness.report.blocks import (
    Cell,
    Column,
    Figure,
    Section,
    Table,
    Text,
    empty_section,
    section,
)
from harness.report.formatting import number
from harness.report.predictions import Pooled, best_and_baseline, pooled, pooled_text
from harness.report.theme import OTHER, figure
from harness.statistics.intervals import wilson

if TYPE_CHECKING:
    import plotly.graph_objects as go

KEY, TITLE = "calibration", "Calibration"
MOST_BINS, FEWEST_IN_BIN = 15, 20
N_RESAMPLES = 500
Array = NDArray[Any]


class Bins(NamedTuple):
    """Predictions by confidence, in bins of equal count from the least to the most confident.

    counts, confidence, accuracy: (bins,): how many, their mean highest probability, share right.
    """

    counts: Array
    confidence: Array
    accuracy: Array

    @property
    def error(self) -> float:
        """Expected calibration error: |accuracy - confidence|, weighted by count."""
        return float(np.average(np.abs(self.accuracy - self.confidence), weights=self.counts))


class Calibration(NamedTuple):
    """One configuration. expected: the mean error of a perfectly calibrated model with these
    confidences, 0 only for ever more predictions. independent: whether each example occurs once.
    """

    configuration: Configuration
    bins: Bins
    expected: float
    log_loss: float
    brier: float
    confidence: float
    accuracy: float
    independent: bool


def calibration(results: BenchmarkResults) -> Section:
    """The calibration as a section."""
    kept = [one for one in (pooled(results, each) for each in best_and_baseline(results)) if one]
    if not kept:
        return empty_section(KEY, TITLE, "No predictions of a complete configuration are kept.")
    found = tuple(compute(one) for one in kept)
    return section(
        KEY,
        TITLE,
        Text(_explanation(kept[0], found[0])),
        Figure(_finding(found[0]), draw(found)),
        table(found),
    )


def compute(found: Pooled) -> Calibration:
    """Bins and scores of pooled predictions."""
    confidence = found.probabilities.max(axis=1).astype(float)
    correct = found.predicted == found.targets
    bins = reliability(confidence, correct, n_bins=bins_for(len(correct)))
    return Calibration(
        found.configuration,
        bins,
        expected=expected_error(confidence, n_bins=len(bins.counts)),
        log_loss=log_loss(found.targets, found.probabilities),
        brier=brier_score(found.targets, found.probabilities),
        confidence=float(confidence.mean()),
        accuracy=float(correct.mean()),
        independent=found.once,
    )


def bins_for(n: int) -> int:
    """How many bins n predictions are cut into: at least FEWEST_IN_BIN each, at most MOST_BINS."""
    return max(1, min(MOST_BINS, n // FEWEST_IN_BIN))


def reliability(confidence: Array, correct: Array, *, n_bins: int) -> Bins:
    """confidence: (n,) in 0 .. 1. correct: (n,) bool."""
    order = np.argsort(confidence, kind="stable")
    parts = np.array_split(order, n_bins)
    return Bins(
        np.array([len(part) for part in parts]),
        np.array([confidence[part].mean() for part in parts]),
        np.array([correct[part].mean() for part in parts]),
    )


def expected_error(confidence: Array, *, n_bins: int, seed: int = 0) -> float:
    """Mean calibration error where each prediction is right with its confidence (Bröcker and
    Smith 2007, consistency resampling): what chance alone gives."""
    order = np.sort(confidence)
    random = np.random.default_rng(seed)
    errors = np.zeros(N_RESAMPLES)
    for part in np.array_split(order, n_bins):
        right = sum(random.random(N_RESAMPLES) < one for one in part)
        errors += np.abs(right - part.sum())
    return float(errors.mean() / len(order))


def brier_score(targets: Array, probabilities: Array) -> float:
    """Mean over examples of the squared distance to the truth over all classes (Brier 1950):
    0 is perfect, 2 the worst."""
    truth = np.eye(probabilities.shape[1])[targets]
    return float(((probabilities - truth) ** 2).sum(axis=1).mean())


def table(found: Sequence[Calibration]) -> Table:
    """One row a configuration."""
    columns = (
        Column("#", numeric=True),
        Column("configuration"),
        Column("mean confidence", numeric=True, hint="mean highest probability"),
        Column("accuracy", numeric=True),
        Column("calibration error", numeric=True, hint="expected calibration error"),
        Column("if calibrated", numeric=True, hint="the error that chance alone would give"),
        Column("log loss", numeric=True, hint="nats"),
        Column("Brier score", numeric=True, hint="over all classes: 0 is perfect, 2 the worst"),
    )
    return Table(columns, tuple(_row(one) for one in found), sortable=True)


def draw(found: Sequence[Calibration]) -> "go.Figure":
    """Share right against confidence; on the diagonal probabilities can be believed."""
    made = figure(x="mean confidence of the bin", y="share right", height_px=420, legend=True)
    made.add_shape(type="line", x0=0, y0=0, x1=1, y1=1, layer="below",
                   line={"dash": "dot", "color": OTHER})  # fmt: skip
    for one in reversed(found):
        made.add_trace(_trace(one))
    made.update_layout(legend_traceorder="reversed")
    lowest = min(float(min(one.bins.confidence.min(), one.bins.accuracy.min())) for one in found)
    made.update_xaxes(range=[max(-0.02, lowest - 0.05), 1.02])
    made.update_yaxes(range=[-0.02 if lowest < 0.3 else max(0.0, lowest - 0.15), 1.03])
    return made


def _trace(one: Calibration) -> "go.Scatter":
    import plotly.graph_objects as go

    bars = None
    if one.independent:
        around = [wilson(round(share * n), int(n))
                  for share, n in zip(one.bins.accuracy, one.bins.counts, strict=True)]  # fmt: skip
        bars = {"array": [max(0.0, band.high - band.mean) for band in around],
                "arrayminus": [max(0.0, band.mean - band.low) for band in around],
                "color": one.configuration.colour, "thickness": 1, "width": 0}  # fmt: skip
    return go.Scatter(
        x=np.round(one.bins.confidence, 4).tolist(), y=np.round(one.bins.accuracy, 4).tolist(),
        mode="lines+markers", name=one.configuration.name, error_y=bars,
        line={"color": one.configuration.colour, "width": 1.6}, marker={"size": 7},
        customdata=one.bins.counts.tolist(),
        hovertemplate=f"{one.configuration.name}: %{{y:.3f}} right at confidence %{{x:.3f}} "
        "(%{customdata} predictions)<extra></extra>",
    )  # fmt: skip


def _row(one: Calibration) -> tuple[Cell, ...]:
    numbers = (one.confidence, one.accuracy, one.bins.error, one.expected, one.log_loss, one.brier)
    return (
        Cell(str(one.configuration.place), one.configuration.place),
        Cell(one.configuration.label, None, one.configuration.colour),
        *(Cell(number(value), value) for value in numbers),
    )


def _explanation(kept: Pooled, found: Calibration) -> str:
    n_bins, size = len(found.bins.counts), int(found.bins.counts.min())
    bars = "bars are Wilson's 95 % intervals" if found.independent else "no intervals"
    cut = f"{n_bins} bins of equal count ({size:,} or one more), cut by the highest probability"
    text = f"{pooled_text(kept)}; {'one bin' if n_bins == 1 else cut}; {bars}. "
    return text + ("The calibration error is the mean distance from the "
            "diagonal; chance alone keeps it above 0, as the column beside it says.")  # fmt: skip


def _finding(one: Calibration) -> str:
    name, error = one.configuration.name, number(one.bins.error, 3)
    gap = one.confidence - one.accuracy
    if one.bins.error < 1.5 * one.expected:
        return (f"{name} is about as well calibrated as can be seen: error {error}, "
                f"{number(one.expected, 3)} by chance alone")  # fmt: skip
    word = "overconfident" if gap > 0 else "underconfident"
    if abs(gap) < one.bins.error / 3:
        word = "miscalibrated, both ways"
    return f"{name} is {word}: error {error}, {number(one.expected, 3)} by chance alone"
