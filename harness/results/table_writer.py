"""Finished trials to Parquet: several to a part, the trials row last; many small parts made few."""

import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, pairwise
from pathlib import Path

import pyarrow as pa

from harness.results.column_types import conform
from harness.results.journal import commit, finish_pending
from harness.results.parquet_parts import (
    Part,
    part_name,
    places,
    read_file,
    restricted,
    rows_of,
    run_starts,
    trials_by_part,
)
from harness.results.tables import N_ROWS, TABLES

HOLD_S = 1.0  # with the caller's own rhythm, rows are on disk at latest 2 s after a trial's end
HOLD_BYTES = 64 * 2**20  # more is written at once, to bound memory
COMPACT_FROM = 64  # parts; a reader opens each of them, in every table
PART_BYTES = 16 * 2**20  # replacing a trial rewrites its part; joining takes ten times the memory


class TableWriter:
    """Holds finished trials for a moment and writes them together. One per results folder."""

    def __init__(self, folder: Path, schemas: Mapping[str, pa.Schema]) -> None:
        """Read which trials the folder has.

        Args:
            folder: The results folder, held by the caller.
            schemas: What `widen` returned: wide enough for every part that lies there.
        """
        self._folder = folder
        self._schemas = schemas
        self._trials = {name: set(ids) for name, ids in trials_by_part(folder).items()}
        self._earlier = {trial_id for ids in self._trials.values() for trial_id in ids}
        self._held: dict[str, dict[str, pa.Table]] = {}
        self._held_bytes = 0
        self._since_s = 0.0

    def add(
        self,
        trial_id: str,
        tables: Mapping[str, pa.Table],
        *,
        replace: bool = False,
        keep_repeats: Sequence[int] = (),
    ) -> None:
        """Take a trial's rows in all tables; they are written at the next flush.

        Args:
            trial_id: The trial.
            tables: Its rows in every table.
            replace: The trial has rows from before this writer, and they go. What this writer
                wrote itself, as when a worker died after handing over, is replaced without asking.
            keep_repeats: Rows of these repeats stay; only the trials row is replaced.

        Raises:
            ValueError: The trial has earlier rows, and `replace` is not set.
        """
        if trial_id in self._earlier and not replace:
            raise ValueError(f"trial {trial_id} has rows already")
        if keep_repeats:
            self.flush()
        rows = {table: conform(tables[table], self._schemas[table]) for table in TABLES}
        for table in TABLES[:-1] if keep_repeats else ():
            old = self._old_rows(table, trial_id, keep_repeats)
            rows[table] = pa.concat_tables([*old, rows[table]])
        rows["trials"] = _promising(rows)
        if not self._held:
            self._since_s = time.monotonic()
        self._held[trial_id] = rows
        self._held_bytes += sum(table.nbytes for table in rows.values())
        if self._held_bytes > HOLD_BYTES:
            self.flush()

    def flush_if_due(self) -> None:
        """Write what is held once its oldest trial has waited for HOLD_S seconds."""
        if self._held and time.monotonic() - self._since_s >= HOLD_S:
            self.flush()

    def flush(self) -> None:
        """Write what is held. After an OSError it is held still: flush may be called again."""
        if not self._held:
            return
        name = part_name(self._held)
        left = {
            old: ids - self._held.keys()
            for old, ids in self._trials.items()
            if not ids.isdisjoint(self._held)
        }
        remainders = (restricted(self._folder, old, ids) for old, ids in left.items())
        commit(
            self._folder,
            chain(self._parts(name), *remainders),
            deletes=[place for old in left for place in places(old)],
        )
        for old, ids in left.items():
            del self._trials[old]
            if ids:
                self._trials[part_name(ids)] = ids
        self._trials[name] = set(self._held)
        self._earlier -= self._held.keys()
        self._held, self._held_bytes = {}, 0

    def holds(self, trial_id: str) -> bool:
        """Return whether the trial waits for the next flush."""
        return trial_id in self._held

    def close(self) -> None:
        """Write what is left."""
        self.flush()

    def _parts(self, name: str) -> Iterator[Part]:
        trial_ids = sorted(self._held)  # readers of few trials skip the rest of a sorted part
        for table in TABLES:
            yield Part(table, name, pa.concat_tables([self._held[id_][table] for id_ in trial_ids]))

    def _old_rows(self, table: str, trial_id: str, repeats: Sequence[int]) -> list[pa.Table]:
        import pyarrow.compute as pc

        wanted = pa.array(list(repeats), pa.int32())
        paths = (
            self._folder / table / name for name, ids in self._trials.items() if trial_id in ids
        )
        rows = [rows_of(read_file(path), [trial_id]) for path in paths if path.exists()]
        kept = [old.filter(pc.is_in(old["repeat"], wanted)) for old in rows]
        return [conform(old, self._schemas[table]) for old in kept]


def _promising(rows: Mapping[str, pa.Table]) -> pa.Table:
    """Return the trials row with how many rows the trial has in every other table."""
    trial = rows["trials"]
    for table in TABLES[:-1]:
        place = trial.schema.get_field_index(f"{N_ROWS}{table}")
        if place >= 0:
            count = pa.repeat(pa.scalar(len(rows[table]), pa.int64()), len(trial))
            trial = trial.set_column(place, trial.schema.field(place), count)
    return trial


def compact(folder: Path, *, threshold: int = COMPACT_FROM) -> int:
    """Join small parts into larger ones, their rows sorted by trial, where there are many.

    Args:
        folder: The results folder, held by the caller; its parts have one schema (see `widen`).
        threshold: Of so many parts or fewer none is joined.

    Returns:
        How many parts were joined.
    """
    finish_pending(folder)
    trials = trials_by_part(folder)
    if len(trials) <= threshold:
        return 0
    groups = [names for names in _groups(folder, sorted(trials)) if len(names) > 1]
    for names in groups:
        joined = part_name(chain.from_iterable(trials[name] for name in names))
        deletes = [place for name in names for place in places(name)]
        commit(folder, _joined(folder, names, joined), deletes=deletes)
    return sum(len(names) for names in groups)


def _groups(folder: Path, names: Sequence[str]) -> Iterator[list[str]]:
    """Yield neighbours whose files together stay under PART_BYTES."""
    group: list[str] = []
    size = 0
    for name in names:
        own = sum(_size(folder / table / file) for table, file in places(name))
        if group and size + own > PART_BYTES:
            yield group
            group, size = [], 0
        group.append(name)
        size += own
    if group:
        yield group


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _joined(folder: Path, names: Sequence[str], joined: str) -> Iterator[Part]:
    for table in TABLES:
        paths = [folder / table / name for name in names]
        blocks = [block for path in paths if path.exists() for block in _blocks(read_file(path))]
        if blocks:
            ordered = sorted(blocks, key=lambda block: block[0])
            yield Part(table, joined, pa.concat_tables(rows for _trial_id, rows in ordered))


def _blocks(rows: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    """Yield trial id and rows of each trial, without copying them."""
    coded = rows.select(["trial_id"]).combine_chunks().column(0).dictionary_encode()
    starts = run_starts(pa.table({"trial_id": coded}), ["trial_id"]).tolist()
    for start, stop in pairwise([*starts, len(rows)]):
        yield coded[start].as_py(), rows.slice(start, stop - start)
