"""Data in Ray's object store: equal inputs once a node, whatever else differs between values."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import ray

from harness.data.values import Array, TrialData
from harness.tuning.local import get_value


@dataclass(frozen=True, eq=False)
class StoredData:
    """A value without its inputs, and references to them."""

    rest: TrialData
    inputs: tuple[Any, ...]


def put_data(
    data: Mapping[str, TrialData], *, put: Callable[[Any], Any] = ray.put
) -> dict[str, Any]:
    """Key -> reference to what `get_data` makes the value from.

    Values that differ in folds alone, such as those of several `dataset.train_per_class`, share
    their inputs.
    """
    several = len(data) > 1
    stored: dict[str, Any] = {}
    known: dict[str, Any] = {}

    def put_once(array: Array) -> Any:
        name = _content(array) if several else str(id(array))
        if name not in known:
            known[name] = put(array)
        return known[name]

    for key, value in data.items():
        inputs = tuple(put_once(array) for array in value.inputs)
        stored[key] = put(StoredData(replace(value, inputs=()), inputs))
    return stored


def get_data(reference: Any, *, get: Callable[[Any], Any] = get_value) -> TrialData:
    """The value behind a reference; its arrays lie in the node's shared memory, not copied."""
    stored: StoredData = get(reference)
    return replace(stored.rest, inputs=tuple(get(one) for one in stored.inputs))


def _content(array: Array) -> str:
    """Equal for arrays of equal type, shape and bytes."""
    digest = hashlib.blake2b(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return f"{array.dtype.str} {array.shape} {digest.hexdigest()}"
