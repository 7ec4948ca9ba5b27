"""Learning curves: the best few, each of their folds, and where they end."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import plotly.graph_objects as go

from harness.report.benchmark_results import BenchmarkResults, Configuration
from harness.report.blocks import (
    Dropdown,
    Figure,
    Option,
    Section,
    Text,
    empty_section,
    section,
)
from harness.report.formatting import metric_name, number, plural
from harness.report.overfitting import OverfitSummary, overfit_summaries, overfit_table
from harness.report.predictions import best_and_baseline
from harness.report.pruned import pruned_configurations, pruned_text
from harness.report.theme import OTHER, faded, figure

if TYPE_CHECKING:
    import pandas as pd
KEY, TITLE = "curves", "Learning curves"
SHOWN = 5  # configurations in the figure, whose bands can still be told apart
COMPARED = 20  # configurations in the table of best and last epochs
MOST_POINTS = 200  # epochs of a line in the page; pages stay small, and lines look the same
FEW_EPOCHS = 10  # up to here plotly would put ticks between epochs
MOST_DRAWN = 30  # pruned trials, those that came furthest
FAINTNESS = 0.45  # opacity of their lines, which stay behind the others


class Curve(NamedTuple):
    """A configuration's curve, with one value an epoch.

    Attributes:
        configuration: Whose it is.
        epochs: From 1.
        mean: Mean over folds.
        low: The lowest fold.
        high: The highest fold.
        train: Mean train value; empty if it is not recorded.
    """

    configuration: Configuration
    epochs: tuple[int, ...]
    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    train: tuple[float, ...]


class FoldCurve(NamedTuple):
    """The curve of one fold of a configuration; `train` is empty if it is not recorded."""

    name: str
    epochs: tuple[int, ...]
    values: tuple[float, ...]
    train: tuple[float, ...]


def curves(results: BenchmarkResults) -> Section:
    """Return the section."""
    shown = best_and_baseline(results, SHOWN)
    rows = _training(
        results.epochs(
            [configuration.trial_id for configuration in best_and_baseline(results, COMPARED)]
        )
    )
    scores = compute(rows, shown, f"val_{results.objective}", f"train_{results.objective}")
    losses = compute(rows, shown, "val_loss", "train_loss")
    if not scores and not losses:
        return empty_section(KEY, TITLE, "No epoch of a complete configuration is recorded.")
    name = metric_name(results.objective)
    blocks: list[Text | Figure | Dropdown] = [Text(_explanation(shown) + _stopped_text(results))]
    ended = pruned_configurations(results)[:MOST_DRAWN]
    ends = (
        results.epochs([configuration.trial_id for configuration in ended])
        if ended
        else rows.head(0)
    )
    if scores:
        behind = compute(ends, ended, f"val_{results.objective}", "")
        made = draw(scores, f"validation {name}", behind)
        blocks.append(Figure(_finding(scores, name), made, True))
    if losses:
        made = draw(losses, "loss (nats)", compute(ends, ended, "val_loss", ""))
        blocks.append(Figure(_loss_finding(losses), made, True))
    options = tuple(_option(rows, curve, results) for curve in scores or losses)
    blocks.append(Dropdown("every fold of", options))
    found = overfit_summaries(
        rows,
        best_and_baseline(results, COMPARED),
        metric=results.objective,
        mode=results.mode,
        size_ratio=results.size_ratio("val"),
    )
    if not found:
        return section(KEY, TITLE, *blocks)
    return section(KEY, TITLE, *blocks, Text(_endings_text(found, results)), overfit_table(found))


def compute(
    rows: "pd.DataFrame", shown: Sequence[Configuration], column: str, train: str
) -> tuple[Curve, ...]:
    """Compute the curves of configurations over the epochs that all their folds reached."""
    if column not in rows.columns:
        return ()
    known = _training(rows)
    known = known[known[column].notna()]
    curves = (
        _curve(configuration, known[known["trial_id"] == configuration.trial_id], column, train)
        for configuration in shown
    )
    return tuple(curve for curve in curves if curve.epochs)


def fold_curves(
    rows: "pd.DataFrame", configuration: Configuration, column: str, train: str
) -> tuple[FoldCurve, ...]:
    """Return every fold of one configuration, in order of repeat and fold."""
    known = _training(rows)
    known = known[(known["trial_id"] == configuration.trial_id) & known[column].notna()]
    several = known["repeat"].nunique() > 1
    return tuple(
        FoldCurve(
            f"fold {fold}, repeat {repeat}" if several else f"fold {fold}",
            tuple(int(epoch) for epoch in part["epoch"]),
            tuple(part[column]),
            tuple(part[train]) if train in part and part[train].notna().all() else (),
        )
        for (repeat, fold), part in known.sort_values("epoch").groupby(["repeat", "fold"])
    )


def draw(curves: Sequence[Curve], y: str, behind: Sequence[Curve] = ()) -> go.Figure:
    """Draw mean lines over bands, the best on top, thin ones of pruned trials behind them."""
    made = figure(x="epoch", y=y, legend=True)
    made.add_traces(pruned_lines(behind))
    made.add_traces([trace for curve in reversed(curves) for trace in _traces(curve)])
    made.update_layout(legend_traceorder="reversed")
    _whole_epochs(made, max(curve.epochs[-1] for curve in curves))
    return made


def pruned_lines(curves: Sequence[Curve]) -> list[go.Scatter]:
    """Return thin grey lines that end where the trials did."""
    return [
        go.Scatter(
            x=list(curve.epochs),
            y=[float(f"{value:.5g}") for value in curve.mean],
            mode="lines+markers",
            marker={"size": [0] * (len(curve.epochs) - 1) + [5]},
            line={"color": faded(OTHER, FAINTNESS), "width": 1},
            name="pruned",
            legendgroup="pruned",
            showlegend=place == 0,
            hovertemplate=f"{name} pruned, epoch %{{x}}: %{{y:.4f}}<extra></extra>",
        )
        for place, curve in enumerate(curves)
        for name in [curve.configuration.name]
    ]


def draw_folds(folds: Sequence[FoldCurve], colour: str, y: str) -> go.Figure:
    """Draw one line a fold in the configuration's colour; the highest and lowest are named."""
    made = figure(x="epoch", y=y)
    traces = [
        go.Scatter(
            x=_thinned(fold.epochs),
            y=_thinned(fold.train),
            mode="lines",
            name=f"{fold.name}, train",
            line={"color": faded(colour, 0.6), "width": 1, "dash": "dot"},
            hoverinfo="skip",
        )
        for fold in folds
        if fold.train
    ]
    ends = sorted(folds, key=lambda fold: fold.values[-1])
    for fold in folds:
        epochs = _thinned(fold.epochs)
        said = fold.name if fold in (ends[0], ends[-1]) else ""
        traces.append(
            go.Scatter(
                x=epochs,
                y=_thinned(fold.values),
                mode="lines+text",
                name=fold.name,
                line={"color": colour, "width": 1.6},
                text=[""] * (len(epochs) - 1) + [said],
                textposition="top left" if fold is ends[-1] else "bottom left",
                cliponaxis=False,
                hovertemplate=f"{fold.name}, epoch %{{x}}: %{{y:.4f}}<extra></extra>",
            )
        )
    made.add_traces(traces)
    _whole_epochs(made, max(fold.epochs[-1] for fold in folds))
    return made


