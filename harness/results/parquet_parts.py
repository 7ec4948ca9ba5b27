"""Parquet parts: one file name in several table folders, holding the same trials in each."""

import hashlib
import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from harness.errors import BenchError
from harness.results.column_types import schema_problem
from harness.results.layout import (
    PLAN,
    TEMPORARY,
    check_regular,
    create_plain,
    part_files,
)
from harness.results.tables import SCHEMA_VERSION, TABLES, plan_schema

ROW_GROUP_ROWS = 32_768  # small, so that a reader of few trials skips most of a large part
PROBABILITIES = "probabilities.list.element"


class Part(NamedTuple):
    """What a table's file of that name is to hold. Without rows there is no file."""

    table: str
    name: str
    data: pa.Table


def part_name(trial_ids: Iterable[str]) -> str:
    """Return the file name that follows from a part's trials, in whatever order they are given."""
    digest = hashlib.sha256("\n".join(sorted(trial_ids)).encode()).hexdigest()
    return f"{digest[:16]}.parquet"


def is_plain_name(name: str) -> bool:
    """Return whether a name from a file stays in its folder: no separator, not `..`, not hidden."""
    return bool(name) and not name.startswith(".") and not set(name) & {"/", "\\", "\0"}


def write_file(path: Path, data: pa.Table) -> None:
    """Write one Parquet file and wait until it is on disk."""
    spread = (pa.types.is_floating, pa.types.is_list)
    coded = [field.name for field in data.schema if not any(test(field.type) for test in spread)]
    with os.fdopen(create_plain(path), "wb") as file:
        pq.write_table(
            data,
            file,
            row_group_size=ROW_GROUP_ROWS,
            compression="zstd",
            compression_level=1,
            use_dictionary=coded,
            use_byte_stream_split=[PROBABILITIES]
            if "probabilities" in data.schema.names
            else False,
            write_page_checksum=True,
        )
        file.flush()
        os.fsync(file.fileno())


def read_file(
    path: Path, columns: Sequence[str] | None = None, *, coded: Sequence[str] = ()
) -> pa.Table:
    """Read one part.

    Args:
        path: The part.
        columns: Those of them that it has, in the file's order; all by default.
        coded: Text columns that stay dictionary-encoded, which is faster to read.

    Raises:
        DamagedPart: It can't be read, or is no part of its table.
        BenchError: A newer version wrote it.
        FileNotFoundError: It is gone.
    """
    with _opened(path, coded) as file:
        names = file.schema_arrow.names
        wanted = None if columns is None else [name for name in names if name in set(columns)]
        try:
            return file.read(columns=wanted)
        except (pa.ArrowException, OSError) as error:
            raise _damaged(path, error) from None


def read_keys(path: Path) -> set[tuple[str, int | None]]:
    """Return the distinct (trial_id, repeat) of one part, repeat None without such a column.

    Fast at any size, and without the import of pandas that making Arrow arrays costs.
    """
    with _opened(path, coded=["trial_id"]) as file:
        names = [name for name in ("trial_id", "repeat") if name in file.schema_arrow.names]
        rows = file.read(columns=names).unify_dictionaries().combine_chunks()
    starts = run_starts(rows, names).tolist()  # few, as a part's rows lie trial by trial
    trials, repeats = rows["trial_id"], rows["repeat"] if "repeat" in names else None
    return {
        (trials[start].as_py(), repeats[start].as_py() if repeats else None) for start in starts
    }


class Extent(NamedTuple):
    """How many rows a part has, and the first and last of its trial ids in their order."""

    n_rows: int
    first: str | None
    last: str | None


def read_extent(path: Path) -> Extent:
    """Read a part's footer alone; ids are None where it has no rows or the footer lacks them."""
    with _opened(path) as file:
        metadata = file.metadata
        place = file.schema_arrow.names.index("trial_id")
        groups = [metadata.row_group(i).column(place) for i in range(metadata.num_row_groups)]
        known = [group.statistics for group in groups if group.statistics]
        if not known or not all(statistics.has_min_max for statistics in known):
            return Extent(metadata.num_rows, None, None)
        first = min(statistics.min for statistics in known)
        last = max(statistics.max for statistics in known)
        return Extent(metadata.num_rows, first, last)


