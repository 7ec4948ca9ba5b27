"""One declared schema per table. Types come from the benchmark file, never from values."""

import ast
import json
import types
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import pyarrow as pa

SCHEMA_VERSION = 1
# In commit order: the trials row comes last. The first two have rows only where a trial gives some.
TABLES = ("attention", "layers", "predictions", "epochs", "folds", "trials")
_PLACED = ("trial_id", "repeat", "fold")
KEYS = {
    "predictions": (*_PLACED, "role", "example_id", "target", "predicted", "probabilities"),
    "epochs": (*_PLACED, "stage", "epoch"),
    "folds": (*_PLACED, "test_part", "n_train", "n_validation", "n_test", "split_hash"),
    "attention": (*_PLACED, "class", "token", "block", "head", "count", "score_sum"),
    "layers": (*_PLACED, "epoch", "position", "layer", "module"),
    "trials": ("trial_id", "status", "config"),
}  # columns without which a file is no part of the table
PARAMS = "params."
N_ROWS = "n_rows_"  # before a table's name: a column of trials, how many rows the trial has there

SPLITS = ("train", "val", "test")
STATUSES = ("complete", "failed", "pruned", "interrupted")
PREDICTED_ROLES = ("validation", "test")

_TEXT, _INT, _FLOAT, _BOOL = pa.string(), pa.int32(), pa.float64(), pa.bool_()
_COUNT, _TIME = pa.int64(), pa.timestamp("us", tz="UTC")
_SCALARS = {"bool": _BOOL, "int": _COUNT, "float": _FLOAT, "str": _TEXT}


def table_schemas(
    *, metrics: Sequence[str], objective: str, params: Mapping[str, pa.DataType]
) -> dict[str, pa.Schema]:
    """Table name -> schema; every column is nullable.

    metrics: the run's metrics, in the order of their columns.
    objective: its validation value per epoch is a column of `epochs`.
    params: searched path, such as `model.num_heads` -> type (see `param_type`).
    """
    columns = {
        "attention": _attention(),
        "layers": _layers(),
        "predictions": _predictions(),
        "epochs": _epochs(objective),
        "folds": _folds(metrics),
        "trials": _trials(metrics, params),
    }
    return {table: _schema(columns[table]) for table in TABLES}


def plan_schema() -> pa.Schema:
    """Columns of plan.parquet: the trials a run stood for, in plan order."""
    names = ("trial_id", "variant", "params", "state", "reason")
    return pa.schema([(name, pa.string()) for name in names])


def param_type(values: Sequence[Any], annotation: object | None = None) -> pa.DataType:
    """The column type of a parameter.

    values: the whole domain, asked where there is no annotation.
    annotation: a type, or its text as written in a signature (`int | None`).
    Mixed domains, lists and mappings are kept as text (see `param_cell`).
    """
    kinds = _kinds(annotation) if annotation is not None else set()
    return _common(kinds or {type(value).__name__ for value in values if value is not None})


def param_cell(value: Any, kind: pa.DataType) -> Any:
    """A parameter's value as its column holds it: in a text column, text stays as it is and
    any other value becomes JSON; None is null."""
    if value is None or kind != _TEXT or isinstance(value, str):
        return value
    return json.dumps(value)


@lru_cache(maxsize=256)
def schema_problem(table: str, schema: pa.Schema) -> str | None:
    """Why a file of these columns is no part of a table; None where it may be one.

    Older parts lack columns that came later, and wider ones have further metrics and parameters.
    """
    fixed = table_schemas(metrics=(), objective="accuracy", params={})[table]
    for name in KEYS[table]:
        if name not in schema.names:
            return f"column {name} is missing"
    for name, kind in zip(schema.names, schema.types, strict=True):
        held = kind.value_type if pa.types.is_dictionary(kind) else kind
        allowed = _allowed(name, fixed)
        if held not in allowed:
            return f"column {name} is {held}; allowed: {' or '.join(map(str, allowed))}"
    return None


def _allowed(name: str, fixed: pa.Schema) -> tuple[pa.DataType, ...]:
    """The types that a column may have."""
    if name in fixed.names:
        return (fixed.field(name).type,)
    if name.startswith(PARAMS):
        return (*_SCALARS.values(), _INT)
    if name.startswith(tuple(f"{split}_" for split in SPLITS)):
        return (_FLOAT,)
    return tuple(_SCALARS.values())


def union_schema(old: pa.Schema, new: pa.Schema) -> pa.Schema:
    """The columns of both, in the old order first; a type that is outgrown becomes wider."""
    fields = [
        field.with_type(wider(field.type, new.field(field.name).type))
        if field.name in new.names
        else field
        for field in old
    ]
    return pa.schema([*fields, *(field for field in new if field.name not in old.names)])


def wider(a: pa.DataType, b: pa.DataType) -> pa.DataType:
    """The narrowest column type that holds values of both."""
    if a == b:
        return a
    numbers = {_INT: 0, _COUNT: 1, _FLOAT: 2}
    if a in numbers and b in numbers:
        return max(a, b, key=lambda kind: numbers[kind])
    return _TEXT


def _schema(columns: Mapping[str, pa.DataType]) -> pa.Schema:
    return pa.schema([*columns.items(), ("schema_version", _INT)])


