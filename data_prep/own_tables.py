"""A CSV table of one's own: its rows with their lines, labels, folds and groups."""

import csv
import io
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

from data_prep.examples import DataError

ROLES = ("train", "validation", "test")
PART_COLUMNS = ("fold", "split")
COLUMN_OPTIONS = ("text_column", "label_column", "fold_column", "group_column")
DELIMITERS = (",", ";", "\t")
SHOWN_PROBLEMS = 5

Part = int | str | None


class OptionError(DataError):
    """A mistake in what the benchmark file says of the data. option: the key that says it."""

    def __init__(self, text: str, *, option: str) -> None:
        super().__init__(text)
        self.option = option


class TableError(DataError):
    """Text that is no table. line: where it stops being one."""

    def __init__(self, text: str, *, line: int) -> None:
        super().__init__(text)
        self.line = line


class Columns(NamedTuple):
    """Which column holds what; part and group None: `fold` or `split`, and `group`, if there."""

    content: str
    label: str = "label"
    part: str | None = None
    group: str | None = None


class Row(NamedTuple):
    """One line of a table. part: a number from 1 or a role, None without; group likewise."""

    line: int
    content: str
    label: str
    part: Part
    group: str | None


def read_rows(file: Path, columns: Columns, *, option: str | None = None) -> list[Row]:
    """The rows of a comma-, semicolon- or tab-separated table in UTF-8, in their order.

    option: to blame for a column that isn't there; None blames the option that names it. Raises
    DataError for a table that can't be read, with the first few lines that are wrong, and
    OptionError for a column that isn't there.
    """
    header, lines = _lines(file, [name for name in columns if name is not None])
    columns = _found(file, header, columns, option)
    problems: list[str] = []
    rows = []
    for line, cells in lines:
        if len(cells) != len(header):
            problems.append(f"{file}:{line}: {len(cells)} cells, the header has {len(header)}")
            continue
        row = _row(line, dict(zip(header, cells, strict=True)), columns)
        problems += [f"{file}:{line}: {text}" for text in _mistakes(row, columns)]
        rows.append(row)
    refuse(problems, head=f"{file}: lines that are wrong", cure="mend them and try again")
    _refuse_mixed_parts(file, rows, columns)
    return rows


def table_lines(
    text: str, wanted: Collection[str]
) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The header's names, and each row's first line with its cells; empty lines are left out.

    text: of a comma-, semicolon- or tab-separated table. wanted: names of columns, by which its
    delimiter is known. Raises TableError.
    """
    with _cells_of_any_length(text):
        delimiter = _delimiter(text, wanted)
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        filled, before = [], 0
        try:
            for cells in reader:
                if any(_stripped(cells)):
                    filled.append((before + 1, cells))
                before = reader.line_num
        except csv.Error as error:
            raise TableError(f"not a CSV table ({error})", line=reader.line_num) from error
    return (_stripped(filled[0][1]), filled[1:]) if filled else ([], [])


def refuse(problems: Sequence[str], *, head: str, cure: str) -> None:
    """Raises DataError with the first few problems and how many there are."""
    if not problems:
        return
    shown = [f"  {problem}" for problem in problems[:SHOWN_PROBLEMS]]
    if len(problems) > SHOWN_PROBLEMS:
        shown.append(f"  and {len(problems) - SHOWN_PROBLEMS} more")
    raise DataError("\n".join([f"{head} ({len(problems)})", *shown, f"  {cure}"]))


def plain(text: str) -> str:
    """Composed Unicode, so that a name is the same from every file system and editor."""
    return unicodedata.normalize("NFC", text)


def ordered_classes(labels: Sequence[str], *, where: str) -> tuple[str, ...]:
    """The distinct labels, numbers by size and else by name.

    Raises DataError where there is one class only, or one example of a class.
    """
    counts: dict[str, int] = {}
    for label in labels:
        counts[label] = counts.get(label, 0) + 1
    if len(counts) < 2:
        found = f"only the class {next(iter(counts))!r}" if counts else "no examples"
        raise DataError(f"{where}: {found}; a classification needs at least 2 classes")
    single = sorted(label for label, count in counts.items() if count < 2)
    refuse(
        [f"{label!r} has 1 example" for label in single],
        head=f"{where}: classes with too few examples",
        cure="one can't be trained on and tested too: add examples or leave the class out",
    )
    numbers = all(label.isdecimal() for label in counts)
    return tuple(sorted(counts, key=lambda label: (int(label) if numbers else 0, label)))


def distinct_parts(parts: Sequence[Part]) -> tuple[int, ...] | tuple[str, ...]:
    """The part numbers in order, or the roles that occur; empty without parts."""
    found = set(parts) - {None}
    roles = tuple(role for role in ROLES if role in found)
    return roles or tuple(sorted(part for part in found if isinstance(part, int)))


def _lines(file: Path, wanted: Collection[str]) -> tuple[list[str], list[tuple[int, list[str]]]]:
    try:
        header, lines = table_lines(file.read_text(encoding="utf-8-sig"), wanted)
    except UnicodeDecodeError as error:
        raise DataError(f"{file}: not UTF-8 text ({error.reason} at byte {error.start})") from error
    except TableError as error:
        raise DataError(f"{file}:{error.line}: {error}") from error
    except OSError as error:
        raise DataError(f"{file}: can't be read ({error.strerror})") from error
    if not lines:
        raise DataError(f"{file}: no rows below a header")
    return header, lines


@contextmanager
def _cells_of_any_length(text: str) -> Iterator[None]:
    """The reader's limit, of the whole process, is 131,072 characters; a text may be longer."""
    before = csv.field_size_limit()
    csv.field_size_limit(max(before, len(text)))
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _delimiter(text: str, wanted: Collection[str]) -> str:
    """The one that divides the header into the wanted names, else into the most names."""

    def fit(delimiter: str) -> tuple[int, int]:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        try:
            header = next((_stripped(cells) for cells in reader if any(_stripped(cells))), [])
        except csv.Error:  # a quote that another delimiter would end
            return 0, 0
        return sum(name in header for name in wanted), len(header)

    return max(DELIMITERS, key=fit)


