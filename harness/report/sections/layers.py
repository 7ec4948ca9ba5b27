"""Inside the network: which activations are flat, and what gradient reaches each layer."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.report.colours import DASHES, SCALE
from harness.report.content import (
    Block,
    Cell,
    Choice,
    Column,
    Figure,
    Option,
    Section,
    Table,
    Text,
    empty_section,
    section,
)
from harness.report.draw import figure
from harness.report.study import Configuration, Study
from harness.report.wording import is_missing, number, plural

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

KEY, TITLE = "layers", "Inside the layers"
NOT_LOOKED_AT = (
    "No layer was looked at; ask for it with `diagnostics: layers` (with --force for done trials)."
)
SHOWN = 8
BOUNDED = ("Sigmoid", "Tanh")
SATURATED = 0.5  # share of outputs from which an activation is called saturated
SAME = 0.05  # standard deviation below which an activation's outputs are nearly one number
WEAK = 0.1  # of the largest gradient, below which one is called weak

Values = NDArray[np.float64]


class Layer(NamedTuple):
    """Means over folds and repeats, each (epochs,) from epoch 0; NaN where there is none."""

    name: str
    module: str
    has_weights: bool
    saturated: Values
    std: Values
    gradient: Values


class Look(NamedTuple):
    """One configuration's layers, in the order of the forward pass, over the epochs from 0."""

    configuration: Configuration
    epochs: tuple[int, ...]
    layers: tuple[Layer, ...]

    @property
    def bounded(self) -> tuple[Layer, ...]:
        """Its sigmoids and tanhs."""
        return tuple(layer for layer in self.layers if layer.module in BOUNDED)

    @property
    def weighted(self) -> tuple[Layer, ...]:
        """Its layers with weights."""
        return tuple(layer for layer in self.layers if layer.has_weights)

    @property
    def reach(self) -> Values:
        """(epochs,) the first layer's gradient norm as a share of the last layer's."""
        if not self.weighted:
            return np.full(len(self.epochs), np.nan)
        first, last = self.weighted[0].gradient, self.weighted[-1].gradient
        return np.array(first / np.where(last > 0, last, np.nan))


def layers(study: Study) -> Section:
    """What `diagnostics: layers` noted, as a section."""
    shown = study.complete[:SHOWN]
    looks = compute(study.layers([one.trial_id for one in shown]), shown)
    if not looks:
        return empty_section(KEY, TITLE, NOT_LOOKED_AT)
    blocks: list[Block] = [Text(words(looks)), Text(_explanation(looks))]
    if any(look.bounded for look in looks):
        title = "Share of outputs where sigmoid and tanh are flat"
        blocks.append(Figure(title, draw_saturation(looks), narrow=True))
    title = "How much of the last layer's gradient reaches the first"
    blocks.append(Figure(title, draw_gradient(looks), narrow=True))
    blocks.append(Choice("configuration", tuple(_option(look) for look in looks)))
    return section(KEY, TITLE, *blocks)


def compute(rows: "pd.DataFrame", shown: Sequence[Configuration]) -> tuple[Look, ...]:
    """The layers of these configurations, those without rows left out."""
    looks = (_look(one, rows[rows["trial_id"] == one.trial_id]) for one in shown if len(rows))
    return tuple(look for look in looks if look.layers)


def words(looks: Sequence[Look]) -> str:
    """What the numbers say of the weakest gradient, and whether saturation goes with it."""
    for moment in (-1, 0):
        known = [look for look in looks if np.isfinite(look.reach[moment])]
        if len(known) < 2:
            return _saturation(looks[0])
        weakest, *_, strongest = sorted(known, key=lambda look: look.reach[moment])
        low, high = weakest.reach[moment], strongest.reach[moment]
        if low < WEAK * high:
            when = f"After epoch {weakest.epochs[-1]}" if moment else "Before training"
            before = f"; before training it was {weakest.reach[0]:.2g}" if moment else ""
            return (f"{when}, the first layer of {_name(weakest)} gets {low:.2g} of the gradient "
                    f"of its last, that of {_name(strongest)} {high:.2g}{before}. "
                    f"{_saturation(weakest)}")  # fmt: skip
    return ("No gradient vanishes: before training and after the last epoch, every first layer "
            "gets at least a tenth of the share that another's gets.")  # fmt: skip


def draw_saturation(looks: Sequence[Look]) -> "go.Figure":
    """One line per configuration and sigmoid or tanh; deeper ones are dashed."""
    made = figure(x="epoch", y="saturated share", legend=True)
    for look in looks:
        for index, layer in enumerate(look.bounded):
            name = f"{look.configuration.name} {layer.name}"
            made.add_trace(_line(look, layer.saturated, name, DASHES[index % len(DASHES)]))
    made.update_yaxes(range=[-0.02, 1.02])
    return made


def draw_gradient(looks: Sequence[Look]) -> "go.Figure":
    """One line per configuration, on a logarithmic axis."""
    made = figure(x="epoch", y="first layer's gradient / last layer's", legend=True)
    for look in looks:
        made.add_trace(_line(look, look.reach, look.configuration.name, "solid"))
    made.update_yaxes(type="log", exponentformat="power")
    return made


