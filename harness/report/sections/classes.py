"""Which classes the best configuration confuses: confusion matrix, ROC curves, per-class table."""

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.report.colours import DASHES, PALETTE
from harness.report.content import (
    Cell,
    Column,
    Figure,
    Section,
    Table,
    Text,
    empty_section,
    section,
)
from harness.report.draw import figure
from harness.report.study import Configuration, Study
from harness.report.wording import number
from harness.results.metrics import roc_auc
from harness.results.read import probability_matrix

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

KEY, TITLE = "classes", "Classes of the best configuration"
CURVE_POINTS = 101
MOST_CLASSES_WRITTEN = 20
Array = NDArray[Any]


class Classes(NamedTuple):
    """Pooled predictions of one configuration.

    counts: (true, predicted). precision, recall, f1, auc: of each class, nan where undefined.
    roc: true positive rate of each class (classes, points) at evenly spaced false positive rates.
    """

    role: str
    names: tuple[str, ...]
    counts: Array
    precision: Array
    recall: Array
    f1: Array
    auc: Array
    roc: Array


def classes(study: Study) -> Section:
    """The classes as a section; it reads the predictions of one trial."""
    best = study.best
    rows = study.predictions(best.trial_id) if best else None
    if best is None or rows is None or rows.empty:
        return empty_section(KEY, TITLE, "No predictions of a complete configuration are kept.")
    role = "test" if (rows["role"] == "test").any() else "validation"
    found = compute(rows[rows["role"] == role], _names(best), role)
    return section(
        KEY,
        TITLE,
        Text(_explanation(study, found, best)),
        Figure(_confusion_finding(found), draw_confusion(found), narrow=True),
        Figure(_roc_finding(found), draw_roc(found), narrow=True),
        table(found),
    )


def compute(rows: "pd.DataFrame", names: tuple[str, ...], role: str) -> Classes:
    """Counts and rates over all rows at once. names: in the order of `probabilities`."""
    targets = rows["target"].to_numpy(dtype=int)
    size = len(names)
    cells = targets * size + rows["predicted"].to_numpy(dtype=int)
    counts = np.bincount(cells, minlength=size**2).reshape(size, size)
    hits, true, predicted = counts.diagonal(), counts.sum(axis=1), counts.sum(axis=0)
    probabilities = probability_matrix(rows)
    curves = [_curve(targets == one, probabilities[:, one]) for one in range(size)]
    return Classes(
        role, names, counts,
        precision=_divided(hits, predicted),
        recall=_divided(hits, true),
        f1=_divided(2 * hits, true + predicted),
        auc=np.array([_area(targets == one, probabilities[:, one]) for one in range(size)]),
        roc=np.array(curves),
    )  # fmt: skip


def table(found: Classes) -> Table:
    """One row a class."""
    columns = (Column("class"), Column("examples", numeric=True), Column("precision", numeric=True),
               Column("recall", numeric=True), Column("F1", numeric=True),
               Column("ROC AUC", numeric=True, hint="one versus rest"),
               Column("most often taken for"))  # fmt: skip
    rows = tuple(
        (Cell(name), Cell(f"{found.counts[i].sum():,}", float(found.counts[i].sum())),
         *(_number_cell(values[i]) for values in (found.precision, found.recall, found.f1,
                                                  found.auc)),
         Cell(_mistaken(found, i)))
        for i, name in enumerate(found.names)
    )  # fmt: skip
    return Table(columns, rows, sortable=True)


