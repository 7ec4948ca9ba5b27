"""The report as one HTML file that needs nothing else: no network, no folder beside it."""

import json
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

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
ROWS_WRITTEN = 50  # of a sortable table; the page makes the others when somebody asks for them


KINDS = {Text: "text", Table: "table", Figure: "figure", Code: "code", Dropdown: "choice",
         Gallery: "gallery"}  # fmt: skip


class Chapter(NamedTuple):
    """One benchmark's part of the page."""

    name: str
    question: str
    sections: Sequence[Section]


def render_page(
    chapters: Sequence[Chapter], *, title: str, made_at: str, reload_s: int | None = None
) -> str:
    """The page as text. Everything that comes from files is escaped, also inside figures.

    reload_s: a browser reads the page anew after so many seconds, over and over; None: never.
    """
    from plotly.offline import get_plotlyjs

    return str(_template().render(
        title=title,
        made_at=made_at,
        chapters=chapters,
        kinds=KINDS,
        rows_written=ROWS_WRITTEN,
        style=_resource("page.css"),
        scripts=[_resource(name) for name in SCRIPTS],
        live="" if reload_s is None else live_script(reload_s),
        plotly=get_plotlyjs() if any(map(_draws, _blocks(chapters))) else "",
    ))  # fmt: skip


def live_script(reload_s: int) -> str:
    """What makes a page read itself anew, as the whole element, so that it can be taken out."""
    code = _resource("live.js").replace("RELOAD_S", str(reload_s))
    return f"{LIVE}{code}</script>"


def without_live_script(page: str) -> str:
    """The page as it stays once nobody writes it any more."""
    start = page.rfind(LIVE)
    if start < 0:
        return page
    return page[:start] + page[page.index("</script>", start) + len("</script>") :]


def escaped_values(value: Any, key: str = "") -> Any:
    """A figure's plain value with its texts escaped: plotly reads a few tags in any text.

    Templates, such as `hovertemplate`, are written by the sections and keep their tags.
    """
    if isinstance(value, str):
        return value if key.endswith("template") else escaped(value)
    if isinstance(value, dict):
        return {name: escaped_values(one, str(name)) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [escaped_values(one, key) for one in value]
    return value


@cache
def _template() -> Any:
    from jinja2 import Environment

    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["figure_json"] = _figure_json
    environment.filters["rows_json"] = _rows_json
    environment.filters["course"] = _course
    return environment.from_string(_resource("page.html"))


def _blocks(chapters: Sequence[Chapter]) -> list[Block]:
    return [block for chapter in chapters for part in chapter.sections for block in part.blocks]


def _draws(block: Block) -> bool:
    """Whether there is a figure in it; a page without any needs no plotly."""
    if isinstance(block, Dropdown):
        return any(_draws(one) for option in block.options for one in option.blocks)
    return isinstance(block, Figure)


def _course(values: Sequence[int]) -> str:
    """An SVG outline: along the highest values, back along the lowest; up is positive."""
    highest = [f"{x},{-y}" for x, y in enumerate(values[1::2])]
    lowest = [f"{x},{-y}" for x, y in enumerate(values[::2])]
    return "M" + "L".join([*highest, *reversed(lowest)]) + "Z"


def _figure_json(figure: Figure) -> str:
    plain = escaped_values(figure.figure.to_plotly_json())
    return _in_script(json.dumps(plain, cls=_encoder(), separators=(",", ":"), allow_nan=False))


def _rows_json(rows: Sequence[Sequence[Cell]]) -> str:
    """Each cell as its text, or as [text, sort, colour] where it has more."""
    plain = [[cell.text if cell == Cell(cell.text) else list(cell) for cell in row] for row in rows]
    return _in_script(json.dumps(plain, cls=_encoder(), separators=(",", ":")))


def _in_script(text: str) -> str:
    """JSON that can't end the script element that holds it."""
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _encoder() -> type[json.JSONEncoder]:
    from plotly.utils import PlotlyJSONEncoder

    encoder: type[json.JSONEncoder] = PlotlyJSONEncoder
    return encoder


def _resource(name: str) -> str:
    return (files("harness.report") / "assets" / name).read_text(encoding="utf-8")
