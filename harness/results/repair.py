"""What a run does first: bring the tables back to whole, committed trials."""

import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from harness.config.yaml_io import parse
from harness.errors import SpecError
from harness.results.integrity import COLUMNS, check_trials
from harness.results.journal import commit, finish_pending
from harness.results.layout import (
    CARD,
    PLAN,
    PREVIEWS,
    RECORD,
    RESOLVED,
    SET_ASIDE,
    TEMPORARY,
    check_plain,
    part_files,
    run_files,
)
from harness.results.parquet_parts import (
    DamagedPart,
    Part,
    part_name,
    places,
    read_file,
    read_keys,
)
from harness.results.runs import read_json, read_plan, read_resolved
from harness.results.tables import TABLES

Keys = set[tuple[str, int | None]]
Repeats = dict[str, int | None]  # trial id -> how many it has, None where that is not known


@dataclass(frozen=True)
class RepairReport:
    """What was not whole, and is now.

    Attributes:
        finished: A change that a run had begun was finished.
        removed: How many parts had rows whose trial was never committed.
        damaged: Unreadable parts, where they lay; they and their neighbours are set aside.
        missing: The trials of damaged parts, as far as their ids could be read.
        records: Unreadable files of runs, where they lay; they are set aside.
    """

    finished: bool = False
    removed: int = 0
    damaged: tuple[Path, ...] = ()
    missing: tuple[str, ...] = ()
    records: tuple[Path, ...] = ()

    def lines(self) -> list[str]:
        """Return one line for each thing that a user should know; none where all was well."""
        text = []
        if self.finished:
            text.append("finished a change of the tables that was interrupted")
        if self.removed:
            text.append(f"removed rows of unfinished trials from {self.removed} files")
        unreadable = (*self.damaged, *self.records)
        text += [f"{path} is damaged: set aside in {SET_ASIDE}/" for path in unreadable]
        if self.damaged:
            text.append(f"{len(self.missing)} trials of damaged files count as missing")
        return text


def repair(folder: Path) -> RepairReport:
    """Finish what was begun, then remove or set aside what is not whole.

    Args:
        folder: The results folder, held by the caller; it need not exist.

    Raises:
        BenchError: A newer version wrote the tables.
    """
    if not folder.exists():
        return RepairReport()
    check_plain(folder)
    finished = finish_pending(folder)
    shutil.rmtree(folder / TEMPORARY, ignore_errors=True)
    keys, damaged = _keys(folder)
    names = {path.name for path in damaged}
    missing = {trial_id for path in keys if path.name in names for trial_id, _ in keys[path]}
    for name in names:
        _set_aside(folder, name)
    left = {path: held for path, held in keys.items() if path.name not in names}
    removed = _remove_foreign(folder, left, _owned(folder))
    records = tuple(_damaged_records(folder))
    for file in records:
        aside = folder / SET_ASIDE / file.relative_to(folder)
        aside.parent.mkdir(parents=True, exist_ok=True)
        os.replace(file, aside)
    return RepairReport(finished, removed, tuple(damaged), tuple(sorted(missing)), records)


def _damaged_records(folder: Path) -> Iterator[Path]:
    """Yield files that runs left beside the tables and that can't be read as what they are."""
    readers = {PLAN: read_plan, RESOLVED: read_resolved, RECORD: read_json}
    for name, read in {**readers, CARD: read_json, PREVIEWS: read_json}.items():
        for file in run_files(folder, name):
            try:
                read(file)
            except DamagedPart:
                yield file
    for file in run_files(folder, RESOLVED)[-1:]:  # of the others nobody asks more
        if not _is_mapping(file):
            yield file


def _is_mapping(file: Path) -> bool:
    """Return whether a resolved file, which may be an older version's, is YAML at all."""
    try:
        return isinstance(parse(read_resolved(file), str(file)).value, dict)
    except DamagedPart:  # named already
        return True
    except SpecError:
        return False


def _keys(folder: Path) -> tuple[dict[Path, Keys], list[Path]]:
    """Return what each file holds, and the files that can't be read."""
    keys: dict[Path, Keys] = {}
    damaged = []
    for table in TABLES:
        for path in part_files(folder, table).values():
            try:
                if table == "trials":
                    check_trials(path, read_file(path, COLUMNS).to_pylist())
                keys[path] = read_keys(path)
            except DamagedPart:
                damaged.append(path)
    return keys, damaged


def _set_aside(folder: Path, name: str) -> None:
    for table, file in places(name):
        if (folder / table / file).exists():
            aside = folder / SET_ASIDE / table
            aside.mkdir(parents=True, exist_ok=True)
            os.replace(folder / table / file, aside / file)


def _owned(folder: Path) -> dict[str, Repeats]:
    """Return part name -> its trials with the repeats they have (None: not known).

    A trial that lies in two parts belongs to the one that finished later.
    """
    columns = ["trial_id", "status", "n_repeats", "finished_at"]
    rows = [
        (row["finished_at"] is not None, row["finished_at"], path.name, row)
        for path in part_files(folder, "trials").values()
        for row in read_file(path, columns).to_pylist()
    ]
    latest = {
        row["trial_id"]: (name, row) for *_, name, row in sorted(rows, key=lambda row: row[:3])
    }
    owned: dict[str, Repeats] = {name: {} for *_, name, _row in rows}
    for trial_id, (name, row) in latest.items():
        owned[name][trial_id] = row["n_repeats"] if row["status"] == "complete" else None
    return owned


def _remove_foreign(folder: Path, keys: Mapping[Path, Keys], owned: Mapping[str, Repeats]) -> int:
    """Remove rows of trials, or of repeats, that no trials row of the same part commits."""
    foreign = [
        path
        for path, held in keys.items()
        if not all(_belongs(key, owned.get(path.name, {})) for key in held)
    ]
    for name in {path.name for path in foreign}:
        parts = _owned_parts(folder, name, owned.get(name, {}))
        commit(folder, parts, deletes=places(name))
    return len(foreign)


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
    """Return for each row whether it belongs to one of these trials."""
    keys = rows["trial_id"].to_pylist()
    numbers = rows["repeat"].to_pylist() if "repeat" in rows.schema.names else [None] * len(keys)
    return pa.array([_belongs(key, repeats) for key in zip(keys, numbers, strict=True)])
