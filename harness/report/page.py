"""Render the report as one HTML file that needs nothing else: no network, no folder beside it."""

import json
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

from jinja2 import Environment
from plotly.offline import get_plotlyjs
from plotly.utils import PlotlyJSONEncoder

from harness.report.blocks import (
    Block,
    Cell,
    Code,
    Dropdown,
    Figure,
    Gallery,
    Section,
    Table,
    Text,
)
from harness.report.theme import escaped

SCRIPTS = ("figures.js", "tables.js", "page.js")
LIVE = '<script class="live">'
ROWS_WRITTEN = 50  # of a sortable table; a browser makes the others when somebody asks for them
KINDS = {
    Text: "text",
    Table: "table",
    Figure: "figure",
    Code: "code",
    Dropdown: "choice",
    Gallery: "gallery",
}
"""Type of a block -> the macro of `assets/page.html` that writes it."""


class Chapter(NamedTuple):
    """One benchmark's part of the page."""

    name: str
    question: str
    sections: Sequence[Section]


def render_page(
    chapters: Sequence[Chapter], *, title: str, made_at: str, reload_s: int | None = None
) -> str:
    """Return the page as text. Everything that comes from files is escaped, also inside figures.

    Args:
        chapters: One for each benchmark.
        title: The page's title.
        made_at: When the page was made, as printed.
        reload_s: After how many seconds a browser reads the page again, over and over; by default
            never.
    """
    needs_plotly = any(map(_has_figure, _blocks(chapters)))
    page = _template().render(
        title=title,
        made_at=made_at,
        chapters=chapters,
        kinds=KINDS,
        rows_written=ROWS_WRITTEN,
        style=_resource("page.css"),
        scripts=[_resource(name) for name in SCRIPTS],
        live="" if reload_s is None else live_script(reload_s),
        plotly=get_plotlyjs() if needs_plotly else "",
    )
    return str(page)


def live_script(reload_s: int) -> str:
    """Return the script element that reloads a page; `without_live_script` takes it out again."""
    code = _resource("live.js").replace("RELOAD_S", str(reload_s))
    return f"{LIVE}{code}</script>"


def without_live_script(page: str) -> str:
    """Return the page without its reloading script, as it stays when nobody writes it any more."""
    start = page.rfind(LIVE)
    if start < 0:
        return page
    return page[:start] + page[page.index("</script>", start) + len("</script>") :]


def escaped_values(value: Any, key: str = "") -> Any:
    """Escape the texts in a figure's plain value: plotly reads a few tags in any text.

    Args:
        value: A value of `Figure.to_plotly_json()`.
        key: The value's name. Templates, such as `hovertemplate`, are written by the sections and
            keep their tags.
    """
    if isinstance(value, str):
        return value if key.endswith("template") else escaped(value)
    if isinstance(value, dict):
        return {name: escaped_values(held, str(name)) for name, held in value.items()}
    if isinstance(value, list | tuple):
        return [escaped_values(held, key) for held in value]
    return value


@cache
def _template() -> Any:
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["figure_json"] = _figure_json
    environment.filters["rows_json"] = _rows_json
    environment.filters["course"] = _svg_outline
    return environment.from_string(_resource("page.html"))


def _blocks(chapters: Sequence[Chapter]) -> list[Block]:
    return [block for chapter in chapters for part in chapter.sections for block in part.blocks]


def _has_figure(block: Block) -> bool:
    if isinstance(block, Dropdown):
        return any(_has_figure(shown) for option in block.options for shown in option.blocks)
    return isinstance(block, Figure)


def _svg_outline(values: Sequence[int]) -> str:
    """Return a waveform's path: along its highest values, back along the lowest; up is positive."""
    highest = [f"{x},{-y}" for x, y in enumerate(values[1::2])]
    lowest = [f"{x},{-y}" for x, y in enumerate(values[::2])]
    return "M" + "L".join([*highest, *reversed(lowest)]) + "Z"


def _figure_json(figure: Figure) -> str:
    plain = escaped_values(figure.figure.to_plotly_json())
    return _in_script(
        json.dumps(plain, cls=PlotlyJSONEncoder, separators=(",", ":"), allow_nan=False)
    )


def _rows_json(rows: Sequence[Sequence[Cell]]) -> str:
    """Return each cell as its text, or as [text, sort, colour] if it has more."""
    plain = [[cell.text if cell == Cell(cell.text) else list(cell) for cell in row] for row in rows]
    return _in_script(json.dumps(plain, cls=PlotlyJSONEncoder, separators=(",", ":")))


def _in_script(text: str) -> str:
    """Return JSON that can't end the script element that holds it."""
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _resource(name: str) -> str:
    return (files("harness.report") / "assets" / name).read_text(encoding="utf-8")
