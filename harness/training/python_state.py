"""What a module of Python keeps: its globals, its classes, and what its functions remember."""

import functools
import itertools
import random
from collections.abc import Callable, Iterator
from types import FunctionType, ModuleType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

DEEPEST = 3  # containers inside containers
LARGEST = 1000  # entries of a container that are looked at
LARGEST_ARRAY = 100_000  # bytes of an array whose numbers are

ModuleState = dict[str, Any]


def module_state(module: ModuleType) -> ModuleState:
    """Dotted name -> something that is equal as long as what it stands for does not change."""
    return dict(_entries(module, vars(module), prefix=""))


def changed_names(module: ModuleType, before: ModuleState) -> tuple[str, ...]:
    """The names that stand for something else than before, or for something that has changed."""
    now = module_state(module)
    names = {**before, **now}
    return tuple(name for name in names if before.get(name) != now.get(name))


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
    torch.Generator: lambda generator: generator.get_state().numpy().tobytes(),
    np.random.Generator: lambda generator: repr(generator.bit_generator.state),
    np.random.RandomState: lambda generator: repr(generator.get_state()),
    random.Random: lambda generator: generator.getstate(),
    type(functools.cache(lambda: None)): lambda cached: cached.cache_info(),
    type(itertools.count()): repr,
}
"""How far something that changes in its place has come."""
