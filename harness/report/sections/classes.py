"""Which classes are confused: confusion matrix, ROC, precision and recall, table."""

import warnings
from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from harness.report.benchmark_results import BenchmarkResults
from harness.report.blocks import (
    Cell,
    Column,
    Dropdown,
    Figure,
    Option,
    Section,
    Table,
    Text,
    empty_section,
    section,
)
from harness.report.formatting import number, plural
from harness.report.predictions import (
    PooledPredictions,
    best_and_baseline,
    pooled,
    pooled_text,
)
from harness.report.theme import DASHES, OTHER, escaped, figure
from harness.statistics.intervals import wilson

KEY, TITLE = "classes", "Classes: confusion, ROC, precision and recall"
MOST_POINTS = 150  # of a curve in the page; more can't be told apart in a plot of this width
MOST_CLASSES_WRITTEN = 20  # of a confusion matrix whose counts can still be read
HARDEST = 3  # classes in colour; the others are grey
Array = NDArray[Any]


class Classes(NamedTuple):
    """Pooled predictions of one configuration, each class against the rest.

    Attributes:
        role: `test` or `validation`.
        names: The classes.
        counts: (true, predicted) numbers of predictions.
        precision: (classes,) nan where undefined, as in the others.
        recall: (classes,).
        f1: (classes,).
        auc: (classes,) areas under the ROC curve.
        average_precision: (classes,).
        roc: Per class (false, true positive rates); empty if the class or the rest does not occur.
        curves: Per class (recall, precision); empty as `roc`.
    """

    role: str
    names: tuple[str, ...]
    counts: Array
    precision: Array
    recall: Array
    f1: Array
    auc: Array
    average_precision: Array
    roc: tuple[tuple[Array, Array], ...]
    curves: tuple[tuple[Array, Array], ...]


def classes(results: BenchmarkResults) -> Section:
    """Return the section; it reads the predictions of a few trials."""
    kept = [
        predictions
        for predictions in (
            pooled(results, configuration) for configuration in best_and_baseline(results)
        )
        if predictions
    ]
    if not kept:
        return empty_section(KEY, TITLE, "No predictions of a complete configuration are kept.")
    options = tuple(_option(predictions) for predictions in kept)
    return section(KEY, TITLE, Text(_explanation(kept[0])), Dropdown("configuration", options))


def compute(predictions: PooledPredictions) -> Classes:
    """Compute counts, rates and curves over all predictions at once."""
    size = len(predictions.names)
    cells = predictions.targets * size + predictions.predicted
    counts = np.bincount(cells, minlength=size**2).reshape(size, size)
    hits, true, predicted = counts.diagonal(), counts.sum(axis=1), counts.sum(axis=0)
    of_classes = [
        _one_versus_rest(predictions.targets == i, predictions.probabilities[:, i])
        for i in range(size)
    ]
    auc, average_precision, roc, curves = zip(*of_classes, strict=True)
    return Classes(
        predictions.role,
        predictions.names,
        counts,
        precision=_divided(hits, predicted),
        recall=_divided(hits, true),
        f1=_divided(2 * hits, true + predicted),
        auc=np.array(auc),
        average_precision=np.array(average_precision),
        roc=roc,
        curves=curves,
    )


def table(found: Classes) -> Table:
    """Return one row a class."""
    columns = (
        Column("class"),
        Column("support", numeric=True, hint="predictions whose true class this is"),
        Column("precision", numeric=True, hint="share of those called so that are"),
        Column("recall", numeric=True, hint="share of those that are that are called so"),
        Column("F1", numeric=True),
        Column("ROC AUC", numeric=True, hint="one versus rest"),
        Column("average precision", numeric=True, hint="one versus rest"),
        Column("most often taken for"),
    )
    numbers = (found.precision, found.recall, found.f1, found.auc, found.average_precision)
    support = found.counts.sum(axis=1)
    rows = tuple(
        (
            Cell(name),
            Cell(f"{support[i]:,}", float(support[i])),
            *(_number_cell(values[i]) for values in numbers),
            Cell(_mistaken(found, i)),
        )
        for i, name in enumerate(found.names)
    )
    return Table(columns, rows, sortable=True)


def draw_confusion(found: Classes) -> go.Figure:
    """Draw the shares of each true class, with the counts if they can be read."""
    size = len(found.names)
    made = figure(x="predicted class", y="true class", height_px=440)
    shares = found.counts / np.maximum(found.counts.sum(axis=1, keepdims=True), 1)
    made.add_trace(
        go.Heatmap(
            z=np.round(shares, 4).tolist(),
            x=list(found.names),
            y=list(found.names),
            colorscale="Blues",
            zmin=0,
            zmax=1,
            text=found.counts.tolist(),
            xgap=1,
            ygap=1,
            texttemplate="%{text}" if size <= MOST_CLASSES_WRITTEN else None,
            colorbar={"thickness": 10, "title": {"text": "share of true class", "side": "right"}},
            hovertemplate="true %{y}, predicted %{x}: %{text}<extra></extra>",
        )
    )
    made.update_yaxes(autorange="reversed", type="category", showgrid=False)
    made.update_xaxes(type="category", showgrid=False)
    return made


def draw_roc(found: Classes, colour: str) -> go.Figure:
    """Draw one curve a class; the hardest to rank in the configuration's colour."""
    made = figure(x="false positive rate", y="true positive rate", height_px=440, legend=True)
    _add_curves(made, found, found.roc, found.auc, colour)
    made.add_shape(type="line", x0=0, y0=0, x1=1, y1=1, line={"dash": "dot", "color": OTHER})
    return made


