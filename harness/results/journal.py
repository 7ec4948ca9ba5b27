"""Changes to several parts at once: all of them, or none, whenever the process dies."""

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.errors import BenchError
from harness.results.layout import TEMPORARY, create_plain, part_files, read_plain
from harness.results.parquet_parts import Part, is_plain_name, write_file
from harness.results.tables import TABLES

JOURNAL = "journal.json"


@dataclass(frozen=True)
class Journal:
    """What is left to do, as (table, file name).

    Attributes:
        moves: Parts that lie staged in the temporary folder.
        deletes: Parts that they replace.
    """

    moves: tuple[tuple[str, str], ...]
    deletes: tuple[tuple[str, str], ...]


def commit(folder: Path, parts: Iterable[Part], *, deletes: Iterable[tuple[str, str]] = ()) -> None:
    """Put parts in their places and delete the files that they replace.

    A change that only adds files needs no journal: they are moved in the order of TABLES, and rows
    count only once their trials row lies there.

    Args:
        folder: The results folder, held by the caller.
        parts: Staged one by one, so a generator needs the memory of one part.
        deletes: (table, file name); a place that is also written is not deleted.
    """
    finish_pending(folder)
    moves = sorted(
        {_staged(folder, part) for part in parts if len(part.data)},
        key=lambda place: TABLES.index(place[0]),
    )
    doomed = sorted(set(deletes) - set(moves))
    doomed = [place for place in doomed if (folder / place[0] / place[1]).exists()]
    journal = Journal(tuple(moves), tuple(doomed))
    if doomed or any((folder / table / name).exists() for table, name in moves):
        _write(folder, journal)
    _apply(folder, journal)


def finish_pending(folder: Path) -> bool:
    """Finish a change that was interrupted after its journal was written, if one was."""
    journal = pending(folder)
    if journal is None:
        return False
    _apply(folder, journal)
    return True


def pending(folder: Path) -> Journal | None:
    """Return the change under way, or None.

    Raises:
        BenchError: The journal is not one that bench writes.
    """
    try:
        text = read_plain(folder / TEMPORARY / JOURNAL)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        content = json.loads(text)
        moves, deletes = (_places(content[key]) for key in ("moves", "deletes"))
    except (ValueError, TypeError, KeyError, RecursionError):
        file = folder / TEMPORARY / JOURNAL
        raise BenchError(f"{file} is not from bench: nothing was changed, remove it") from None
    return Journal(moves, deletes)


def live_files(folder: Path, table: str) -> dict[str, Path]:
    """Return file name -> where a table's part lies, as if a change under way were finished.

    A file may be gone by the time it is read: then ask again.
    """
    while True:
        journal = pending(folder)
        files = part_files(folder, table)
        if pending(folder) == journal:
            break
    if journal is None:
        return files
    for place in journal.moves:
        staged = _staging(folder, *place)
        if place[0] == table and staged.exists():
            files[place[1]] = staged
    gone = {name for owner, name in journal.deletes if owner == table}
    return {name: path for name, path in sorted(files.items()) if name not in gone}


def _places(listed: Iterable[Any]) -> tuple[tuple[str, str], ...]:
    """Raise ValueError for what leads out of the tables: a folder may come from anybody."""
    places = tuple((table, name) for table, name in listed)
    if not all(table in TABLES and is_plain_name(name) for table, name in places):
        raise ValueError("no place of a table")
    return places


def _staged(folder: Path, part: Part) -> tuple[str, str]:
    write_file(_staging(folder, part.table, part.name), part.data)
    return part.table, part.name


def _staging(folder: Path, table: str, name: str) -> Path:
    return folder / TEMPORARY / f"{table}-{name}"


def _write(folder: Path, journal: Journal) -> None:
    path = folder / TEMPORARY / JOURNAL
    draft = path.with_suffix(".draft")
    with os.fdopen(create_plain(draft), "w", encoding="utf-8") as file:
        json.dump(asdict(journal), file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(draft, path)


def _apply(folder: Path, journal: Journal) -> None:
    """Do what is left of the change; doing it twice does no harm."""
    for table, name in journal.moves:
        staged = _staging(folder, table, name)
        if staged.exists():
            (folder / table).mkdir(parents=True, exist_ok=True)
            os.replace(staged, folder / table / name)
    for table, name in journal.deletes:
        (folder / table / name).unlink(missing_ok=True)
    (folder / TEMPORARY / JOURNAL).unlink(missing_ok=True)