def _stripped(cells: Sequence[str]) -> list[str]:
    return [cell.strip() for cell in cells]


def _found(file: Path, header: Sequence[str], columns: Columns, option: str | None) -> Columns:
    """The columns that are there; those that were named, or are needed, must be."""
    named = {
        key: name for key, name in zip(COLUMN_OPTIONS, columns, strict=True) if name is not None
    }
    for key, name in named.items():
        if header.count(name) != 1:
            raise OptionError(_no_column(file, header, name), option=option or key)
    free = [name for name in header if name not in named.values()]
    parts = [name for name in PART_COLUMNS if name in free]
    if columns.part is None and len(parts) > 1:
        text = f"{file}: has a column fold and a column split; name one of them"
        raise OptionError(text, option=option or "fold_column")
    part = columns.part or next(iter(parts), None)
    return columns._replace(
        part=part, group=columns.group or ("group" if "group" in free else None)
    )


def _no_column(file: Path, header: Sequence[str], name: str) -> str:
    if name in header:
        return f"{file}: has {header.count(name)} columns {name}"
    close = get_close_matches(name, header, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return f"{file}: no column {name}; found: {', '.join(header)}{hint}"


def _row(line: int, cells: dict[str, str], columns: Columns) -> Row:
    part: Part = None
    if columns.part is not None:
        part = cells[columns.part].strip()
        part = int(part) if part.isdecimal() and part.isascii() else part
    group = None if columns.group is None else plain(cells[columns.group].strip())
    label = plain(cells[columns.label].strip())
    return Row(line, plain(cells[columns.content].strip()), label, part, group)


def _mistakes(row: Row, columns: Columns) -> Iterator[str]:
    cells = ((columns.content, row.content), (columns.label, row.label), (columns.group, row.group))
    yield from (f"no {name}" for name, value in cells if value == "")
    known = row.part in ROLES if isinstance(row.part, str) else row.part != 0
    if not known:
        hint = next((f"; did you mean {role!r}?" for role in ROLES if _begins(role, row.part)), "")
        allowed = f"a number from 1, or one of {', '.join(ROLES)}"
        yield f"{columns.part} is {str(row.part)!r}; allowed: {allowed}{hint}"


def _begins(role: str, part: Part) -> bool:
    return isinstance(part, str) and bool(part) and role.startswith(part.lower())


def _refuse_mixed_parts(file: Path, rows: Sequence[Row], columns: Columns) -> None:
    kinds = {type(row.part): row.line for row in reversed(rows)}
    if len(kinds) > 1:
        line = max(kinds.values())
        raise DataError(f"{file}:{line}: {columns.part} holds numbers and roles; use one of them")
