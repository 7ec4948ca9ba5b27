"""A trial's rows as Arrow tables, and over the wire to the process that writes them."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from harness.errors import nearest
from harness.results.column_types import param_cell
from harness.results.tables import PARAMS, PREDICTED_ROLES, SCHEMA_VERSION
from harness.results.trial_config import param_value

Array = NDArray[Any]


@dataclass(frozen=True)
class FoldPredictions:
    """What one fold's chosen weights predict for the examples of one role.

    Attributes:
        repeat: Of the fold, from 1.
        fold: From 1.
        role: `validation` or `test`.
        example_ids: (n,) text.
        groups: (n,) text; None where the dataset has no groups.
        targets: (n,) int, true classes.
        predicted: (n,) int, most probable classes.
        probabilities: (n, num_classes) float32, softmax, in the order of class_names.
    """

    repeat: int
    fold: int
    role: str
    example_ids: Sequence[str] | Array
    groups: Sequence[str] | Array | None
    targets: Array
    predicted: Array
    probabilities: Array


@dataclass(frozen=True)
class TrialRows:
    """All that one trial writes: the cells of its rows; a column left out is null.

    Attributes:
        trial: Of a `TrialRow`.
        folds: Of `FoldRow`s.
        epochs: Of `EpochRow`s.
        predictions: One block for each fold and role.
        attention: Of `AttentionRow`s.
        layers: Of `LayerRow`s.
    """

    trial: Mapping[str, Any]
    folds: Sequence[Mapping[str, Any]] = ()
    epochs: Sequence[Mapping[str, Any]] = ()
    predictions: Sequence[FoldPredictions] = ()
    attention: Sequence[Mapping[str, Any]] = ()
    layers: Sequence[Mapping[str, Any]] = ()


def to_tables(rows: TrialRows, schemas: Mapping[str, pa.Schema]) -> dict[str, pa.Table]:
    """Return the rows as tables of exactly these schemas.

    Absent values and NaN become null; `trial_id` of the trial is written into all rows, and
    `params.*` columns that the trial row lacks are taken from its `config`.

    Args:
        rows: All rows of one trial.
        schemas: Table name -> schema, wide enough for every column of the rows.

    Raises:
        ValueError: A column is unknown, or a value has another type than its column.
    """
    trial_id = str(rows.trial["trial_id"])
    trial = {**_params(rows.trial, schemas["trials"]), **rows.trial}
    return {
        "attention": _table("attention", trial_id, rows.attention, schemas["attention"]),
        "layers": _table("layers", trial_id, rows.layers, schemas["layers"]),
        "predictions": _predictions(trial_id, rows.predictions, schemas["predictions"]),
        "epochs": _table("epochs", trial_id, rows.epochs, schemas["epochs"]),
        "folds": _table("folds", trial_id, rows.folds, schemas["folds"]),
        "trials": _table("trials", trial_id, [trial], schemas["trials"]),
    }


def to_ipc(tables: Mapping[str, pa.Table]) -> dict[str, bytes]:
    """Return the tables as Arrow streams, to be sent to another process."""
    return {name: _stream(table) for name, table in tables.items()}


def from_ipc(streams: Mapping[str, bytes]) -> dict[str, pa.Table]:
    """Return what `to_ipc` packed, without copying it."""
    return {name: pa.ipc.open_stream(stream).read_all() for name, stream in streams.items()}


def _params(trial: Mapping[str, Any], schema: pa.Schema) -> dict[str, Any]:
    """Return the `params.*` cells that the row itself does not give."""
    absent = [name for name in schema.names if name.startswith(PARAMS) and name not in trial]
    if not absent or not trial.get("config"):
        return {}
    config = json.loads(trial["config"])
    return {name: param_value(config, name.removeprefix(PARAMS)) for name in absent}


def _table(
    table: str, trial_id: str, rows: Sequence[Mapping[str, Any]], schema: pa.Schema
) -> pa.Table:
    known = set(schema.names)
    for row in rows:
        if not row.keys() <= known:
            raise ValueError(_unknown(table, row, schema))
    columns = [_column(table, field, rows) for field in schema]
    constants = {"trial_id": trial_id, "schema_version": SCHEMA_VERSION}
    for name, value in constants.items():
        field = schema.field(name)
        columns[schema.get_field_index(name)] = pa.repeat(pa.scalar(value, field.type), len(rows))
    return pa.Table.from_arrays(columns, schema=schema)


def _unknown(table: str, row: Mapping[str, Any], schema: pa.Schema) -> str:
    names = sorted(row.keys() - set(schema.names))
    guess = nearest(names[0], schema.names)
    hint = f"; did you mean {guess!r}?" if guess else ""
    return f"{table} has no column {', '.join(names)}{hint}"


def _column(table: str, field: pa.Field, rows: Sequence[Mapping[str, Any]]) -> pa.Array:
    name = field.name
    values = [row.get(name) for row in rows]
    if name.startswith(PARAMS):
        values = [param_cell(value, field.type) for value in values]
    try:
        return pa.array(values, field.type, from_pandas=True)  # NaN becomes null
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
        raise ValueError(f"{table}.{name} is {field.type}: {error}") from None


def _predictions(trial_id: str, blocks: Sequence[FoldPredictions], schema: pa.Schema) -> pa.Table:
    sizes = [_checked_size(block) for block in blocks]
    if not blocks:
        return schema.empty_table()
    n = sum(sizes)
    roles = pa.array(PREDICTED_ROLES).take(
        pa.array(np.repeat([PREDICTED_ROLES.index(block.role) for block in blocks], sizes))
    )
    columns = {
        "trial_id": pa.repeat(trial_id, n),
        "repeat": _repeated([block.repeat for block in blocks], sizes),
        "fold": _repeated([block.fold for block in blocks], sizes),
        "role": roles,
        "example_id": _joined(blocks, lambda block: _text(block.example_ids)),
        "group": _joined(
            blocks,
            lambda block: (
                pa.nulls(len(block.targets), pa.string())
                if block.groups is None
                else _text(block.groups)
            ),
        ),
        "target": _joined(blocks, lambda block: np.asarray(block.targets, np.int32)),
        "predicted": _joined(blocks, lambda block: np.asarray(block.predicted, np.int32)),
        "probabilities": _joined(blocks, _probabilities),
        "schema_version": pa.repeat(pa.scalar(SCHEMA_VERSION, pa.int32()), n),
    }
    return pa.Table.from_arrays([columns[name] for name in schema.names], schema=schema)


def _checked_size(block: FoldPredictions) -> int:
    if block.role not in PREDICTED_ROLES:
        raise ValueError(f"role must be one of {', '.join(PREDICTED_ROLES)}, not {block.role!r}")
    n = len(block.targets)
    named = (block.example_ids, block.predicted, block.probabilities, block.groups)
    if any(values is not None and len(values) != n for values in named):
        raise ValueError(f"arrays of fold {block.fold}, {block.role}, differ in length")
    return n


def _repeated(values: Sequence[int], sizes: Sequence[int]) -> pa.Array:
    return pa.array(np.repeat(np.asarray(values, np.int32), sizes))


def _joined(
    blocks: Sequence[FoldPredictions], column: Callable[[FoldPredictions], Any]
) -> pa.ChunkedArray:
    return pa.chunked_array([column(block) for block in blocks])


def _text(values: Sequence[str] | Array) -> pa.Array:
    # numpy's fixed-width text converts faster by way of a list
    listed = values.tolist() if isinstance(values, np.ndarray) else values
    return pa.array(listed, pa.string())


def _probabilities(block: FoldPredictions) -> pa.Array:
    n, num_classes = block.probabilities.shape
    offsets = np.arange(n + 1, dtype=np.int32) * num_classes
    flat = np.ascontiguousarray(block.probabilities, np.float32).ravel()
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(flat))


def _stream(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return bytes(sink.getvalue())
