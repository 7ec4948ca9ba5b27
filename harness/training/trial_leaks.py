"""A trial is alone: it shares no tensor, writes into no shared data, leaves nothing behind.

Workers take one trial after another. What a trial's code changes for the whole process (a default
dtype, a hook, a function of torch) would reach the numbers of those after it; what it writes into
the data of its node, those beside it; and folds whose models are one tensor would train on each
other's validation examples.
"""

import ctypes
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from torch import Tensor, nn

from harness.data.types import Array, FoldInputs, TrialData
from harness.data.write_protection import is_protected
from harness.training.process_state import (
    ProcessState,
    process_state,
    restore_process,
    what_changed,
)
from harness.training.torch_internals import memory_reference

MOST_NAMED = 4


@dataclass(frozen=True)
class LeftBehind:
    """What a trial leaves: process, changed in words; written: names of shared arrays."""

    process: tuple[str, ...]
    written: tuple[str, ...]

    @property
    def changed(self) -> tuple[str, ...]:
        """Both, in words."""
        return (*self.process, *(f"shared {name}" for name in self.written))


def in_words(changed: tuple[str, ...]) -> str:
    """Return `default dtype (torch.float32 -> torch.float64), torch.relu and 3 more`."""
    named, more = ", ".join(changed[:MOST_NAMED]), len(changed) - MOST_NAMED
    return f"{named} and {more} more" if more > 0 else named


def codes(code: str, changed: tuple[str, ...]) -> list[str]:
    """Return findings such as `changed_process:default dtype`; no more than can be read."""
    return [f"{code}:{name.partition(' (')[0]}" for name in changed[:MOST_NAMED]]


class ProcessWatch:
    """The process of a trial, from before anything of its model runs to its end."""

    def __init__(self) -> None:
        self._before: ProcessState | None = None
        self._arrays: SharedArrays | None = None

    def begin(self, data: TrialData) -> None:
        """Remember the process, and the data that the trial may read only, as they are now."""
        for abandoned in [*_running]:  # whose generator nobody has closed yet
            abandoned.end()
        self._arrays = shared_arrays(data)
        self._before = process_state()
        _running[:] = [self]

    def end(self) -> LeftBehind:
        """Put back what the trial has changed; return what that was.

        Nothing once another trial has begun: a generator that is collected late would put back the
        state of its own time into the middle of that one.
        """
        if self not in _running:
            return LeftBehind((), ())
        _running.remove(self)
        if self._before is None or self._arrays is None:
            return LeftBehind((), ())
        return LeftBehind(restore_process(self._before), self._arrays.restore())

    @property
    def changes(self) -> tuple[str, ...]:
        """What the trial has changed in its process so far, in words."""
        return () if self._before is None else what_changed(self._before)


_running: list[ProcessWatch] = []


def forget_running_trial() -> None:
    """Let a trial that nobody will end put nothing back."""
    _running.clear()


def changes_of_running_trial() -> tuple[str, ...]:
    """Return what the trial that this process trains now has changed in it so far, in words."""
    return tuple(change for trial in _running for change in trial.changes)


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
    """Return the arrays of the data, remembered from the first trial that trains on it here."""
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


class SharedStorage(Exception):
    """A model holds tensors of one that was built before; the text says which."""


# The storages of all models that this process has built and that still live, by address. Weak
# references keep an address from being used again, so equal ones mean one storage.
_built: dict[int, Any] = {}


def refuse_shared_storage(model: nn.Module) -> None:
    """Raise SharedStorage where a parameter or buffer lies where one of an earlier model does.

    Folds that share one would train it together, on each other's validation examples.
    """
    mine: dict[int, Any] = {}
    for name, tensor in _tensors(model):
        storage = memory_reference(tensor)
        other = _built.get(storage.cdata)
        if other is not None and not other.expired():
            raise SharedStorage(
                f"{name} is one tensor in several models, which would train together: "
                "make it anew in each call of build"
            )
        mine[storage.cdata] = storage
    _forget_the_dead()
    _built.update(mine)


def _tensors(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    for name, tensor in chain(model.named_parameters(), model.named_buffers()):
        if tensor.device.type != "meta" and not nn.parameter.is_lazy(tensor) and tensor.numel():
            yield name, tensor


def _forget_the_dead() -> None:
    for address in [address for address, one in _built.items() if one.expired()]:
        del _built[address]