def draw_confusion(found: Classes) -> "go.Figure":
    """Shares of each true class, counts written where they can be read."""
    import plotly.graph_objects as go

    size = len(found.names)
    made = figure(x="predicted", y="true", height_px=440)
    shares = found.counts / np.maximum(found.counts.sum(axis=1, keepdims=True), 1)
    made.add_trace(go.Heatmap(
        z=np.round(shares, 4), x=list(found.names), y=list(found.names), colorscale="Blues",
        zmin=0, zmax=1, text=found.counts, xgap=1, ygap=1,
        texttemplate="%{text}" if size <= MOST_CLASSES_WRITTEN else None,
        colorbar={"thickness": 10, "title": {"text": "share of true class", "side": "right"}},
        hovertemplate="true %{y}, predicted %{x}: %{text}<extra></extra>",
    ))  # fmt: skip
    made.update_yaxes(autorange="reversed", type="category", showgrid=False)
    made.update_xaxes(type="category", showgrid=False)
    return made


def draw_roc(found: Classes) -> "go.Figure":
    """One curve a class; the classes hardest to tell apart in colour, the others in grey."""
    import plotly.graph_objects as go

    made = figure(x="false positive rate", y="true positive rate", height_px=440, legend=True)
    order = [int(i) for i in np.argsort(np.nan_to_num(found.auc, nan=2.0))]
    rates = np.linspace(0, 1, CURVE_POINTS)
    for place, index in enumerate(order[: len(PALETTE) // 2]):
        if np.isnan(found.auc[index]):
            continue
        made.add_trace(go.Scatter(
            x=np.append(0, np.round(rates, 4)), y=np.append(0, np.round(found.roc[index], 4)),
            mode="lines",
            name=f"{found.names[index]} ({found.auc[index]:.3f})",
            line={"color": PALETTE[place], "dash": DASHES[place % len(DASHES)], "width": 2},
        ))  # fmt: skip
    made.add_shape(type="line", x0=0, y0=0, x1=1, y1=1, line={"dash": "dot", "color": "#8f959e"})
    return made


def _names(best: Configuration) -> tuple[str, ...]:
    return tuple(str(name) for name in json.loads(best.row["class_names"]))


def _curve(positive: Array, scores: Array) -> Array:
    """True positive rates at evenly spaced false positive rates; nan without both kinds."""
    if positive.all() or not positive.any():
        return np.full(CURVE_POINTS, np.nan)
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    hits = np.cumsum(positive[order])[ends]
    false = (ends + 1 - hits) / (~positive).sum()
    rates = np.linspace(0, 1, CURVE_POINTS)
    curve: Array = np.interp(rates, np.append(0, false), np.append(0, hits / positive.sum()))
    return curve


def _area(positive: Array, scores: Array) -> float:
    return roc_auc(positive.astype(int), np.stack([1 - scores, scores], axis=1))


def _divided(above: Array, below: Array) -> Array:
    return np.where(below > 0, above / np.maximum(below, 1), np.nan)


def _number_cell(value: float) -> Cell:
    return Cell(number(float(value), 3), None if np.isnan(value) else float(value))


def _mistaken(found: Classes, index: int) -> str:
    others = found.counts[index].copy()
    others[index] = 0
    most = int(others.max())
    return f"{found.names[int(others.argmax())]} ({most})" if most else ""


def _explanation(study: Study, found: Classes, best: Configuration) -> str:
    total = int(found.counts.sum())
    text = f"{best.name}, {total:,} {found.role} predictions of all folds pooled"
    if found.role == "test" and not study.test_rotates and best.row.get("n_folds", 1) > 1:
        return text + "; the folds share one test part, so each example counts once a fold."
    return text + "."


def _confusion_finding(found: Classes) -> str:
    wrong = found.counts.copy()
    np.fill_diagonal(wrong, 0)
    if not wrong.any():
        return "No example is taken for another class"
    true, predicted = np.unravel_index(int(wrong.argmax()), wrong.shape)
    return (f"{found.names[true]} is taken for {found.names[predicted]} most often, "
            f"{wrong[true, predicted]} times")  # fmt: skip


def _roc_finding(found: Classes) -> str:
    if np.isnan(found.auc).all():
        return "ROC: fewer than two classes occur"
    hardest = int(np.nanargmin(found.auc))
    return f"{found.names[hardest]} is the hardest to rank, AUC {number(found.auc[hardest], 3)}"