def _attention() -> dict[str, pa.DataType]:
    return {
        "trial_id": _TEXT,
        "repeat": _INT,
        "fold": _INT,
        "class": _TEXT,
        "token": _TEXT,
        "block": _INT,
        "head": _INT,
        "count": _COUNT,
        "score_sum": _FLOAT,
    }


def _layers() -> dict[str, pa.DataType]:
    return {
        "trial_id": _TEXT,
        "repeat": _INT,
        "fold": _INT,
        "epoch": _INT,
        "position": _INT,
        "layer": _TEXT,
        "module": _TEXT,
        **dict.fromkeys(("activation_mean", "activation_std", "saturated_share"), _FLOAT),
        **dict.fromkeys(("gradient_norm", "weight_norm"), _FLOAT),
    }


def _predictions() -> dict[str, pa.DataType]:
    return {
        "trial_id": _TEXT,
        "repeat": _INT,
        "fold": _INT,
        "role": _TEXT,
        "example_id": _TEXT,
        "group": _TEXT,
        "target": _INT,
        "predicted": _INT,
        "probabilities": pa.list_(pa.float32()),
    }


def _epochs(objective: str) -> dict[str, pa.DataType]:
    return {
        "trial_id": _TEXT,
        "stage": _TEXT,
        "repeat": _INT,
        "fold": _INT,
        "epoch": _INT,
        "train_loss": _FLOAT,
        "train_accuracy": _FLOAT,
        "val_loss": _FLOAT,
        "val_accuracy": _FLOAT,
        f"val_{objective}": _FLOAT,
        "lr": _FLOAT,
        "epoch_time_s": _FLOAT,
    }


def _folds(metrics: Sequence[str]) -> dict[str, pa.DataType]:
    return {
        "trial_id": _TEXT,
        "repeat": _INT,
        "fold": _INT,
        "test_part": _INT,
        "n_train": _INT,
        "n_validation": _INT,
        "n_test": _INT,
        "split_hash": _TEXT,
        "n_train_per_epoch": _INT,
        "best_epoch": _INT,
        **{f"{split}_{metric}": _FLOAT for metric in metrics for split in SPLITS},
        **{f"{split}_loss": _FLOAT for split in SPLITS},
        "weights_source": _TEXT,
        "fit_time_s": _FLOAT,
        "predict_time_s": _FLOAT,
    }


def _trials(metrics: Sequence[str], params: Mapping[str, pa.DataType]) -> dict[str, pa.DataType]:
    summaries = [
        f"{split}_{metric}_{number}"
        for metric in metrics
        for split in SPLITS
        for number in ("mean", "std")
    ]
    return {
        **dict.fromkeys(("benchmark", "run_id", "trial_id", "variant", "status"), _TEXT),
        **dict.fromkeys(("error", "traceback"), _TEXT),
        "attempt": _INT,
        **{f"{PARAMS}{path}": kind for path, kind in params.items()},
        **dict.fromkeys(("n_parameters", "n_parameters_trainable"), _COUNT),
        **dict.fromkeys(("n_parameters_without_gradient", "mult_adds"), _COUNT),
        **dict.fromkeys(("n_folds", "n_repeats", "epochs_trained"), _INT),
        **dict.fromkeys(summaries, _FLOAT),
        **{f"{split}_loss_mean": _FLOAT for split in SPLITS},
        **dict.fromkeys(("selected_on", "findings", "class_names", "fold_execution"), _TEXT),
        **dict.fromkeys(("fit_time_s", "peak_memory_mb"), _FLOAT),
        "device": _TEXT,
        "seed": _COUNT,
        **dict.fromkeys(("started_at", "finished_at"), _TIME),
        **dict.fromkeys(("config", "data_fingerprint", "code_fingerprint"), _TEXT),
        **dict.fromkeys(("git_commit", "versions", "pretraining_id"), _TEXT),
        **dict.fromkeys(("pretraining_val_accuracy", "pretraining_test_accuracy"), _FLOAT),
        **{f"{N_ROWS}{table}": _COUNT for table in TABLES[:-1]},
    }


def _common(kinds: set[str]) -> pa.DataType:
    if kinds == {"int", "float"}:
        return _FLOAT
    return _SCALARS.get(next(iter(kinds)), _TEXT) if len(kinds) == 1 else _TEXT


def _kinds(annotation: object) -> set[str]:
    """Names of the types that an annotation allows, without None."""
    if isinstance(annotation, str):
        return _kinds_of_text(ast.parse(annotation, mode="eval").body)
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _kinds(inner[0])
    if origin is Literal:
        return {type(value).__name__ for value in inner if value is not None}
    if origin in (Union, types.UnionType):
        return set().union(*(_kinds(one) for one in inner if one is not type(None)))
    return {getattr(origin or annotation, "__name__", "object")}


def _kinds_of_text(node: ast.expr) -> set[str]:
    """The same for an annotation's syntax tree."""
    if isinstance(node, ast.BinOp):
        return _kinds_of_text(node.left) | _kinds_of_text(node.right)
    if isinstance(node, ast.Constant):
        return set() if node.value is None else _kinds(str(node.value))
    if isinstance(node, ast.Subscript):
        name = ast.unparse(node.value).removeprefix("typing.")
        inner = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        if name == "Literal":
            values = [ast.literal_eval(one) for one in inner]
            return {type(value).__name__ for value in values if value is not None}
        if name in ("Optional", "Union"):
            return set().union(*(_kinds_of_text(one) for one in inner))
        return {name}
    return {ast.unparse(node)}