def _whole_epochs(made: go.Figure, last: int) -> None:
    if last <= FEW_EPOCHS:
        made.update_xaxes(dtick=1)


def _training(rows: "pd.DataFrame") -> "pd.DataFrame":
    training = rows[rows["stage"] == "training"]
    # pretraining has no folds, and its nulls made them floats
    return training.astype({"repeat": int, "fold": int})


def _option(rows: "pd.DataFrame", curve: Curve, results: BenchmarkResults) -> Option:
    configuration, name = curve.configuration, metric_name(results.objective)
    measures = [
        (f"val_{results.objective}", f"train_{results.objective}", f"validation {name}"),
        ("val_loss", "train_loss", "loss (nats)"),
    ]
    figures = []
    for column, train, y in measures:
        found = fold_curves(rows, configuration, column, train) if column in rows.columns else ()
        if found:
            title = _fold_finding(found, configuration, y)
            figures.append(Figure(title, draw_folds(found, configuration.colour, y), True))
    return Option(configuration.name, tuple(figures), configuration.colour)


def _curve(configuration: Configuration, rows: "pd.DataFrame", column: str, train: str) -> Curve:
    grouped = rows.groupby("epoch")
    sizes = grouped.size()
    epochs = sizes.index[sizes == sizes.max()] if len(sizes) else sizes.index
    values = grouped[column].agg(["mean", "min", "max"]).reindex(epochs)
    running: list[float] = []
    if train in rows.columns:
        running = grouped[train].mean().reindex(epochs).tolist()
    return Curve(
        configuration,
        tuple(int(epoch) for epoch in epochs),
        mean=tuple(values["mean"]),
        low=tuple(values["min"]),
        high=tuple(values["max"]),
        train=tuple(running),
    )


