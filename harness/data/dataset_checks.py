"""Checks of what a dataset file loads.

Against its own description, for examples and groups on both sides of a split, and for classes with
fewer train examples than the benchmark file asks for.
"""

import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from data_prep.examples import Description, Examples, Fitted
from harness.data.folds import part_names
from harness.data.types import Array, Fold, TrialData
from harness.errors import BenchError

_CHUNK_BYTES = 1 << 26  # bytes in work at a time: 64 MB in addition to the data
NAMED = 5  # classes in a message


def refuse_undescribed(examples: Examples, description: Description, *, file: str) -> None:
    """Refuse loaded labels that differ from what `describe` returns.

    Raises:
        BenchError: They differ; the message has every difference.
    """
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
    """Refuse inputs of another shape or type than described, or with values that aren't finite.

    Raises:
        BenchError: They are such; the message has every reason.
    """
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
    """Refuse what `fit` returned where the folds can't be trained by models of one shape.

    Raises:
        BenchError: Shapes differ between folds; the message names which.
    """
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


def argument_shape(value: Any) -> Any:
    """Return what all folds must share: an array's shape, a count itself, a float's presence."""
    if hasattr(value, "shape"):
        return tuple(value.shape)
    return "float" if isinstance(value, float) else value


def shortfall(data: TrialData, train_per_class: int | None) -> str | None:
    """Describe the classes of which a fold has fewer examples than `dataset.train_per_class`.

    The numbers are those of the smallest fold. None where every class has as many in every fold.
    """
    if train_per_class is None:
        return None
    n_classes = len(data.class_names)
    counts = [np.bincount(data.targets[fold.train], minlength=n_classes) for fold in data.folds]
    fewest = np.min(counts, axis=0)
    short = [
        (data.class_names[number], int(fewest[number]))
        for number in np.argsort(fewest, kind="stable")
        if fewest[number] < train_per_class
    ]
    if not short:
        return None
    named = ", ".join(f"{name} {count:,}" for name, count in short[:NAMED])
    hidden = f" and {len(short) - NAMED} more classes" if len(short) > NAMED else ""
    return (
        f"dataset.train_per_class: {train_per_class:,} train examples a class are asked for; "
        f"there are fewer of {named}{hidden}"
    )


def content_codes(inputs: Array) -> Array:
    """Return (n,) int64: two examples have the same code exactly when their bytes are the same."""
    digests = [
        hashlib.blake2b(np.ascontiguousarray(example).tobytes(), digest_size=16).digest()
        for example in inputs
    ]
    first: dict[bytes, int] = {}
    return np.array([first.setdefault(digest, len(first)) for digest in digests], dtype=np.int64)


def group_codes(groups: Array) -> Array:
    """Return (n,) int64: the same for two examples of the same group."""
    codes: Array = np.unique(np.asarray(groups), return_inverse=True)[1]
    return codes


def shared_codes(codes: Array, folds: Sequence[Fold]) -> Array:
    """Return the sorted codes that occur in more than one role of some fold."""
    found: set[int] = set()
    for fold in folds:
        train, validation, test = (
            np.unique(codes[indices]) for indices in (fold.train, fold.validation, fold.test)
        )
        for one, other in ((train, validation), (train, test), (validation, test)):
            found |= set(np.intersect1d(one, other, assume_unique=True).tolist())
    return np.array(sorted(found), dtype=np.int64)


def repeated_codes(codes: Array) -> Array:
    """Return the sorted codes that more than one example has."""
    values, counts = np.unique(codes, return_counts=True)
    repeated: Array = values[counts > 1]
    return repeated


def _fitted_shape(fitted: Fitted) -> Mapping[str, Any]:
    shape: dict[str, Any] = {
        f"argument {name}": argument_shape(value) for name, value in fitted.model_arguments.items()
    }
    if fitted.inputs is not None:
        shape["inputs"] = (fitted.inputs.shape, str(fitted.inputs.dtype))
    return shape


def _received_dtype(dtype: np.dtype[Any], input_scale: float | None) -> str | None:
    if dtype.kind == "f":
        return "float32"
    if dtype.kind in "iu":
        return "int64" if input_scale is None else "float32"
    return None


def _bad_rows(inputs: Array, *, ids: bool) -> list[int]:
    """Return the examples with ids below 0, or with values that are not finite."""
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
