"""The report as one HTML file that needs nothing else: no network, no folder beside it."""

import json
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

from harness.report.content import Code, Figure, Section, Table, Text


class Chapter(NamedTuple):
    """One benchmark's part of the page."""

    name: str
    question: str
    sections: Sequence[Section]


def render_page(chapters: Sequence[Chapter], *, title: str, made_at: str) -> str:
    """The page as text. Everything that comes from files is escaped."""
    from plotly.offline import get_plotlyjs

    return str(_template().render(
        title=title,
        made_at=made_at,
        chapters=chapters,
        kinds={Text: "text", Table: "table", Figure: "figure", Code: "code"},
        style=_resource("page.css"),
        script=_resource("page.js"),
        plotly=get_plotlyjs(),
    ))  # fmt: skip


@cache
def _template() -> Any:
    from jinja2 import Environment

    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["figure_json"] = _figure_json
    return environment.from_string(_resource("page.html"))


def _figure_json(figure: Figure) -> str:
    """JSON that can't end the script element that holds it."""
    plain = figure.figure.to_plotly_json()
    text = json.dumps(plain, cls=_encoder(), separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _encoder() -> type[json.JSONEncoder]:
    from plotly.utils import PlotlyJSONEncoder

    encoder: type[json.JSONEncoder] = PlotlyJSONEncoder
    return encoder


def _resource(name: str) -> str:
    return (files("harness.report") / "assets" / name).read_text(encoding="utf-8")