def draw_precision_recall(found: Classes, colour: str) -> go.Figure:
    """Draw one curve a class, as steps: precision is not interpolated between points."""
    made = figure(x="recall", y="precision", height_px=440, legend=True)
    _add_curves(made, found, found.curves, found.average_precision, colour, "vh")
    return made


def _add_curves(
    made: go.Figure,
    found: Classes,
    curves: tuple[tuple[Array, Array], ...],
    areas: Array,
    colour: str,
    shape: str = "linear",
) -> None:
    order = [int(i) for i in np.argsort(areas) if not np.isnan(areas[i])]
    traces = []
    for place, index in reversed(list(enumerate(order))):
        hard = place < HARDEST
        across, up = curves[index]
        name = f"{found.names[index]} ({areas[index]:.3f})"
        traces.append(
            go.Scatter(
                x=np.round(across, 4).tolist(),
                y=np.round(up, 4).tolist(),
                mode="lines",
                name=name,
                showlegend=hard,
                hovertemplate=f"{escaped(name)}: %{{x:.3f}}, %{{y:.3f}}<extra></extra>",
                line={
                    "color": colour if hard else OTHER,
                    "width": 2.2 if hard else 1,
                    "dash": DASHES[place] if hard else "solid",
                    "shape": shape,
                },
                opacity=1 if hard else 0.55,
            )
        )
    made.add_traces(traces)
    made.update_layout(
        legend_traceorder="reversed", xaxis_range=[-0.01, 1.01], yaxis_range=[-0.01, 1.02]
    )


def _option(predictions: PooledPredictions) -> Option:
    scores, configuration = compute(predictions), predictions.configuration
    return Option(
        f"{configuration.name} {configuration.label}",
        (
            Figure(_confusion_finding(scores), draw_confusion(scores)),
            Figure(_roc_finding(scores), draw_roc(scores, configuration.colour), narrow=True),
            Figure(
                _precision_finding(scores),
                draw_precision_recall(scores, configuration.colour),
                narrow=True,
            ),
            table(scores),
        ),
        configuration.colour,
    )


def _one_versus_rest(
    positive: Array, scores: Array
) -> tuple[float, float, tuple[Array, Array], tuple[Array, Array]]:
    """Return ROC AUC, average precision and both curves; nan without both kinds."""
    # slow to import, and needed only where predictions are kept
    from sklearn.metrics import auc, average_precision_score, precision_recall_curve, roc_curve

    none = np.empty(0), np.empty(0)
    if positive.all() or not positive.any():
        return float("nan"), float("nan"), none, none
    false, true, _ = roc_curve(positive, scores)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        precision, recall, _ = precision_recall_curve(positive, scores, drop_intermediate=True)
        average_precision = float(average_precision_score(positive, scores))
    precision[-1] = precision[-2]  # not the 1 that scikit-learn puts at recall 0
    return (
        float(auc(false, true)),
        average_precision,
        _thinned(false, true),
        _thinned(recall[::-1], precision[::-1]),
    )


def _thinned(across: Array, up: Array) -> tuple[Array, Array]:
    """Return at most MOST_POINTS corners of a curve, both ends among them."""
    if len(across) <= MOST_POINTS:
        return across, up
    kept = np.linspace(0, len(across) - 1, MOST_POINTS).round().astype(int)
    return across[kept], up[kept]


def _divided(above: Array, below: Array) -> Array:
    return np.where(below > 0, above / np.maximum(below, 1), np.nan)


def _number_cell(value: float) -> Cell:
    return Cell(number(float(value), 3), None if np.isnan(value) else float(value))


def _mistaken(found: Classes, index: int) -> str:
    others = found.counts[index].copy()
    others[index] = 0
    most = int(others.max())
    return f"{found.names[int(others.argmax())]} ({most})" if most else ""


def _explanation(predictions: PooledPredictions) -> str:
    support = int(np.median(np.bincount(predictions.targets, minlength=len(predictions.names))))
    text = f"{pooled_text(predictions)}; every curve is one class against the rest, "
    shown = "all" if len(predictions.names) <= HARDEST else f"the {HARDEST} hardest"
    text += f"{shown} in colour."
    if predictions.once and support:
        around = wilson(round(0.8 * support), support)
        text += (
            f" A class has about {support:,} examples: a recall of {around.mean:.2f} then has "
            f"a 95 % interval of {around.low:.2f} to {around.high:.2f} (Wilson)."
        )
    return text


def _confusion_finding(found: Classes) -> str:
    wrong = found.counts.copy()
    np.fill_diagonal(wrong, 0)
    if not wrong.any():
        return "No example is taken for another class"
    true, predicted = np.unravel_index(int(wrong.argmax()), wrong.shape)
    times = plural(int(wrong[true, predicted]), "time")
    return (
        f"{found.names[true]} is taken for {found.names[predicted]} most often, "
        f"{times} of {found.counts[true].sum():,}"
    )


def _roc_finding(found: Classes) -> str:
    if np.isnan(found.auc).all():
        return "ROC: fewer than two classes occur"
    hardest = int(np.nanargmin(found.auc))
    if found.auc[hardest] == 1:
        return "Every class is ranked above the rest without a mistake, AUC 1"
    return f"{found.names[hardest]} is the hardest to rank, AUC {number(found.auc[hardest], 3)}"


def _precision_finding(found: Classes) -> str:
    if np.isnan(found.average_precision).all():
        return "Precision and recall: fewer than two classes occur"
    lowest = int(np.nanargmin(found.average_precision))
    if found.average_precision[lowest] == 1:
        return "Average precision is 1 for every class"
    area = number(found.average_precision[lowest], 3)
    return f"{found.names[lowest]} has the lowest average precision, {area}"
