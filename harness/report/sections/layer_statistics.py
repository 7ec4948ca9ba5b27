"""Inside the network: which activations are flat, and what gradient reaches each layer."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from harness.report.benchmark_results import BenchmarkResults, Configuration
from harness.report.blocks import (
    Block,
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
from harness.report.formatting import is_missing, number, plural
from harness.report.theme import DASHES, SCALE, figure

if TYPE_CHECKING:
    import pandas as pd
KEY, TITLE = "layers", "Inside the layers"
NOT_LOOKED_AT = (
    "No layer was looked at; ask for it with `diagnostics: layers` (with --force for done trials)."
)
SHOWN = 8  # configurations, as many as there are colours
NAMED = 5  # weak gradients that words are spent on
BOUNDED = ("Sigmoid", "Tanh")  # activations that saturate at both ends
SATURATED = 0.5  # share of outputs from which an activation is called saturated
SAME = 0.05  # standard deviation below which an activation's outputs are nearly one number
WEAK = 0.1  # of the largest gradient, below which one is called weak

Values = NDArray[np.float64]


class LayerCurves(NamedTuple):
    """A layer's means over folds and repeats, each (epochs,) from epoch 0; nan without a value.

    Attributes:
        name: Its path in the model.
        module: Its class.
        has_weights: Whether it has weights.
        saturated: The share of saturated outputs.
        std: The standard deviation of its outputs.
        gradient: The gradient's norm.
    """

    name: str
    module: str
    has_weights: bool
    saturated: Values
    std: Values
    gradient: Values


class LayerView(NamedTuple):
    """The layers of one configuration, in the order of the forward pass, from epoch 0."""

    configuration: Configuration
    epochs: tuple[int, ...]
    layers: tuple[LayerCurves, ...]

    @property
    def bounded(self) -> tuple[LayerCurves, ...]:
        """Its sigmoids and tanhs."""
        return tuple(layer for layer in self.layers if layer.module in BOUNDED)

    @property
    def weighted(self) -> tuple[LayerCurves, ...]:
        """Its layers with weights."""
        return tuple(layer for layer in self.layers if layer.has_weights)

    @property
    def reach(self) -> Values:
        """(epochs,) the first layer's gradient norm as a share of the last layer's."""
        if not self.weighted:
            return np.full(len(self.epochs), np.nan)
        first, last = self.weighted[0].gradient, self.weighted[-1].gradient
        return np.array(first / np.where(last > 0, last, np.nan))


class FlattestActivation(NamedTuple):
    """The sigmoid or tanh with the largest saturated share, and the epoch of it."""

    layer: LayerCurves
    share: float
    epoch: int


def layers(results: BenchmarkResults) -> Section:
    """Return the section: what `diagnostics: layers` recorded."""
    shown = results.complete[:SHOWN]
    looks = compute(results.layers([configuration.trial_id for configuration in shown]), shown)
    if not looks:
        return empty_section(KEY, TITLE, NOT_LOOKED_AT)
    blocks: list[Block] = [*map(Text, words(looks)), Text(_explanation(looks))]
    if any(look.bounded for look in looks):
        title = "Share of outputs where sigmoid and tanh are flat"
        blocks.append(Figure(title, draw_saturation(looks), narrow=True))
    title = "How much of the last layer's gradient reaches the first"
    blocks.append(Figure(title, draw_gradient(looks), narrow=True))
    blocks.append(Dropdown("configuration", tuple(_option(look) for look in looks)))
    return section(KEY, TITLE, *blocks)


def compute(rows: "pd.DataFrame", shown: Sequence[Configuration]) -> tuple[LayerView, ...]:
    """Return the layers of configurations, without those that have no rows."""
    looks = (
        _layer_view(configuration, rows[rows["trial_id"] == configuration.trial_id])
        for configuration in shown
        if len(rows)
    )
    return tuple(look for look in looks if look.layers)


def words(looks: Sequence[LayerView]) -> tuple[str, ...]:
    """Say whose gradient hardly reaches the first layer, and what goes with that.

    This is about the end of training, or its start if only there a share is weak.
    """
    for moment in (-1, 0):
        known = [look for look in looks if np.isfinite(look.reach[moment])]
        if len(known) < 2:
            return (f"{_name(looks[0])}. {_flatness(looks[0])}",)
        *others, most = sorted(known, key=lambda look: look.reach[moment])
        weak = [look for look in others if look.reach[moment] < WEAK * most.reach[moment]]
        if weak:
            when = f"after epoch {most.epochs[-1]}" if moment else "before training"
            lead = (
                f"The first layer of {_name(most)} gets the largest share of the gradient of "
                f"its last: {_share(most, moment)} {when}. {_flatness(most)}"
            )
            return (
                lead,
                *(
                    f"{_name(look)}: {_share(look, moment)} {when}. {_cause(look)}"
                    for look in weak[:NAMED]
                ),
            )
    return (
        "No gradient vanishes: before training and after the last epoch, every first layer "
        "gets at least a tenth of the share that another's gets.",
    )


def draw_saturation(looks: Sequence[LayerView]) -> go.Figure:
    """Draw one line per configuration and sigmoid or tanh; deeper ones are dashed."""
    made = figure(x="epoch", y="saturated share", legend=True)
    for look in looks:
        for index, layer in enumerate(look.bounded):
            name = f"{look.configuration.name} {layer.name}"
            made.add_trace(_line(look, layer.saturated, name, DASHES[index % len(DASHES)]))
    made.update_yaxes(range=[-0.02, 1.02])
    return made


def draw_gradient(looks: Sequence[LayerView]) -> go.Figure:
    """Draw one line per configuration, on a logarithmic axis."""
    made = figure(x="epoch", y="first layer's gradient / last layer's", legend=True)
    for look in looks:
        made.add_trace(_line(look, look.reach, look.configuration.name, "solid"))
    made.update_yaxes(type="log", exponentformat="power")
    return made


def draw_map(look: LayerView) -> go.Figure:
    """Draw layers with weights as rows, epochs as columns, the gradient norm as colour."""
    weighted = look.weighted
    norms = np.stack([layer.gradient for layer in weighted])
    with np.errstate(divide="ignore"):
        logs = np.where(norms > 0, np.log10(norms), np.nan)
    made = figure(x="epoch", height_px=110 + 21 * max(len(weighted), 4))
    made.add_trace(
        go.Heatmap(
            z=np.round(logs, 3),
            x=list(look.epochs),
            y=[layer.name for layer in weighted],
            customdata=norms,
            colorscale=SCALE,
            xgap=1,
            ygap=1,
            colorbar={"thickness": 12, "title": {"text": "log10 norm", "side": "right"}},
            hovertemplate="%{y}, epoch %{x}: %{customdata:.3g}<extra></extra>",
        )
    )
    made.update_yaxes(autorange="reversed", type="category", showgrid=False)
    made.update_xaxes(type="category", showgrid=False)
    return made


def table(look: LayerView) -> Table:
    """Return every layer, before training and after the last epoch."""
    columns = [Column("layer"), Column("module")]
    columns += [
        Column(f"{name}, {when}", numeric=True)
        for name in ("saturated share", "output std", "gradient norm")
        for when in ("start", "end")
    ]
    rows = tuple(
        (
            Cell(layer.name),
            Cell(layer.module),
            *(
                _cell(values[at])
                for values in (layer.saturated, layer.std, layer.gradient)
                for at in (0, -1)
            ),
        )
        for layer in look.layers
    )
    return Table(tuple(columns), rows, sortable=True)


def _layer_view(configuration: Configuration, rows: "pd.DataFrame") -> LayerView:
    if rows.empty:
        return LayerView(configuration, (), ())
    epochs = tuple(sorted(int(epoch) for epoch in rows["epoch"].unique()))
    made = [_layer(own, epochs) for _, own in rows.groupby("position", sort=True)]
    return LayerView(configuration, epochs, tuple(made))


def _layer(rows: "pd.DataFrame", epochs: tuple[int, ...]) -> LayerCurves:
    means = rows.groupby("epoch").mean(numeric_only=True).reindex(list(epochs))
    saturated, std, gradient = (
        means[column].to_numpy(dtype=float)
        for column in ("saturated_share", "activation_std", "gradient_norm")
    )
    return LayerCurves(
        name=str(rows["layer"].iloc[0]),
        module=str(rows["module"].iloc[0]),
        has_weights=bool(rows["weight_norm"].notna().any()),
        saturated=saturated,
        std=std,
        gradient=gradient,
    )


def _cause(look: LayerView) -> str:
    """Say what in the activations goes with a weak gradient, if anything does."""
    if dead := [layer for layer in look.layers if _is_dead(layer)]:
        return (
            f"Dead units go with it: all outputs of {dead[0].name} (ReLU) are zero at epoch "
            f"{look.epochs[int(np.nanargmax(dead[0].saturated))]}."
        )
    if look.bounded and _flattest(look).share >= SATURATED:
        return f"Saturation goes with it. {_flatness(look)}"
    explained = "Saturation does not explain it. " if look.bounded else ""
    std = min((float(layer.std[0]) for layer in look.bounded), default=SAME)
    if std >= SAME:
        return explained + _flatness(look)
    return (
        f"{explained}{_flatness(look)} Before training the outputs of one of them are nearly "
        f"one number, whatever the input (standard deviation {std:.2g})."
    )


def _flatness(look: LayerView) -> str:
    """Say how much of its sigmoids and tanhs is flat, at most in any epoch."""
    if not look.bounded:
        return "It has no sigmoid or tanh that could saturate."
    layer, share, epoch = _flattest(look)
    return (
        f"At most {100 * share:.1f} % of the outputs of a {layer.module} lie where it is flat "
        f"({layer.name}, epoch {epoch}; {100 * layer.saturated[0]:.1f} % before "
        "training)."
    )


def _flattest(look: LayerView) -> FlattestActivation:
    layer = max(look.bounded, key=lambda layer: float(np.nanmax(layer.saturated)))
    place = int(np.nanargmax(layer.saturated))
    return FlattestActivation(layer, float(layer.saturated[place]), look.epochs[place])


def _share(look: LayerView, moment: int) -> str:
    """Return `0.63 (before training 0.19)`."""
    before = f" (before training {look.reach[0]:.2g})" if moment else ""
    return f"{look.reach[moment]:.2g}{before}"


def _is_dead(layer: LayerCurves) -> bool:
    return layer.module == "ReLU" and float(np.nanmax(layer.saturated)) == 1.0


def _explanation(looks: Sequence[LayerView]) -> str:
    return (
        f"Of {plural(len(looks), 'configuration')}, on one fixed batch of train examples, "
        "before training (epoch 0) and after each epoch; means over folds and repeats. "
        "Saturated: within 0.05 of the limits of a sigmoid or tanh, zero for a ReLU. "
        "Gradient: norm of the loss's gradient with respect to a layer's weights."
    )


def _option(look: LayerView) -> Option:
    configuration = look.configuration
    blocks: list[Block] = [table(look)]
    if look.weighted:
        title = f"{_name(look)}: gradient norm of each layer with weights"
        blocks.insert(0, Figure(title, draw_map(look)))
    return Option(
        f"{configuration.name} {configuration.label}", tuple(blocks), configuration.colour
    )


def _line(look: LayerView, values: Values, name: str, dash: str) -> go.Scatter:
    return go.Scatter(
        x=list(look.epochs),
        y=list(values),
        mode="lines+markers",
        name=name,
        line={"color": look.configuration.colour, "width": 2, "dash": dash},
        hovertemplate=f"{name}, epoch %{{x}}: %{{y:.3g}}<extra></extra>",
    )


def _name(look: LayerView) -> str:
    return f"{look.configuration.name} ({look.configuration.label})"


def _cell(value: float) -> Cell:
    if is_missing(float(value)):
        return Cell("–", None)
    small = value != 0 and abs(value) < 1e-3
    return Cell(f"{value:.1e}" if small else number(float(value)), float(value))
