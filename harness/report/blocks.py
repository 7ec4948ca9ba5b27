"""What a section is made of, whatever format it is written in."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import plotly.graph_objects as go


class Cell(NamedTuple):
    """One cell: its text, what it sorts by where that differs, and the colour it belongs to."""

    text: str
    sort: float | str | None = None
    colour: str | None = None


@dataclass(frozen=True)
class Column:
    """A column's heading; numbers stand to the right. hint: what it means, shown on hover.

    best: `max` or `min` where one of these says which cell is the best.
    """

    name: str
    numeric: bool = False
    hint: str = ""
    best: str = ""


@dataclass(frozen=True)
class Table:
    """A table. sortable: with headings that sort and a field that filters, in the page."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    caption: str = ""
    sortable: bool = False


@dataclass(frozen=True)
class Figure:
    """A figure under a title that says the finding. narrow: may stand beside its neighbours."""

    title: str
    figure: "go.Figure"
    narrow: bool = False


@dataclass(frozen=True)
class Text:
    """A paragraph. lead: the sentence that answers."""

    text: str
    lead: bool = False


@dataclass(frozen=True)
class Code:
    """Verbatim text. folded: a long one, under this heading."""

    text: str
    folded: str = ""


@dataclass(frozen=True)
class Example:
    """Something of the data: texts, a picture, a waveform's course, something to play.

    picture, sound: data URIs. columns: images side by side in the picture, 0 for one that fills
    its place. course: lowest and highest values by turns, -100 to 100.
    """

    name: str
    caption: str = ""
    texts: tuple[str, ...] = ()
    picture: str = ""
    columns: int = 0
    course: tuple[int, ...] = ()
    sound: str = ""


@dataclass(frozen=True)
class Gallery:
    """Examples beside each other, or below each other where they are wide."""

    title: str
    examples: tuple[Example, ...]
    wide: bool = False


@dataclass(frozen=True)
class Option:
    """One of the views of a Dropdown, such as a configuration's. colour: the one it belongs to."""

    name: str
    blocks: tuple["Block", ...]
    colour: str | None = None


@dataclass(frozen=True)
class Dropdown:
    """Views of which the page shows one at a time, the first until another is asked for."""

    label: str
    options: tuple[Option, ...]


Block = Table | Figure | Text | Code | Dropdown | Gallery


@dataclass(frozen=True)
class Section:
    """A titled part of the report. key: its anchor in the page."""

    key: str
    title: str
    blocks: tuple[Block, ...]


def without_empty_columns(table: Table) -> Table:
    """The table without the columns that have nothing in any row; headings alone tell nothing."""
    kept = [
        index
        for index, _ in enumerate(table.columns)
        if not table.rows or any(row[index].text not in ("", "–") for row in table.rows)
    ]
    rows = tuple(tuple(row[index] for index in kept) for row in table.rows)
    return replace(table, columns=tuple(table.columns[index] for index in kept), rows=rows)


def section(key: str, title: str, *blocks: Block) -> Section:
    """A section with something to show."""
    return Section(key, title, blocks)


def empty_section(key: str, title: str, reason: str) -> Section:
    """A section without data: it stays, in one line that says why."""
    return Section(key, title, (Text(reason),))
