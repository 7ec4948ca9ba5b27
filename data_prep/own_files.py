"""Files of one's own and their labels: by the folder they lie in, or by a CSV table.

The listing is the description, so `describe` reads names, and the table where there is one.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_prep.examples import DataError, Description, Examples
from data_prep.own_tables import (
    Columns,
    OptionError,
    Part,
    distinct_parts,
    ordered_classes,
    plain,
    read_rows,
    refuse,
)

if TYPE_CHECKING:
    from os import PathLike

    import numpy as np

LITTER = ("Thumbs.db", "desktop.ini", "__MACOSX")  # left behind by file managers


@dataclass(frozen=True)
class Labelled:
    """One example before it is read. name: of the file below the folder, or of the line."""

    name: str
    label: str
    part: Part = None
    group: str | None = None


@dataclass(frozen=True)
class OwnFiles:
    """The examples of a folder sorted by name, with their files, and the table that lists them."""

    folder: Path
    items: tuple[Labelled, ...]
    files: tuple[Path, ...]
    class_names: tuple[str, ...]
    table: Path | None

    @property
    def raw_files(self) -> list[Path]:
        """What the identity of the data is made of."""
        return [self.table, *self.files] if self.table else list(self.files)


def located(root: "str | PathLike[str]", path: str) -> Path:
    """The file or folder that a benchmark file names: as given, else below the data folder.

    Raises OptionError with both places where it is at neither.
    """
    given = Path(path).expanduser()
    places = dict.fromkeys(Path(os.path.abspath(place)) for place in (given, Path(root) / given))
    for place in places:
        if path.strip() and place.exists():
            return place
    looked = " nor ".join(str(place) for place in places)
    raise OptionError(f"nothing lies at {looked}; found {path!r}", option="path")


def own_files(
    root: "str | PathLike[str]", *, path: str, labels: str | None, endings: Sequence[str]
) -> OwnFiles:
    """The labelled files of a folder: FOLDER/class/file, or those that the table lists.

    labels: a CSV file below the folder with columns path, label and, where wanted, fold and
    group. endings: of the files that are meant, lower case. Raises DataError and OptionError with
    the first few files or lines that are wrong.
    """
    folder = located(root, path)
    if not folder.is_dir():
        raise OptionError(f"{folder} is a file; name the folder", option="path")
    table = None if labels is None else _table(folder, labels)
    found = _by_folder(folder, endings) if table is None else _by_table(folder, table, endings)
    names = ordered_classes([item.label for item in found], where=str(table or folder))
    items = sorted(found, key=lambda item: item.name)
    return OwnFiles(folder, tuple(items), tuple(found[item] for item in items), names, table)


def description(
    items: Sequence[Labelled], class_names: tuple[str, ...], **more: Any
) -> Description:
    """What the listing says; more: title, input_shape and whatever else `Description` takes."""
    return Description(
        class_names=class_names,
        n_examples=len(items),
        source="your own files",
        licence="yours to know",
        parts=distinct_parts([item.part for item in items]),
        has_groups=items[0].group is not None,
        **more,
    )


def examples(
    items: Sequence[Labelled],
    class_names: tuple[str, ...],
    inputs: "np.ndarray",
    *,
    input_scale: float | None = None,
) -> Examples:
    """Inputs (n, ...) in the items' order, with their labels, parts and groups."""
    import numpy as np

    numbers = {name: number for number, name in enumerate(class_names)}
    first = items[0]
    return Examples(
        inputs=inputs,
        targets=np.array([numbers[item.label] for item in items], dtype=np.int64),
        example_ids=np.array([item.name for item in items]),
        class_names=class_names,
        parts=None if first.part is None else np.array([item.part for item in items]),
        groups=None if first.group is None else np.array([item.group for item in items]),
        input_scale=input_scale,
    )


def _by_folder(folder: Path, endings: Sequence[str]) -> dict[Labelled, Path]:
    top = list(_entries(folder))
    classes = [entry for entry in top if entry.is_dir()]
    if not classes:
        loose = any(_is_meant(entry.name, endings) for entry in top)
        state = "its files lie in no class" if loose else "no classes in it"
        cure = "put the files of each class into a folder, or name a table with `labels`"
        raise DataError(f"{folder}: {state}; {cure}")
    wrong: list[str] = []
    items: dict[Labelled, Path] = {}
    for entry in classes:
        found = [Path(file.path) for file in _files(entry, endings, wrong)]
        if not found:
            wrong.append(f"{entry.path}: no files in this class")
        for file in found:
            item = _labelled(folder, file, entry.name)
            if items.setdefault(item, file) != file:
                wrong.append(f"{file}: the same name as another file, in other Unicode")
    refuse(
        wrong,
        head=f"{folder}: not as expected, which is FOLDER/class/file with {' '.join(endings)}",
        cure="take them away, or begin their names with a dot",
    )
    return items


def _by_table(folder: Path, table: Path, endings: Sequence[str]) -> dict[Labelled, Path]:
    rows = read_rows(table, Columns("path"), option="labels")
    lines: dict[str, int] = {}
    wrong: list[str] = []
    items: dict[Labelled, Path] = {}
    for row in rows:
        file = Path(os.path.normpath(folder / row.content))
        name = plain(file.relative_to(folder).as_posix()) if file.is_relative_to(folder) else ""
        problem = _wrong_file(file, name, endings)
        if name in lines:
            problem = f"listed before, at line {lines[name]}"
        if problem:
            wrong.append(f"{table}:{row.line}: {row.content}: {problem}")
        lines.setdefault(name, row.line)
        items[Labelled(name, row.label, row.part, row.group)] = file
    refuse(wrong, head=f"{table}: lines that are wrong", cure="mend them and try again")
    return items


def _wrong_file(file: Path, name: str, endings: Sequence[str]) -> str | None:
    if not name:
        return "leads out of the folder"
    if not _is_meant(file.name, endings):
        return f"must end in one of {' '.join(endings)}"
    return None if file.is_file() else "no such file"


def _table(folder: Path, labels: str) -> Path:
    table = folder / Path(labels).expanduser()
    if not labels.strip() or not table.is_file():
        raise OptionError(f"no table {table}; found {labels!r}", option="labels")
    return table


def _files(
    entry: "os.DirEntry[str]", endings: Sequence[str], wrong: list[str]
) -> Iterator["os.DirEntry[str]"]:
    """The meant files at any depth; notes what else lies there, and links to folders."""
    for inner in _entries(entry.path):
        if inner.is_dir(follow_symlinks=False):
            yield from _files(inner, endings, wrong)
        elif inner.is_file() and _is_meant(inner.name, endings):
            yield inner
        elif inner.is_dir():
            wrong.append(f"{inner.path}: a link to a folder, inside a class")
        elif inner.is_file():
            wrong.append(f"{inner.path}: another kind of file")
        else:
            wrong.append(f"{inner.path}: a link that leads nowhere, or no file")


def _entries(folder: "str | Path") -> list["os.DirEntry[str]"]:
    """What lies in a folder, by name, without hidden files and what file managers leave."""
    try:
        with os.scandir(folder) as listing:
            seen = [one for one in listing if one.name[0] != "." and one.name not in LITTER]
    except OSError as error:
        raise DataError(f"{folder}: can't be listed ({error.strerror})") from error
    return sorted(seen, key=lambda one: one.name)


def _labelled(folder: Path, file: Path, class_name: str) -> Labelled:
    return Labelled(plain(file.relative_to(folder).as_posix()), plain(class_name))


def _is_meant(name: str, endings: Sequence[str]) -> bool:
    return os.path.splitext(name)[1].lower() in endings