def _traces(curve: Curve) -> list[go.Scatter]:
    configuration, epochs = curve.configuration, _thinned(curve.epochs)
    high, low = _thinned(curve.high), _thinned(curve.low)
    shared = {"legendgroup": configuration.name}
    band = go.Scatter(
        x=epochs + epochs[::-1],
        y=high + low[::-1],
        mode="lines",
        fill="toself",
        name=f"{configuration.name}, folds",
        fillcolor=faded(configuration.colour, 0.13),
        line={"width": 0},
        hoverinfo="skip",
        showlegend=False,
        **shared,
    )
    line = go.Scatter(
        x=epochs,
        y=_thinned(curve.mean),
        mode="lines",
        name=configuration.name,
        line={"color": configuration.colour, "width": 2.2},
        hovertemplate=f"{configuration.name}, epoch %{{x}}: %{{y:.4f}}<extra></extra>",
        **shared,
    )
    train = go.Scatter(
        x=epochs,
        y=_thinned(curve.train),
        mode="lines",
        hoverinfo="skip",
        showlegend=False,
        name=f"{configuration.name}, train",
        line={"color": configuration.colour, "width": 1.2, "dash": "dot"},
        **shared,
    )
    return [band, train, line] if curve.train else [band, line]


def _thinned(values: Sequence[float]) -> list[float]:
    """Return at most MOST_POINTS values at even steps, the last among them, as five figures."""
    step = -(-len(values) // MOST_POINTS) or 1
    kept = list(values[::-1][::step][::-1])
    return [value if isinstance(value, int) else float(f"{value:.5g}") for value in kept]


def _explanation(shown: Sequence[Configuration]) -> str:
    return (
        f"{plural(len(shown), 'configuration')}: lines are means over folds, bands reach from "
        "the lowest to the highest fold, dotted lines are train values as they ran, with "
        "dropout on and before the epoch was over. A curve ends where its first fold "
        "does."
    )


def _stopped_text(results: BenchmarkResults) -> str:
    text = pruned_text(results)
    return f" {text}: the thin grey lines." if text else ""


def _finding(curves: Sequence[Curve], name: str) -> str:
    best = curves[0]
    return f"{best.configuration.name} ends at validation {name} {number(best.mean[-1])}"


def _loss_finding(curves: Sequence[Curve]) -> str:
    best = curves[0]
    lowest = min(best.mean)
    epoch = best.epochs[best.mean.index(lowest)]
    name = best.configuration.name
    if epoch == best.epochs[-1]:
        return f"{name}: validation loss still falls at the last epoch"
    return f"{name}: validation loss is lowest at epoch {epoch} of {best.epochs[-1]}"


def _fold_finding(folds: Sequence[FoldCurve], configuration: Configuration, y: str) -> str:
    ends = [fold.values[-1] for fold in folds]
    if len(folds) < 2:
        return f"{configuration.name}: {y} ends at {number(ends[0])}"
    spread = max(ends) - min(ends)
    return f"{configuration.name}: at the last epoch folds lie {number(spread)} apart in {y}"


def _endings_text(endings: Sequence[OverfitSummary], results: BenchmarkResults) -> str:
    first = endings[0]
    chosen = results.spec.training.selection
    text = f"The file selects the {'last' if chosen == 'last' else 'best'} epoch. "
    if first.lost.mean is not None:
        text += (
            f"{first.configuration.name} reaches its best validation score at epoch "
            f"{_middle(first)} and {_loses(first)} by the last. "
        )
    if first.gap_last is not None:
        side = "above" if first.gap_last >= 0 else "below"
        text += f"There its train score lies {number(abs(first.gap_last))} {side} validation. "
    if not first.lost.mean:
        return text.rstrip()
    return text + (
        "The best epoch is picked on the scores it is judged by, so part of what the "
        "last one loses is luck."
    )


def _middle(ending: OverfitSummary) -> str:
    low, high = min(ending.epochs), max(ending.epochs)
    return f"{low}" if low == high else f"{low} to {high}, by fold,"


def _loses(ending: OverfitSummary) -> str:
    return f"loses {number(ending.lost.mean)}" if ending.lost.mean else "loses nothing"
