"""How far the probabilities can be trusted: reliability, calibration error, Brier score."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go
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
from harness.report.predictions import (
    PooledPredictions,
    best_and_baseline,
    pooled,
    pooled_text,
)
from harness.report.theme import OTHER, figure
from harness.statistics.intervals import wilson

KEY, TITLE = "calibration", "Calibration"
MOST_BINS = 15  # as Guo et al. (2017)
FEWEST_IN_BIN = 20  # predictions; with fewer, a bin's share is mostly chance
N_RESAMPLES = 500  # the mean's own error is then a few per cent of it
Array = NDArray[Any]


class Bins(NamedTuple):
    """Predictions by confidence, in bins of equal count from the least to the most confident.

    Attributes:
        counts: (bins,) numbers of predictions.
        confidence: (bins,) mean highest probabilities.
        accuracy: (bins,) shares that are right.
    """

    counts: Array
    confidence: Array
    accuracy: Array

    @property
    def error(self) -> float:
        """Expected calibration error: |accuracy - confidence|, weighted by count."""
        return float(np.average(np.abs(self.accuracy - self.confidence), weights=self.counts))


class Calibration(NamedTuple):
    """The calibration of one configuration.

    Attributes:
        configuration: Whose it is.
        bins: Its reliability.
        expected: The mean error of a perfectly calibrated model with these confidences, which goes
            to 0 only with ever more predictions.
        log_loss: In nats.
        brier: 0 is perfect, 2 the worst.
        confidence: The mean highest probability.
        accuracy: The share that is right.
        independent: Whether each example occurs once.
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
    """Return the section."""
    kept = [
        predictions
        for predictions in (
            pooled(results, configuration) for configuration in best_and_baseline(results)
        )
        if predictions
    ]
    if not kept:
        return empty_section(KEY, TITLE, "No predictions of a complete configuration are kept.")
    calibrations = tuple(compute(predictions) for predictions in kept)
    return section(
        KEY,
        TITLE,
        Text(_explanation(kept[0], calibrations[0])),
        Figure(_finding(calibrations[0]), draw(calibrations)),
        table(calibrations),
    )


def compute(predictions: PooledPredictions) -> Calibration:
    """Compute bins and scores of pooled predictions."""
    confidence = predictions.probabilities.max(axis=1).astype(float)
    correct = predictions.predicted == predictions.targets
    bins = reliability(confidence, correct, n_bins=bins_for(len(correct)))
    return Calibration(
        predictions.configuration,
        bins,
        expected=expected_error(confidence, n_bins=len(bins.counts)),
        log_loss=log_loss(predictions.targets, predictions.probabilities),
        brier=brier_score(predictions.targets, predictions.probabilities),
        confidence=float(confidence.mean()),
        accuracy=float(correct.mean()),
        independent=predictions.once,
    )


