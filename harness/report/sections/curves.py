"""Learning curves of the best few: the mean over folds and how far folds lie apart."""

from typing import TYPE_CHECKING, NamedTuple

from harness.report.colours import faded
from harness.report.content import Figure, Section, Text, empty_section, section
from harness.report.draw import figure
from harness.report.study import Configuration, Study
from harness.report.wording import metric_name, number, plural

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

KEY, TITLE = "curves", "Learning curves"
SHOWN = 5


class Curve(NamedTuple):
    """One configuration's curve: mean, lowest and highest fold for each epoch; train is a mean."""

    configuration: Configuration
    epochs: tuple[int, ...]
    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    train: tuple[float, ...]


def curves(study: Study) -> Section:
    """The learning curves as a section."""
    shown = study.complete[:SHOWN]
    rows = study.epochs([one.trial_id for one in shown])
    scores = compute(rows, shown, f"val_{study.objective}", f"train_{study.objective}")
    losses = compute(rows, shown, "val_loss", "train_loss")
    if not scores and not losses:
        return empty_section(KEY, TITLE, "No epoch of a complete configuration is recorded.")
    name = metric_name(study.objective)
    blocks = [Text(f"The best {plural(len(shown), 'configuration')}: lines are means over folds, "
                   "bands reach from the lowest to the highest fold, dotted lines are running "
                   "train values. A curve ends where its first fold does.")]  # fmt: skip
    figures = []
    if scores:
        figures.append(Figure(_finding(scores, name), draw(scores, f"validation {name}"), True))
    if losses:
        figures.append(Figure(_loss_finding(losses), draw(losses, "loss (nats)"), True))
    return section(KEY, TITLE, *blocks, *figures)


def compute(
    rows: "pd.DataFrame", shown: tuple[Configuration, ...], column: str, train: str
) -> tuple[Curve, ...]:
    """The curves of these configurations, over the epochs that all their folds reached."""
    if column not in rows.columns:
        return ()
    training = rows[(rows["stage"] == "training") & rows[column].notna()]
    found = (_curve(one, training[training["trial_id"] == one.trial_id], column, train)
             for one in shown)  # fmt: skip
    return tuple(curve for curve in found if curve.epochs)


def draw(found: tuple[Curve, ...], y: str) -> "go.Figure":
    """Mean lines over bands, the best on top."""
    made = figure(x="epoch", y=y, legend=True)
    for curve in reversed(found):
        for trace in _traces(curve):
            made.add_trace(trace)
    made.update_layout(legend_traceorder="reversed")
    return made


def _curve(one: Configuration, rows: "pd.DataFrame", column: str, train: str) -> Curve:
    grouped = rows.groupby("epoch")
    sizes = grouped.size()
    epochs = sizes.index[sizes == sizes.max()] if len(sizes) else sizes.index
    values = grouped[column].agg(["mean", "min", "max"]).reindex(epochs)
    running: list[float] = []
    if train in rows.columns:
        running = grouped[train].mean().reindex(epochs).tolist()
    return Curve(
        one,
        tuple(int(epoch) for epoch in epochs),
        mean=tuple(values["mean"]),
        low=tuple(values["min"]),
        high=tuple(values["max"]),
        train=tuple(running),
    )


def _traces(curve: Curve) -> list["go.Scatter"]:
    import plotly.graph_objects as go

    one, epochs = curve.configuration, list(curve.epochs)
    shared = {"legendgroup": one.name, "name": one.name}
    band = go.Scatter(
        x=epochs + epochs[::-1], y=[*curve.high, *curve.low[::-1]], fill="toself",
        fillcolor=faded(one.colour, 0.13), line={"width": 0}, hoverinfo="skip",
        showlegend=False, **shared,
    )  # fmt: skip
    line = go.Scatter(
        x=epochs, y=list(curve.mean), mode="lines", line={"color": one.colour, "width": 2.2},
        hovertemplate=f"{one.name}, epoch %{{x}}: %{{y:.4f}}<extra></extra>", **shared,
    )  # fmt: skip
    train = go.Scatter(
        x=epochs, y=list(curve.train), mode="lines", hoverinfo="skip", showlegend=False,
        line={"color": one.colour, "width": 1.2, "dash": "dot"}, **shared,
    )  # fmt: skip
    return [band, train, line] if curve.train else [band, line]


def _finding(found: tuple[Curve, ...], name: str) -> str:
    best = found[0]
    return f"{best.configuration.name} ends at validation {name} {number(best.mean[-1])}"


def _loss_finding(found: tuple[Curve, ...]) -> str:
    best = found[0]
    lowest = min(best.mean)
    epoch = best.epochs[best.mean.index(lowest)]
    name = best.configuration.name
    if epoch == best.epochs[-1]:
        return f"{name}: validation loss still falls at the last epoch"
    return f"{name}: validation loss is lowest at epoch {epoch} of {best.epochs[-1]}"