def rows_by_trial(path: Path) -> dict[str, int]:
    """Return trial id -> how many rows a part has of it."""
    with _opened(path, coded=["trial_id"]) as file:
        ids = file.read(columns=["trial_id"]).unify_dictionaries().combine_chunks()["trial_id"]
    if not len(ids):
        return {}
    coded = ids.chunk(0)
    codes = np.frombuffer(coded.indices.buffers()[1], np.int32)[coded.indices.offset :]
    counts = np.bincount(codes[: len(coded)], minlength=len(coded.dictionary)).tolist()
    return dict(zip(coded.dictionary.to_pylist(), counts, strict=True))


def run_starts(rows: pa.Table, names: Sequence[str]) -> Any:
    """Return where a row differs from the one above in any of these columns, as (n,) int64.

    Args:
        rows: Of one chunk.
        names: Columns of int32, or of text that is dictionary-encoded.
    """
    changed = np.zeros(len(rows), bool)
    changed[:1] = True
    for name in names if len(rows) else ():
        column = rows[name].chunk(0)
        codes = column.indices if pa.types.is_dictionary(column.type) else column
        values = np.frombuffer(codes.buffers()[1], np.int32)[codes.offset :][: len(codes)]
        changed[1:] |= values[1:] != values[:-1]
    return np.flatnonzero(changed)


def read_schema(path: Path) -> pa.Schema:
    """Return the columns of one part; raise as `read_file` does."""
    with _opened(path) as file:
        return file.schema_arrow.remove_metadata()


class DamagedPart(BenchError):
    """A part that can't be read."""


def rows_of(data: pa.Table, trial_ids: Collection[str]) -> pa.Table:
    """Return the rows of these trials, in their order."""
    import pyarrow.compute as pc

    return data.filter(pc.is_in(data["trial_id"], pa.array(sorted(trial_ids), pa.string())))


def restricted(folder: Path, name: str, trial_ids: Collection[str]) -> Iterator[Part]:
    """Yield parts that hold only these trials of the part `name`, under their own name."""
    for table in TABLES:
        path = folder / table / name
        if trial_ids and path.exists():
            yield Part(table, part_name(trial_ids), rows_of(read_file(path), trial_ids))


def places(name: str) -> list[tuple[str, str]]:
    """Return where the files of a part lie: (table, name) for every table."""
    return [(table, name) for table in TABLES]


def trials_by_part(folder: Path) -> dict[str, list[str]]:
    """Return part name -> the trials that it commits, as it lies: for the one writer only."""
    return {
        path.name: read_file(path, ["trial_id"])["trial_id"].to_pylist()
        for path in part_files(folder, "trials").values()
    }


def _opened(path: Path, coded: Sequence[str] = ()) -> Any:
    check_regular(path)
    try:
        file = pq.ParquetFile(path, read_dictionary=coded, page_checksum_verification=True)
    except FileNotFoundError:
        raise
    except KeyError as error:  # a coded column that it lacks
        raise _damaged(path, f"column {error} is missing") from None
    except (pa.ArrowException, OSError) as error:
        raise _damaged(path, error) from None
    _refuse_newer(path, file.metadata)
    _refuse_foreign(path, file.schema_arrow.remove_metadata())
    return file


def _refuse_foreign(path: Path, schema: pa.Schema) -> None:
    """Raise DamagedPart for other columns than follow from where the file lies."""
    staged = path.name.partition("-")[0] if path.parent.name == TEMPORARY else None
    table = staged or path.parent.name
    if path.name == PLAN:
        problem = None if schema.equals(plan_schema()) else "it holds other columns than a plan"
    else:
        problem = schema_problem(table, schema) if table in TABLES else None
    if problem:
        raise _damaged(path, problem)


def _refuse_newer(path: Path, metadata: Any) -> None:
    paths = [metadata.schema.column(place).path for place in range(metadata.num_columns)]
    if "schema_version" not in paths:
        return
    place = paths.index("schema_version")
    columns = (metadata.row_group(i).column(place) for i in range(metadata.num_row_groups))
    versions = [column.statistics.max for column in columns if column.statistics]
    newest = max((version for version in versions if version is not None), default=SCHEMA_VERSION)
    if newest > SCHEMA_VERSION:
        raise BenchError(
            f"{path} was written by a newer version of bench: schema version {newest}, "
            f"this one reads up to {SCHEMA_VERSION}"
        )


def _damaged(path: Path, error: object) -> DamagedPart:
    return DamagedPart(f"{path} is damaged ({error}); the next `bench run` sets it aside")
