"""Data in Ray's object store: equal inputs once a node, whatever else differs between values."""

import hashlib
import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import ray

from harness.data.types import Array, TrialData
from harness.data.write_protection import PAD_BYTES, protect
from harness.tune.local import get_value

_ALIGNMENT = 64  # bytes to which Ray rounds the start of an array


@dataclass(frozen=True, eq=False)
class StoredData:
    """A value without its inputs, and references to them."""

    rest: TrialData
    inputs: tuple[Any, ...]


@dataclass(frozen=True, eq=False)
class _Padded:
    """A value between two pieces of memory that nobody needs.

    Ray lays the arrays of one object out in this order, so the pages of the value's are pages of
    this object alone, and can be protected as a whole.

    Attributes:
        before: Piece of memory in front of the value's.
        value: The value.
        after: Piece of memory behind the value's.
        most_bytes: What the three take at most where they are laid out so.
    """

    before: Array
    value: Any
    after: Array
    most_bytes: int


def put_data(
    data: Mapping[str, TrialData], *, put: Callable[[Any], Any] = ray.put
) -> dict[str, Any]:
    """Put values into the object store, equal inputs once.

    Values that differ in folds alone, such as those of several `dataset.train_per_class`, share
    their inputs.

    Args:
        data: Data key -> value.
        put: Takes a value and returns a reference.

    Returns:
        Data key -> reference to what `get_data` makes the value from.
    """
    several = len(data) > 1
    stored: dict[str, Any] = {}
    known: dict[str, Any] = {}

    def put_once(array: Array) -> Any:
        name = _content(array) if several else str(id(array))
        if name not in known:
            known[name] = put(_padded(array))
        return known[name]

    for key, value in data.items():
        inputs = tuple(put_once(array) for array in value.inputs)
        stored[key] = put(_padded(StoredData(replace(value, inputs=()), inputs)))
    return stored


def get_data(reference: Any, *, get: Callable[[Any], Any] = get_value) -> TrialData:
    """Return the value behind a reference; its arrays are in the node's shared memory.

    Nothing in this process can write into them from now on.
    """
    stored: StoredData = _unpadded(get(reference))
    return replace(stored.rest, inputs=tuple(_unpadded(get(array)) for array in stored.inputs))


def _padded(value: Any) -> _Padded:
    if isinstance(value, np.ndarray):
        value = value.view()
        value.flags.writeable = False
    buffers: list[pickle.PickleBuffer] = []
    pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
    n_bytes = sum(buffer.raw().nbytes + _ALIGNMENT for buffer in buffers)
    before, after = np.zeros(PAD_BYTES, np.uint8), np.zeros(PAD_BYTES, np.uint8)
    return _Padded(before, value, after, n_bytes + 2 * (PAD_BYTES + _ALIGNMENT))


def _unpadded(padded: _Padded) -> Any:
    low, high = padded.before.ctypes.data, padded.after.ctypes.data + padded.after.nbytes
    if 0 < high - low <= padded.most_bytes:
        protect(low, high)
    return padded.value


def _content(array: Array) -> str:
    """Return a name that is equal for arrays of equal type, shape and bytes."""
    digest = hashlib.blake2b(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return f"{array.dtype.str} {array.shape} {digest.hexdigest()}"