def bins_for(n: int) -> int:
    """Return how many bins n predictions are cut into, FEWEST_IN_BIN or more in each."""
    return max(1, min(MOST_BINS, n // FEWEST_IN_BIN))


def reliability(confidence: Array, correct: Array, *, n_bins: int) -> Bins:
    """Cut predictions into bins by their confidence.

    Args:
        confidence: (n,) highest probabilities.
        correct: (n,) whether the prediction is right.
        n_bins: The number of bins.
    """
    order = np.argsort(confidence, kind="stable")
    parts = np.array_split(order, n_bins)
    return Bins(
        np.array([len(part) for part in parts]),
        np.array([confidence[part].mean() for part in parts]),
        np.array([correct[part].mean() for part in parts]),
    )


def expected_error(confidence: Array, *, n_bins: int, seed: int = 0) -> float:
    """Return the calibration error that chance alone gives.

    That is the mean error where each prediction is right with its confidence (consistency
    resampling, Bröcker and Smith 2007).
    """
    order = np.sort(confidence)
    random = np.random.default_rng(seed)
    errors = np.zeros(N_RESAMPLES)
    for part in np.array_split(order, n_bins):
        right = sum(random.random(N_RESAMPLES) < probability for probability in part)
        errors += np.abs(right - part.sum())
    return float(errors.mean() / len(order))


def brier_score(targets: Array, probabilities: Array) -> float:
    """Return the mean squared distance to the truth over all classes (Brier 1950)."""
    truth = np.eye(probabilities.shape[1])[targets]
    return float(((probabilities - truth) ** 2).sum(axis=1).mean())


def table(calibrations: Sequence[Calibration]) -> Table:
    """Return one row a configuration."""
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
    return Table(columns, tuple(_row(calibration) for calibration in calibrations), sortable=True)


def draw(calibrations: Sequence[Calibration]) -> go.Figure:
    """Draw the share that is right against the confidence, beside the diagonal."""
    made = figure(x="mean confidence of the bin", y="share right", height_px=420, legend=True)
    made.add_shape(
        type="line", x0=0, y0=0, x1=1, y1=1, layer="below", line={"dash": "dot", "color": OTHER}
    )
    for calibration in reversed(calibrations):
        made.add_trace(_trace(calibration))
    made.update_layout(legend_traceorder="reversed")
    lowest = min(
        float(min(calibration.bins.confidence.min(), calibration.bins.accuracy.min()))
        for calibration in calibrations
    )
    made.update_xaxes(range=[max(-0.02, lowest - 0.05), 1.02])
    made.update_yaxes(range=[-0.02 if lowest < 0.3 else max(0.0, lowest - 0.15), 1.03])
    return made


def _trace(calibration: Calibration) -> go.Scatter:
    bars = None
    if calibration.independent:
        around = [
            wilson(round(share * n), int(n))
            for share, n in zip(calibration.bins.accuracy, calibration.bins.counts, strict=True)
        ]
        bars = {
            "array": [max(0.0, band.high - band.mean) for band in around],
            "arrayminus": [max(0.0, band.mean - band.low) for band in around],
            "color": calibration.configuration.colour,
            "thickness": 1,
            "width": 0,
        }
    return go.Scatter(
        x=np.round(calibration.bins.confidence, 4).tolist(),
        y=np.round(calibration.bins.accuracy, 4).tolist(),
        mode="lines+markers",
        name=calibration.configuration.name,
        error_y=bars,
        line={"color": calibration.configuration.colour, "width": 1.6},
        marker={"size": 7},
        customdata=calibration.bins.counts.tolist(),
        hovertemplate=f"{calibration.configuration.name}: "
        "%{y:.3f} right at confidence %{x:.3f} (%{customdata} predictions)<extra></extra>",
    )


def _row(calibration: Calibration) -> tuple[Cell, ...]:
    numbers = (
        calibration.confidence,
        calibration.accuracy,
        calibration.bins.error,
        calibration.expected,
        calibration.log_loss,
        calibration.brier,
    )
    return (
        Cell(str(calibration.configuration.place), calibration.configuration.place),
        Cell(calibration.configuration.label, None, calibration.configuration.colour),
        *(Cell(number(value), value) for value in numbers),
    )


def _explanation(predictions: PooledPredictions, calibration: Calibration) -> str:
    n_bins, size = len(calibration.bins.counts), int(calibration.bins.counts.min())
    bars = "bars are Wilson's 95 % intervals" if calibration.independent else "no intervals"
    cut = f"{n_bins} bins of equal count ({size:,} or one more), cut by the highest probability"
    text = f"{pooled_text(predictions)}; {'one bin' if n_bins == 1 else cut}; {bars}. "
    return text + (
        "The calibration error is the mean distance from the "
        "diagonal; chance alone keeps it above 0, as the column beside it says."
    )


def _finding(calibration: Calibration) -> str:
    name, error = calibration.configuration.name, number(calibration.bins.error, 3)
    gap = calibration.confidence - calibration.accuracy
    if calibration.bins.error < 1.5 * calibration.expected:
        return (
            f"{name} is about as well calibrated as can be seen: error {error}, "
            f"{number(calibration.expected, 3)} by chance alone"
        )
    word = "overconfident" if gap > 0 else "underconfident"
    if abs(gap) < calibration.bins.error / 3:
        word = "miscalibrated, both ways"
    return f"{name} is {word}: error {error}, {number(calibration.expected, 3)} by chance alone"
