"""Rewriting parts as a whole: wider columns, fewer files."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, pairwise
from pathlib import Path

import pyarrow as pa

from harness.results.journal import commit, finish_pending
from harness.results.layout import part_files
from harness.results.parts import (
    Part,
    part_name,
    places,
    read_file,
    read_schema,
    run_starts,
    trials_by_part,
)
from harness.results.row_tables import conform, params_from_config
from harness.results.schema import PARAMS, TABLES, union_schema

COMPACT_FROM = 64
PART_BYTES = 16 * 2**20  # replacing a trial rewrites its part; joining takes ten times the memory


def widen(folder: Path, schemas: Mapping[str, pa.Schema]) -> dict[str, pa.Schema]:
    """Rewrites the parts that lack a column of `schemas`, or hold it in a narrower type.

    New `params.*` columns are filled from each row's `config`, other new columns are null.
    Returns the schemas that new parts must have: the columns of both.
    """
    finish_pending(folder)
    found = {table: _found(folder, table) for table in TABLES}
    wide = {table: _union([*found[table].values(), schemas[table]]) for table in TABLES}
    commit(folder, _widened(found, wide))
    return wide


def is_wide_enough(folder: Path, schemas: Mapping[str, pa.Schema]) -> bool:
    """Whether `widen` would change nothing."""
    return all(
        union_schema(old, schemas[table]).equals(old)
        for table in TABLES
        for old in _found(folder, table).values()
    )


def compact(folder: Path, *, threshold: int = COMPACT_FROM) -> int:
    """Joins small parts into larger ones where there are more than `threshold`; how many it took.

    Parts have one schema (see `widen`). Rows are sorted by trial.
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


def _found(folder: Path, table: str) -> dict[Path, pa.Schema]:
    return {path: read_schema(path) for path in part_files(folder, table).values()}


def _union(schemas: Sequence[pa.Schema]) -> pa.Schema:
    wide = schemas[0]
    for schema in schemas[1:]:
        wide = union_schema(wide, schema)
    return wide


def _widened(
    found: Mapping[str, Mapping[Path, pa.Schema]], wide: Mapping[str, pa.Schema]
) -> Iterator[Part]:
    for table, schemas in found.items():
        for path, schema in schemas.items():
            if schema.equals(wide[table]):
                continue
            data = conform(read_file(path), wide[table])
            new = [name for name in wide[table].names if name not in schema.names]
            params = [name for name in new if name.startswith(PARAMS)]
            yield Part(table, path.name, params_from_config(data, params))


def _groups(folder: Path, names: Sequence[str]) -> Iterator[list[str]]:
    """Neighbours whose files together stay under PART_BYTES."""
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
    """Trial id -> its rows, without copying them."""
    coded = rows.select(["trial_id"]).combine_chunks().column(0).dictionary_encode()
    starts = run_starts(pa.table({"trial_id": coded}), ["trial_id"]).tolist()
    for start, stop in pairwise([*starts, len(rows)]):
        yield coded[start].as_py(), rows.slice(start, stop - start)
