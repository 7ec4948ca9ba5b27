"""What a forward pass may change beside parameters and buffers: attributes of the modules, globals
and closures of their methods, and drawn chance."""

import random
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from operator import length_hint
from types import FunctionType, ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from harness.training.seeds import generator_state, numpy_state

_DEPTH = 3  # of lists in lists, and of objects that keep objects
_OF_THE_STATE = ("_parameters", "_buffers", "_modules")


@dataclass(frozen=True, eq=False)
class Outside:
    """Name of each thing -> what tells it from another. kept: so that nothing takes its place."""

    seen: Mapping[str, Any]
    kept: list[Any]


def outside(model: nn.Module) -> Outside:
    """Return all that is neither parameter nor buffer, as it is now."""
    kept: list[Any] = []
    seen = {name: state() for name, state in _CHANCE.items()}
    for place, module in enumerate(model.modules()):
        for key, value in vars(module).items():
            if key not in _OF_THE_STATE:
                seen[f"`{key}` of {type(module).__name__} ({place})"] = _mark(value, kept, _DEPTH)
    for own in {type(module) for module in model.modules()}:
        for key, value in _around(own).items():
            seen[f"`{key}` around {own.__name__}"] = _mark(value, kept, _DEPTH)
    return Outside(seen, kept)


def _around(own: type) -> dict[str, Any]:
    """What the methods of a class that is not torch's share with others: class attributes, globals
    of its file, and what its functions have closed over."""
    if own.__module__.partition(".")[0] == "torch":
        return {}
    found: dict[str, Any] = {}
    for value in vars(own).values():
        if isinstance(value, FunctionType):
            found |= {k: v for k, v in value.__globals__.items() if not k.startswith("__")}
            found |= _closed_over(value)
    return found | {key: value for key, value in vars(own).items() if not key.startswith("__")}


def _closed_over(function: FunctionType) -> dict[str, Any]:
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    found = {}
    for name, cell in cells:
        with suppress(ValueError):  # a cell that is empty
            found[name] = cell.cell_contents
    return found


def changed(before: Outside, after: Outside) -> str | None:
    """Return the name of a thing that is new or another, None where all is as it was."""
    names = [name for name, mark in after.seen.items() if before.seen.get(name) != mark]
    return names[0] if names else None


def _mark(value: Any, kept: list[Any], depth: int) -> Any:
    """Equal for the same object with the same contents."""
    if value is None or type(value) in (bool, int, float, str, complex, bytes):
        return repr(value)
    kept.append(value)
    if isinstance(value, Tensor):
        return id(value), value._version
    if isinstance(value, np.ndarray):
        return id(value), hash(value.tobytes()) if value.dtype != object else None
    state = generator_state(value)
    if state is not None:
        return id(value), state
    if isinstance(value, Iterator):
        return id(value), repr(value), length_hint(value, -1)
    if isinstance(value, type | ModuleType | nn.Module) or not depth:
        return id(value)
    inner: Iterable[Any] = ()
    if isinstance(value, Mapping):
        inner = list(value.values())
    elif isinstance(value, list | tuple | set | deque):
        inner = list(value)
    elif isinstance(value, FunctionType):
        inner = list(_closed_over(value).values())
    elif hasattr(value, "__dict__"):
        inner = list(vars(value).values())
    return id(value), [_mark(one, kept, depth - 1) for one in inner]


def _of_torch() -> Any:
    return generator_state(torch.default_generator)


def _of_gpu() -> Any:
    if not torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        return None
    return torch.cuda.get_rng_state().numpy().tobytes()


_CHANCE: Mapping[str, Callable[[], Any]] = {
    "Python's random numbers": random.getstate,
    "numpy's random numbers": numpy_state,
    "torch's random numbers": _of_torch,
    "the GPU's random numbers": _of_gpu,
}
