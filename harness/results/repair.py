"""What a run does first: bring the tables back to whole, committed trials."""

import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from harness.results.journal import commit, finish_pending
from harness.results.parts import (
    TEMPORARY,
    DamagedPart,
    Part,
    is_damaged,
    part_name,
    places,
    read_file,
    read_keys,
)
from harness.results.schema import TABLES

SET_ASIDE = ".damaged"
Repeats = dict[str, int | None]  # trial id -> how many it has, None where that is not known


@dataclass(frozen=True)
class RepairReport:
    """What was found and mended.

    finished: a change that a run had begun was finished.
    removed: parts with rows whose trial was never committed.
    damaged: unreadable files, where they lay; they and their neighbours are set aside.
    missing: the trials of damaged parts, as far as their ids could be read.
    """

    finished: bool = False
    removed: int = 0
    damaged: tuple[Path, ...] = ()
    missing: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """One line for each thing that a user should know; empty where all was well."""
        text = []
        if self.finished:
            text.append("finished a change of the tables that was interrupted")
        if self.removed:
            text.append(f"removed rows of unfinished trials from {self.removed} files")
        text += [f"{path} is damaged: set aside in {SET_ASIDE}/" for path in self.damaged]
        if self.damaged:
            text.append(f"{len(self.missing)} trials of damaged files count as missing")
        return text


def repair(folder: Path) -> RepairReport:
    """Finishes what was begun, then removes or sets aside what is not whole.

    For the one that holds the folder. Raises BenchError for tables of a newer version.
    """
    if not folder.exists():
        return RepairReport()
    finished = finish_pending(folder)
    shutil.rmtree(folder / TEMPORARY, ignore_errors=True)
    damaged = [path for path in _files(folder) if is_damaged(path)]
    missing = {one for path in damaged for one in _trial_ids(folder, path.name)}
    for name in {path.name for path in damaged}:
        _set_aside(folder, name)
    owned = _owned(folder)
    removed = _remove_orphans(folder, owned) + _remove_rows(folder, owned)
    return RepairReport(finished, removed, tuple(damaged), tuple(sorted(missing)))


def _files(folder: Path) -> list[Path]:
    return [path for table in TABLES for path in sorted((folder / table).glob("*.parquet"))]


def _trial_ids(folder: Path, name: str) -> set[str]:
    """Trials of a part, from those of its files that can be read."""
    ids: set[str] = set()
    for table, file in places(name):
        try:
            ids.update(trial_id for trial_id, _repeat in read_keys(folder / table / file))
        except (DamagedPart, FileNotFoundError):
            continue
    return ids


def _set_aside(folder: Path, name: str) -> None:
    for table, file in places(name):
        if (folder / table / file).exists():
            aside = folder / SET_ASIDE / table
            aside.mkdir(parents=True, exist_ok=True)
            os.replace(folder / table / file, aside / file)


def _owned(folder: Path) -> dict[str, Repeats]:
    """Part name -> its trials with the repeats they have (None: not known).

    A trial that lies in two parts belongs to the one that finished later.
    """
    columns = ["trial_id", "status", "n_repeats", "finished_at"]
    rows = [
        (row["finished_at"] is not None, row["finished_at"], path.name, row)
        for path in sorted((folder / "trials").glob("*.parquet"))
        for row in read_file(path, columns).to_pylist()
    ]
    latest = {
        row["trial_id"]: (name, row) for *_, name, row in sorted(rows, key=lambda one: one[:3])
    }
    owned: dict[str, Repeats] = {name: {} for *_, name, _row in rows}
    for trial_id, (name, row) in latest.items():
        owned[name][trial_id] = row["n_repeats"] if row["status"] == "complete" else None
    return owned


def _remove_orphans(folder: Path, owned: Mapping[str, Repeats]) -> int:
    orphans = [path for path in _files(folder) if path.name not in owned]
    for path in orphans:
        path.unlink()
    return len(orphans)


def _remove_rows(folder: Path, owned: Mapping[str, Repeats]) -> int:
    """Rewrites the parts that hold rows of other trials, or of repeats beyond their trial's."""
    wrong = [
        path
        for path in _files(folder)
        if not all(_belongs(key, owned[path.name]) for key in read_keys(path))
    ]
    for name in {path.name for path in wrong}:
        commit(folder, _owned_parts(folder, name, owned[name]), deletes=places(name))
    return len(wrong)


def _owned_parts(folder: Path, name: str, repeats: Repeats) -> Iterator[Part]:
    for table, file in places(name):
        if (folder / table / file).exists():
            data = read_file(folder / table / file)
            yield Part(table, part_name(repeats), data.filter(_is_owned(data, repeats)))


def _belongs(key: tuple[str, int | None], repeats: Repeats) -> bool:
    trial_id, repeat = key
    known = repeats.get(trial_id)
    return trial_id in repeats and (known is None or repeat is None or repeat <= known)


def _is_owned(rows: pa.Table, repeats: Repeats) -> pa.Array:
    """Per row, whether it belongs to one of these trials."""
    keys = rows["trial_id"].to_pylist()
    numbers = rows["repeat"].to_pylist() if "repeat" in rows.schema.names else [None] * len(keys)
    return pa.array([_belongs(key, repeats) for key in zip(keys, numbers, strict=True)])
