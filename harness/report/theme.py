"""How figures look: the colours of the configurations, and layouts for light, dark and print."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import plotly.graph_objects as go
from plotly.subplots import make_subplots

PALETTE = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#56b4e9",
    "#e69f00",
    "#7f5fc7",
    "#8c6d46",
)
"""One colour for each of the best configurations, safe for colour-blind readers: Okabe and Ito
(2008) without black and yellow, which vanish on dark and on light paper, and two more."""

OTHER = "#8f959e"  # configurations beyond the palette, and lines that stand for none
SCALE = "Viridis"
DASHES = ("solid", "dash", "dot", "dashdot")
GRID = "rgba(128,134,145,0.22)"  # seen on white and on black
INK = "#5c6370"


def colour_of(place: int | None) -> str:
    """Return the colour of a place; all beyond the palette, and those without a place, are grey.

    Args:
        place: 1 for the best configuration; None where it has no place.
    """
    return PALETTE[place - 1] if place and place <= len(PALETTE) else OTHER


def faded(colour: str, opacity: float) -> str:
    """Return a colour with an opacity, for bands and lines in the background.

    Args:
        colour: `#rrggbb`.
        opacity: 0 to 1.
    """
    red, green, blue = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"


def figure(*, x: str = "", y: str = "", height_px: int = 380, legend: bool = False) -> go.Figure:
    """Return an empty figure.

    Args:
        x: Title of the x axis, with its unit.
        y: Title of the y axis, with its unit.
        height_px: Height in pixels.
        legend: Whether it has a legend.
    """
    axes = {"xaxis": {"title": _title(x), **axis()}, "yaxis": {"title": _title(y), **axis()}}
    return go.Figure(layout={**layout(height_px=height_px, legend=legend), **axes})


def panels(columns: int, titles: list[str], *, height_px: int = 380, **choices: Any) -> go.Figure:
    """Return panels side by side that share their y axis unless `choices` say otherwise."""
    options = {"shared_yaxes": True, **choices}
    made = make_subplots(
        rows=1, cols=columns, subplot_titles=titles, horizontal_spacing=0.06, **options
    )
    made.update_layout(**layout(height_px=height_px, legend=False))
    made.update_xaxes(title=_title(""), **axis())
    made.update_yaxes(title=_title(""), **axis())
    made.update_annotations(font_size=13)
    return made


def layout(*, height_px: int, legend: bool) -> dict[str, Any]:
    """Return the layout that every figure shares; its paper lets the page's colour through."""
    return {
        "template": "none",
        "height": height_px,
        "margin": {"l": 64, "r": 16, "t": 30, "b": 52},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": "system-ui, sans-serif", "size": 13, "color": INK},
        "showlegend": legend,
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        "hoverlabel": {"namelength": -1},
        "modebar": {"bgcolor": "rgba(0,0,0,0)"},
    }


def escaped(text: str) -> str:
    """Escape text from files for a hover template, whose tags plotly reads."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def axis() -> dict[str, Any]:
    """Return an axis with a quiet grid and room for its labels."""
    return {"gridcolor": GRID, "zeroline": False, "automargin": True, "ticks": ""}


class ForestRow(NamedTuple):
    """A difference with its interval, in a configuration's name and colour."""

    name: str
    colour: str
    mean: float
    low: float
    high: float


def forest_plot(rows: Sequence[ForestRow], *, x: str) -> go.Figure:
    """Draw differences with intervals around the line of no difference, the first on top.

    Args:
        rows: One line each.
        x: What differs, with its unit.
    """
    made = figure(x=x, height_px=100 + 21 * len(rows))
    made.add_vline(x=0, line={"color": OTHER, "dash": "dot"})
    for row in rows:
        bars = {"array": [row.high - row.mean], "arrayminus": [row.mean - row.low]}
        made.add_trace(
            go.Scatter(
                x=[row.mean],
                y=[row.name],
                mode="markers",
                showlegend=False,
                marker={"color": row.colour, "size": 9},
                name=row.name,
                error_x={**bars, "color": row.colour, "thickness": 1.6},
                hovertemplate="%{y}: %{x:+.4f}<extra></extra>",
            )
        )
    made.update_yaxes(autorange="reversed", type="category")
    return made


def _title(text: str) -> dict[str, Any]:
    return {"text": text, "standoff": 8, "font": {"size": 13}}
