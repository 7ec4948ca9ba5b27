"""What an imported file keeps: its globals, its classes, and what its functions remember."""

import functools
import itertools
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import FunctionType, ModuleType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from harness.training.seeds import generator_state

# Containers inside containers: a dict of lists of tuples is three, more than a file's own cache
# needs; containers that hold one another would be walked for ever.
DEEPEST = 3
# Entries of a container that are compared. What a file keeps of its models is short; a table of
# words that it has read is long and stays as it is, and its length is compared all the same.
LARGEST = 1000
# Bytes of an array whose numbers are compared, each time a model is built: statistics and counters
# are smaller, and of a table of embeddings a copy would have to be made and hashed.
LARGEST_ARRAY = 100_000


@dataclass(frozen=True, eq=False)
class FileGlobals:
    """What an imported file kept at one moment.

    marks: dotted name -> something that is equal as long as what it stands for does not change.
    """

    module: ModuleType
    marks: Mapping[str, Any]

    def changed_names(self) -> tuple[str, ...]:
        """Return the names that now stand for something else, or for something that has changed."""
        before, now = self.marks, file_globals(self.module).marks
        return tuple(name for name in {**before, **now} if before.get(name) != now.get(name))


def file_globals(module: ModuleType) -> FileGlobals:
    """Return what the file keeps now. module: the file as it was imported."""
    return FileGlobals(module, dict(_entries(module, vars(module), prefix="")))


def _entries(module: ModuleType, names: Any, *, prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in list(names.items()):
        if name.startswith("__") and not isinstance(value, FunctionType):
            continue
        if isinstance(value, type) and value.__module__ == module.__name__:
            yield f"{prefix}{name}", id(value)
            yield from _entries(module, vars(value), prefix=f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", _state(value, module, DEEPEST)


def _state(value: Any, module: ModuleType, depth: int) -> Any:
    """Something that is equal as long as the value is the same object with the same contents."""
    if value is None or isinstance(value, bool | int | float | complex | str | bytes):
        return type(value).__name__, value
    return id(value), _contents(value, module, depth)


def _contents(value: Any, module: ModuleType, depth: int) -> Any:
    for kind, read in _READ.items():
        if isinstance(value, kind):
            return read(value)
    if depth == 0 or isinstance(value, type | ModuleType):
        return None
    if isinstance(value, staticmethod | classmethod):
        value = value.__func__
    if isinstance(value, FunctionType):
        return _of_function(value, module, depth)
    if isinstance(value, dict):
        value = [*value, *value.values()] if len(value) <= LARGEST else [len(value)]
    if isinstance(value, list | tuple | set | frozenset):
        entries = itertools.islice(value, LARGEST)
        return len(value), *(_state(entry, module, depth - 1) for entry in entries)
    own = type(value).__module__ == module.__name__ and getattr(value, "__dict__", None)
    return _contents(own, module, depth) if own else None


def _of_function(function: FunctionType, module: ModuleType, depth: int) -> Any:
    """Its code, defaults and attributes, and what it closes over; of the module's own alone."""
    if function.__module__ != module.__name__:
        return None
    kept = (function.__defaults__, function.__kwdefaults__, vars(function))
    closed = (_cell(cell) for cell in function.__closure__ or ())
    return id(function.__code__), *(_state(value, module, depth) for value in (*kept, *closed))


def _cell(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # empty
        return None


def _of_array(array: NDArray[Any]) -> int | None:
    return hash(array.tobytes()) if array.nbytes <= LARGEST_ARRAY else None


def _of_module(module: nn.Module) -> tuple[int, ...]:
    return tuple(tensor._version for tensor in module.state_dict(keep_vars=True).values())


_READ: dict[type, Callable[[Any], Any]] = {
    Tensor: lambda tensor: tensor._version,
    nn.Module: _of_module,
    np.ndarray: _of_array,
    torch.Generator: generator_state,
    np.random.Generator: generator_state,
    np.random.RandomState: generator_state,
    random.Random: generator_state,
    type(functools.cache(lambda: None)): lambda cached: cached.cache_info(),
    type(itertools.count()): repr,
}
"""How far something that changes in its place has come."""
