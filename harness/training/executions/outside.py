"""What a forward pass may change beside parameters and buffers: attributes, and drawn chance."""

import random
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

_OF_THE_STATE = ("_parameters", "_buffers", "_modules")


@dataclass(frozen=True, eq=False)
class Outside:
    """Name of each thing -> what tells it from another. kept: so that nothing takes its place."""

    seen: Mapping[str, Any]
    kept: list[Any]


def outside(model: nn.Module) -> Outside:
    """All that is neither parameter nor buffer, as it is now."""
    kept: list[Any] = []
    seen = {name: state() for name, state in _CHANCE.items()}
    for place, module in enumerate(model.modules()):
        for key, value in vars(module).items():
            if key not in _OF_THE_STATE:
                seen[f"`{key}` of {type(module).__name__} ({place})"] = _mark(value, kept)
    return Outside(seen, kept)


def changed(before: Outside, after: Outside) -> str | None:
    """The name of a thing that is new or another, None where all is as it was."""
    names = [name for name, mark in after.seen.items() if before.seen.get(name) != mark]
    return names[0] if names else None


def _mark(value: Any, kept: list[Any]) -> Any:
    """Equal for the same object with the same contents."""
    if value is None or type(value) in (bool, int, float, str):
        return repr(value)
    kept.append(value)
    if isinstance(value, Tensor):
        return id(value), value._version
    if isinstance(value, Mapping):
        return id(value), [_mark(one, kept) for one in value.values()]
    if isinstance(value, list | tuple | set | deque):
        return id(value), [_mark(one, kept) for one in value]
    return id(value)


def _of_numpy() -> Any:
    _, numbers, place, *_ = np.random.get_state(legacy=True)
    return np.asarray(numbers).tobytes(), place


def _of_torch() -> Any:
    return torch.get_rng_state().numpy().tobytes()


def _of_the_card() -> Any:
    if not torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        return None
    return torch.cuda.get_rng_state().numpy().tobytes()


_CHANCE: Mapping[str, Callable[[], Any]] = {
    "Python's random numbers": random.getstate,
    "numpy's random numbers": _of_numpy,
    "torch's random numbers": _of_torch,
    "the graphics card's random numbers": _of_the_card,
}