def draw_map(look: Look) -> "go.Figure":
    """Layers with weights as rows, epochs as columns, the gradient norm as colour."""
    import plotly.graph_objects as go

    weighted = look.weighted
    norms = np.stack([layer.gradient for layer in weighted])
    with np.errstate(divide="ignore"):
        logs = np.where(norms > 0, np.log10(norms), np.nan)
    made = figure(x="epoch", height_px=110 + 21 * max(len(weighted), 4))
    made.add_trace(go.Heatmap(
        z=np.round(logs, 3), x=list(look.epochs), y=[layer.name for layer in weighted],
        customdata=norms, colorscale=SCALE, xgap=1, ygap=1,
        colorbar={"thickness": 12, "title": {"text": "log10 norm", "side": "right"}},
        hovertemplate="%{y}, epoch %{x}: %{customdata:.3g}<extra></extra>",
    ))  # fmt: skip
    made.update_yaxes(autorange="reversed", type="category", showgrid=False)
    made.update_xaxes(type="category", showgrid=False)
    return made


def table(look: Look) -> Table:
    """Every layer before training and after the last epoch."""
    columns = [Column("layer"), Column("module")]
    columns += [Column(f"{name}, {when}", numeric=True) for name in
                ("saturated share", "output std", "gradient norm")
                for when in ("start", "end")]  # fmt: skip
    rows = tuple(
        (Cell(layer.name), Cell(layer.module),
         *(_cell(values[at]) for values in (layer.saturated, layer.std, layer.gradient)
           for at in (0, -1)))
        for layer in look.layers
    )  # fmt: skip
    return Table(tuple(columns), rows, sortable=True)


def _look(one: Configuration, rows: "pd.DataFrame") -> Look:
    if rows.empty:
        return Look(one, (), ())
    epochs = tuple(sorted(int(epoch) for epoch in rows["epoch"].unique()))
    made = [_layer(own, epochs) for _, own in rows.groupby("position", sort=True)]
    return Look(one, epochs, tuple(made))


def _layer(rows: "pd.DataFrame", epochs: tuple[int, ...]) -> Layer:
    means = rows.groupby("epoch").mean(numeric_only=True).reindex(list(epochs))
    saturated, std, gradient = (
        means[column].to_numpy(dtype=float)
        for column in ("saturated_share", "activation_std", "gradient_norm")
    )
    return Layer(
        name=str(rows["layer"].iloc[0]),
        module=str(rows["module"].iloc[0]),
        has_weights=bool(rows["weight_norm"].notna().any()),
        saturated=saturated,
        std=std,
        gradient=gradient,
    )


def _saturation(look: Look) -> str:
    """Whether the configuration's activations are flat, in numbers."""
    if dead := [layer for layer in look.layers if _is_dead(layer)]:
        return (f"Dead units go with it: all outputs of {dead[0].name} (ReLU) are zero at epoch "
                f"{look.epochs[int(np.nanargmax(dead[0].saturated))]}.")  # fmt: skip
    if not look.bounded:
        return f"{_name(look)} has no sigmoid or tanh that could saturate."
    most = max(look.bounded, key=lambda layer: np.nanmax(layer.saturated))
    share = float(np.nanmax(most.saturated))
    epoch = look.epochs[int(np.nanargmax(most.saturated))]
    if share >= SATURATED:
        return (f"Saturation goes with it: {100 * share:.0f} % of the outputs of {most.name} "
                f"({most.module}) lie where it is flat at epoch {epoch}, and "
                f"{100 * most.saturated[0]:.0f} % before training.")  # fmt: skip
    text = (f"Saturation does not explain it: at most {100 * share:.1f} % of the outputs of its "
            f"{most.module} layers lie where they are flat, in any epoch.")  # fmt: skip
    std = min(float(layer.std[0]) for layer in look.bounded)
    if std >= SAME:
        return text
    return (f"{text} Before training the outputs of one of them are nearly one number, whatever "
            f"the input (standard deviation {std:.2g}).")  # fmt: skip


def _is_dead(layer: Layer) -> bool:
    return layer.module == "ReLU" and float(np.nanmax(layer.saturated)) == 1.0


def _explanation(looks: Sequence[Look]) -> str:
    return (f"Of {plural(len(looks), 'configuration')}, on one fixed batch of train examples, "
            "before training (epoch 0) and after each epoch; means over folds and repeats. "
            "Saturated: within 0.05 of the limits of a sigmoid or tanh, zero for a ReLU. "
            "Gradient: norm of the loss's gradient with respect to a layer's weights.")  # fmt: skip


def _option(look: Look) -> Option:
    one = look.configuration
    blocks: list[Block] = [table(look)]
    if look.weighted:
        title = f"{_name(look)}: gradient norm of each layer with weights"
        blocks.insert(0, Figure(title, draw_map(look)))
    return Option(f"{one.name} {one.label}", tuple(blocks), one.colour)


def _line(look: Look, values: Values, name: str, dash: str) -> "go.Scatter":
    import plotly.graph_objects as go

    return go.Scatter(
        x=list(look.epochs), y=list(values), mode="lines+markers", name=name,
        line={"color": look.configuration.colour, "width": 2, "dash": dash},
        hovertemplate=f"{name}, epoch %{{x}}: %{{y:.3g}}<extra></extra>",
    )  # fmt: skip


def _name(look: Look) -> str:
    return f"{look.configuration.name} ({look.configuration.label})"


def _cell(value: float) -> Cell:
    if is_missing(float(value)):
        return Cell("–", None)
    small = value != 0 and abs(value) < 1e-3
    return Cell(f"{value:.1e}" if small else number(float(value)), float(value))
