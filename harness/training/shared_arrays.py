"""Whether a trial wrote into the arrays that all trials share, and what they were before."""

import ctypes
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.data.protection import is_protected
from harness.data.types import Array, FoldInputs, TrialData

COPIED_BYTES = 4 * 2**20  # of all arrays together: more is known by a checksum alone
_PIECE_BYTES = 2**20  # read at a time, so that a piece stays in the CPU's cache


class SharedDataWritten(Exception):
    """A trial wrote into data that is not its own; the text says into what."""

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__(
            f"the trial wrote into data that all trials share ({', '.join(names)}): "
            "change a copy of it, such as torch.tensor(array) or tensor.clone()"
        )


@dataclass(frozen=True, eq=False)
class _Known:
    """An array by what it was. content: its bytes, or a checksum of them."""

    name: str
    array: Array
    content: bytes | int


@dataclass(frozen=True, eq=False)
class SharedArrays:
    """The arrays of a value that this process could write into, as they were."""

    data: TrialData
    known: tuple[_Known, ...]

    def restore(self) -> tuple[str, ...]:
        """Write the small ones as they were; give the names of all that had changed."""
        changed = [one for one in self.known if _content(one.array, one.content) != one.content]
        for one in changed:
            if isinstance(one.content, bytes):
                ctypes.memmove(one.array.ctypes.data, one.content, len(one.content))
        return tuple(one.name for one in changed)


_last: list[SharedArrays] = []  # of the data that this process trained on last


def shared_arrays(data: TrialData) -> SharedArrays:
    """The arrays of the data, remembered from the first trial that trains on it here."""
    if not _last or _last[0].data is not data:
        _last[:] = [_remembered(data)]
    return _last[0]


def _remembered(data: TrialData) -> SharedArrays:
    writable = {name: array for name, array in _arrays(data) if not is_protected(array)}
    n_bytes = sum(array.nbytes for array in writable.values())
    kind: bytes | int = b"" if n_bytes <= COPIED_BYTES else 0
    known = (_Known(name, array, _content(array, kind)) for name, array in writable.items())
    return SharedArrays(data, tuple(known))


def _content(array: Array, like: bytes | int) -> bytes | int:
    """The array's bytes, or their checksum, whichever is compared."""
    if isinstance(like, bytes):
        return array.tobytes()
    flat, checksum = array.reshape(-1).view(np.uint8), 0
    for start in range(0, len(flat), _PIECE_BYTES):
        checksum = zlib.crc32(flat[start : start + _PIECE_BYTES].data, checksum)
    return checksum


def _arrays(data: TrialData) -> Iterator[tuple[str, Array]]:
    """Name and array of all that lies in one piece of memory and holds plain values."""
    for name, value in _named(data):
        if isinstance(value, np.ndarray) and not value.dtype.hasobject and value.flags.c_contiguous:
            yield name, value


def _named(data: TrialData) -> Iterator[tuple[str, Any]]:
    yield from ((f"inputs {place}", array) for place, array in enumerate(data.inputs))
    yield from (("targets", data.targets), ("example ids", data.example_ids))
    yield "groups", data.groups
    for fold in data.folds:
        place = f"of repeat {fold.repeat}, fold {fold.fold}"
        for role in ("train", "validation", "test"):
            yield f"{role} indices {place}", getattr(fold, role)
    for number, fold_inputs in enumerate(data.fold_inputs, start=1):
        yield from _of_fold_inputs(fold_inputs, str(number))


def _of_fold_inputs(fold_inputs: FoldInputs, place: str) -> Iterator[tuple[str, Any]]:
    yield from ((f"mean {place}", fold_inputs.mean), (f"std {place}", fold_inputs.std))
    arguments: Mapping[str, Any] = fold_inputs.model_arguments
    yield from ((f"{name} of fold {place}", value) for name, value in arguments.items())
