"""Files of one's own and their labels: by the folder they lie in, or by a CSV table.

The listing is the description, so `describe` reads names, and the table where there is one.
"""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_prep.examples import DataError, Description, Examples
from data_prep.litter import is_litter
from data_prep.own_tables import (
    ROLES,
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

ROLE_FOLDERS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}
_FOLD_FOLDER = re.compile(r"fold[ _-]?([1-9][0-9]{0,3})")


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

    Where all folders are parts of the data by their names (`train`, `val`, `test`, or `fold1`,
    `fold2`, ...), it is FOLDER/part/class/file.
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
    folders = _folders(folder, endings)
    parts = _parts(folder, [entry.name for entry in folders])
    wrong: list[str] = []
    items: dict[Labelled, Path] = {}
    for entry in folders:
        part = parts.get(entry.name)
        classes = [entry] if part is None else _folders(Path(entry.path), endings)
        for of_class in classes:
            found = [Path(file.path) for file in _files(of_class, endings, wrong)]
            if not found:
                wrong.append(f"{of_class.path}: no files in this class")
            for file in found:
                item = _labelled(folder, file, of_class.name, part)
                if items.setdefault(item, file) != file:
                    wrong.append(f"{file}: the same name as another file, in other Unicode")
    layout = "FOLDER/part/class/file" if parts else "FOLDER/class/file"
    refuse(
        wrong,
        head=f"{folder}: not as expected, which is {layout} with {' '.join(endings)}",
        cure="take them away, or begin their names with a dot",
    )
    _refuse_untrained(folder, items)
    return items


def _folders(folder: Path, endings: Sequence[str]) -> list["os.DirEntry[str]"]:
    """The folders in a folder of classes or parts. Raises DataError without any."""
    entries = _entries(folder)
    folders = [entry for entry in entries if entry.is_dir()]
    if not folders:
        loose = any(_is_meant(entry.name, endings) for entry in entries)
        state = "its files lie in no class" if loose else "no classes in it"
        cure = "put the files of each class into a folder, or name a table with `labels`"
        raise DataError(f"{folder}: {state}; {cure}")
    return folders


def _parts(folder: Path, names: Sequence[str]) -> dict[str, Part]:
    """Folder name -> the part it stands for; empty where the folders are classes.

    One name alone proves nothing: a train is a vehicle, too. Raises DataError where some are parts
    and others are not.
    """
    parts = {name: part for name in names if (part := _part_of(name)) is not None}
    if len(names) == 1 and parts:
        raise DataError(f"{folder}: holds {names[0]}/ alone; name that folder with `path`")
    if len(parts) < 2:
        return {}
    others = [f"{name}/" for name in names if name not in parts]
    kinds = {type(part) for part in parts.values()}
    if others or len(kinds) > 1:
        few = " ".join(others[:3]) or "being numbers and roles"
        listed = " ".join(f"{name}/" for name in parts)
        raise DataError(
            f"{folder}: {listed} are parts of the data by their names, but for {few}; leave parts "
            "of one kind there, folds numbered from 1, or name a table with `labels`"
        )
    if len(set(parts.values())) < len(parts):
        twice = " ".join(f"{name}/" for name in parts)
        raise DataError(f"{folder}: of {twice} two stand for the same part; leave one of them")
    return parts


def _part_of(name: str) -> Part:
    """A role or the number of a fold, where a folder's name says so."""
    numbered = _FOLD_FOLDER.fullmatch(name.lower())
    return int(numbered[1]) if numbered else ROLE_FOLDERS.get(name.lower())


def _refuse_untrained(folder: Path, items: Iterable[Labelled]) -> None:
    """A class that another role spells differently would never be learned."""
    classes: dict[Part, set[str]] = {}
    for item in items:
        classes.setdefault(item.part, set()).add(item.label)
    trained = classes.get("train")
    if trained is None:
        return
    refuse(
        [
            f"{role}: {label!r}"
            for role in ROLES
            for label in sorted(classes.get(role, set()) - trained)
        ],
        head=f"{folder}: classes that train has no file of",
        cure="their folders need the same names in every part",
    )


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
    """What lies in a folder, by name, without hidden files and what systems leave there."""
    try:
        with os.scandir(folder) as listing:
            seen = [entry for entry in listing if not is_litter(entry.name)]
    except OSError as error:
        raise DataError(f"{folder}: can't be listed ({error.strerror})") from error
    return sorted(seen, key=lambda entry: entry.name)


def _labelled(folder: Path, file: Path, class_name: str, part: Part) -> Labelled:
    return Labelled(plain(file.relative_to(folder).as_posix()), plain(class_name), part)


def _is_meant(name: str, endings: Sequence[str]) -> bool:
    return os.path.splitext(name)[1].lower() in endings
