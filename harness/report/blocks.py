"""The blocks that a section is made of, in whatever format it is written."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import plotly.graph_objects as go


class Cell(NamedTuple):
    """One cell of a table.

    Attributes:
        text: What is printed.
        sort: What it sorts by, where that differs from the text.
        colour: The colour of the configuration that it belongs to.
    """

    text: str
    sort: float | str | None = None
    colour: str | None = None


@dataclass(frozen=True)
class Column:
    """A column's heading.

    Attributes:
        name: The heading.
        numeric: Whether the cells are numbers, which are aligned to the right.
        hint: What the column means, shown on hover.
        best: `max` or `min`, where one of these says which cell is the best.
    """

    name: str
    numeric: bool = False
    hint: str = ""
    best: str = ""


@dataclass(frozen=True)
class Table:
    """A table; `sortable` adds headings that sort and a field that filters, in the page."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    caption: str = ""
    sortable: bool = False


@dataclass(frozen=True)
class Figure:
    """A figure under a title that states the finding; a `narrow` one may stand beside others."""

    title: str
    figure: "go.Figure"
    narrow: bool = False


@dataclass(frozen=True)
class Text:
    """A paragraph; the `lead` is the sentence that answers the question."""

    text: str
    lead: bool = False


@dataclass(frozen=True)
class Code:
    """Verbatim text; a long one is `folded` under this heading."""

    text: str
    folded: str = ""


@dataclass(frozen=True)
class Example:
    """Examples of the data: texts, pictures, or a sound.

    Attributes:
        name: The heading.
        caption: The line below.
        texts: Texts to read.
        picture: A data URI.
        columns: The number of images side by side in the picture; 0 for one that fills its place.
        course: A waveform's lowest and highest values by turns, -100 to 100.
        sound: A data URI.
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
    """Examples beside each other, or below each other if they are wide."""

    title: str
    examples: tuple[Example, ...]
    wide: bool = False


@dataclass(frozen=True)
class Option:
    """One view of a Dropdown, such as a configuration's, under its name and in its colour."""

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
    """A titled part of the report; `key` is its anchor in the page."""

    key: str
    title: str
    blocks: tuple[Block, ...]


def without_empty_columns(table: Table) -> Table:
    """Return the table without the columns that are empty in every row."""
    kept = [
        index
        for index, _ in enumerate(table.columns)
        if not table.rows or any(row[index].text not in ("", "–") for row in table.rows)
    ]
    rows = tuple(tuple(row[index] for index in kept) for row in table.rows)
    return replace(table, columns=tuple(table.columns[index] for index in kept), rows=rows)


def section(key: str, title: str, *blocks: Block) -> Section:
    """Return a section of these blocks."""
    return Section(key, title, blocks)


def empty_section(key: str, title: str, reason: str) -> Section:
    """Return a section without data: it stays in the report, as one line that says why."""
    return Section(key, title, (Text(reason),))
