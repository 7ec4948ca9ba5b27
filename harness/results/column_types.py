"""Types of columns: a parameter's, from its annotation or domain, and those of older parts."""

import ast
import json
import types
from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import pyarrow as pa

from harness.results.tables import (
    DOUBLE,
    INT32,
    INT64,
    PARAMS,
    SPLITS,
    TEXT,
    columns,
    fixed_schema,
)
from harness.results.trial_config import param_value

_SCALARS = {"bool": pa.bool_(), "int": INT64.arrow, "float": DOUBLE.arrow, "str": TEXT.arrow}


def param_type(values: Sequence[Any], annotation: object | None = None) -> pa.DataType:
    """Return the type of a parameter's column.

    Mixed domains, lists and mappings are kept as text (see `param_cell`).

    Args:
        values: The whole domain, asked where there is no annotation.
        annotation: A type, or its text as written in a signature (`int | None`).
    """
    kinds = _kinds(annotation) if annotation is not None else set()
    return _common(kinds or {type(value).__name__ for value in values if value is not None})


def param_cell(value: Any, kind: pa.DataType) -> Any:
    """Return a parameter's value as a column of type `kind` holds it.

    In a text column, text stays as it is and any other value becomes JSON; None is null.
    """
    if value is None or kind != TEXT.arrow or isinstance(value, str):
        return value
    return json.dumps(value)


@lru_cache(maxsize=256)
def schema_problem(table: str, schema: pa.Schema) -> str | None:
    """Return why a file of these columns is no part of a table; None where it may be one.

    Older parts lack columns that came later, and wider ones have further metrics and parameters.
    """
    for about in columns(table):
        if about.required and about.name not in schema.names:
            return f"column {about.name} is missing"
    for name, kind in zip(schema.names, schema.types, strict=True):
        held = kind.value_type if pa.types.is_dictionary(kind) else kind
        allowed = _allowed(name, fixed_schema(table))
        if held not in allowed:
            return f"column {name} is {held}; allowed: {' or '.join(map(str, allowed))}"
    return None


def union_schema(old: pa.Schema, new: pa.Schema) -> pa.Schema:
    """Return the columns of both, in the old order first; an outgrown type becomes wider."""
    shared = [
        field.with_type(wider(field.type, new.field(field.name).type))
        if field.name in new.names
        else field
        for field in old
    ]
    return pa.schema([*shared, *(field for field in new if field.name not in old.names)])


def wider(a: pa.DataType, b: pa.DataType) -> pa.DataType:
    """Return the narrowest column type that holds values of both."""
    if a == b:
        return a
    ranks = {INT32.arrow: 0, INT64.arrow: 1, DOUBLE.arrow: 2}
    if a in ranks and b in ranks:
        return max(a, b, key=lambda kind: ranks[kind])
    return TEXT.arrow


def conform(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return the table in a wider schema: absent columns are null, cells keep their meaning."""
    if table.schema.equals(schema):
        return table
    cells = [
        _cast(table.column(field.name), field.type)
        if field.name in table.column_names
        else pa.nulls(len(table), field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(cells, schema=schema)


def params_from_config(table: pa.Table, names: Sequence[str]) -> pa.Table:
    """Return a trials table whose columns `names` (`params.<path>`) are filled from `config`."""
    if not names:
        return table
    configs = [json.loads(text) if text else {} for text in table["config"].to_pylist()]
    for name in names:
        place, kind = table.schema.get_field_index(name), table.schema.field(name).type
        path = name.removeprefix(PARAMS)
        cells = [param_cell(param_value(config, path), kind) for config in configs]
        table = table.set_column(place, table.schema.field(place), pa.array(cells, kind))
    return table


def _allowed(name: str, fixed: pa.Schema) -> tuple[pa.DataType, ...]:
    """Return the types that a column may have."""
    if name in fixed.names:
        return (fixed.field(name).type,)
    if name.startswith(PARAMS):
        return (*_SCALARS.values(), INT32.arrow)
    if name.startswith(tuple(f"{split}_" for split in SPLITS)):
        return (DOUBLE.arrow,)
    return tuple(_SCALARS.values())


def _cast(cells: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    if cells.type == kind:
        return cells
    if kind == TEXT.arrow:
        texts = [param_cell(value, kind) for value in cells.to_pylist()]
        return pa.chunked_array([pa.array(texts, kind)])
    return cells.cast(kind)


def _common(kinds: set[str]) -> pa.DataType:
    if kinds == {"int", "float"}:
        return DOUBLE.arrow
    return _SCALARS.get(next(iter(kinds)), TEXT.arrow) if len(kinds) == 1 else TEXT.arrow


def _kinds(annotation: object) -> set[str]:
    """Return the names of the types that an annotation allows, without None."""
    if isinstance(annotation, str):
        return _kinds_of_text(ast.parse(annotation, mode="eval").body)
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _kinds(inner[0])
    if origin is Literal:
        return {type(value).__name__ for value in inner if value is not None}
    if origin in (Union, types.UnionType):
        return set().union(*(_kinds(member) for member in inner if member is not type(None)))
    return {getattr(origin or annotation, "__name__", "object")}


def _kinds_of_text(node: ast.expr) -> set[str]:
    """Return the same for an annotation's syntax tree."""
    if isinstance(node, ast.BinOp):
        return _kinds_of_text(node.left) | _kinds_of_text(node.right)
    if isinstance(node, ast.Constant):
        return set() if node.value is None else _kinds(str(node.value))
    if isinstance(node, ast.Subscript):
        name = ast.unparse(node.value).removeprefix("typing.")
        inner = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        if name == "Literal":
            values = [ast.literal_eval(member) for member in inner]
            return {type(value).__name__ for value in values if value is not None}
        if name in ("Optional", "Union"):
            return set().union(*(_kinds_of_text(member) for member in inner))
        return {name}
    return {ast.unparse(node)}
