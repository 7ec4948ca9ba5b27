"""What a dataset file hands over, held against what it says of itself."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from data_prep.examples import Description, Examples, Fitted
from harness.data.folds import part_names
from harness.data.types import Array
from harness.errors import BenchError

_CHUNK_BYTES = 1 << 26


def refuse_undescribed(examples: Examples, description: Description, *, file: str) -> None:
    """Raises BenchError with every difference between loaded labels and `describe`."""
    n, n_described = len(examples.targets), description.n_examples
    pairs = {
        "examples": (n, n_described),
        "classes": (tuple(examples.class_names), tuple(description.class_names)),
        "parts": (part_names(examples.parts), part_names(np.array(description.parts or ()))),
        "groups": (examples.groups is not None, description.has_groups),
    }
    _refuse(
        [
            f"{name}: load gives {_short(loaded)}, describe says {_short(described)}"
            for name, (loaded, described) in pairs.items()
            if loaded != described
        ],
        file=file,
    )


def refuse_bad_inputs(
    inputs: Array, examples: Examples, description: Description, *, file: str
) -> None:
    """Raises BenchError for inputs of another shape or type, or with values that aren't finite."""
    problems = []
    if tuple(inputs.shape[1:]) != tuple(description.input_shape):
        problems.append(
            f"input shape is {tuple(inputs.shape[1:])}, describe says {description.input_shape}"
        )
    received = _received_dtype(inputs.dtype, examples.input_scale)
    if received != description.input_dtype:
        problems.append(
            f"inputs of {inputs.dtype} reach the model as {received or 'nothing'}, "
            f"describe says {description.input_dtype}"
        )
    elif bad := _bad_rows(inputs, ids=received == "int64"):
        what = "ids below 0" if received == "int64" else "values that are not finite"
        ids = ", ".join(str(examples.example_ids[row]) for row in bad[:5])
        problems.append(f"{len(bad)} examples have {what}: {ids}")
    _refuse(problems, file=file)


def refuse_unequal_fits(fits: Sequence[Fitted], *, file: str) -> None:
    """Raises BenchError where `fit` gave folds that can't be trained by models of one shape."""
    shapes = [_fitted_shape(fitted) for fitted in fits]
    names = {name for shape in shapes for name in shape}
    unequal = [
        name
        for name in sorted(names)
        if any(shape.get(name) != shapes[0].get(name) for shape in shapes)
    ]
    _refuse(
        [f"fit: {name} differs between folds; shapes must be equal" for name in unequal], file=file
    )


def _fitted_shape(fitted: Fitted) -> Mapping[str, Any]:
    shape: dict[str, Any] = {
        f"argument {name}": argument_shape(value) for name, value in fitted.model_arguments.items()
    }
    if fitted.inputs is not None:
        shape["inputs"] = (fitted.inputs.shape, str(fitted.inputs.dtype))
    return shape


def argument_shape(value: Any) -> Any:
    """What has to be equal in every fold: an array's shape; a count itself; a float's presence."""
    if hasattr(value, "shape"):
        return tuple(value.shape)
    return "float" if isinstance(value, float) else value


def _received_dtype(dtype: np.dtype[Any], input_scale: float | None) -> str | None:
    if dtype.kind == "f":
        return "float32"
    if dtype.kind in "iu":
        return "int64" if input_scale is None else "float32"
    return None


def _bad_rows(inputs: Array, *, ids: bool) -> list[int]:
    """Examples with ids below 0, or with values that are not finite."""
    if inputs.dtype.kind == "u" or (inputs.dtype.kind == "i" and not ids):
        return []
    step = max(1, _CHUNK_BYTES // max(1, math.prod(inputs.shape[1:]) * inputs.itemsize))
    bad: list[int] = []
    for start in range(0, len(inputs), step):
        chunk = inputs[start : start + step].reshape(len(inputs[start : start + step]), -1)
        wrong = (chunk < 0) if ids else ~np.isfinite(chunk)
        bad += (start + np.flatnonzero(wrong.any(axis=1))).tolist()
    return bad


def _short(value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _refuse(problems: Sequence[str], *, file: str) -> None:
    if problems:
        raise BenchError(
            "\n  ".join([f"{file}:", *problems]) if problems[1:] else f"{file}: {problems[0]}"
        )
