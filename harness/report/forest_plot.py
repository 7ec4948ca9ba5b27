"""Differences with their intervals around the line of no difference."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from harness.report.benchmark_results import Configuration
from harness.report.theme import OTHER, figure

if TYPE_CHECKING:
    import plotly.graph_objects as go


class Branch(NamedTuple):
    """One configuration's difference to the reference."""

    configuration: Configuration
    mean: float
    low: float
    high: float


def draw_forest(branches: Sequence[Branch], x: str) -> "go.Figure":
    """One line a configuration, the first on top. x: what differs, with its unit."""
    import plotly.graph_objects as go

    made = figure(x=x, height_px=100 + 21 * len(branches))
    made.add_vline(x=0, line={"color": OTHER, "dash": "dot"})
    for one in branches:
        colour, name = one.configuration.colour, one.configuration.name
        made.add_trace(go.Scatter(
            x=[one.mean], y=[name], mode="markers", showlegend=False,
            marker={"color": colour, "size": 9}, name=name,
            error_x={"array": [one.high - one.mean], "arrayminus": [one.mean - one.low],
                     "color": colour, "thickness": 1.6},
            hovertemplate="%{y}: %{x:+.4f}<extra></extra>",
        ))  # fmt: skip
    made.update_yaxes(autorange="reversed", type="category")
    return made
