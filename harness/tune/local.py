"""References and actors as plain values of this process, for a run without Ray."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import ray


@dataclass(frozen=True)
class Value:
    """A value in the place of a reference of Ray's to it."""

    value: Any


class LocalActor:
    """Answers `actor.method.remote(...)` at once, with the method of an object that lives here."""

    def __init__(self, target: Any) -> None:
        self._target = target

    def __getattr__(self, name: str) -> Any:
        method = partial(getattr(self._target, name))
        method.remote = lambda *arguments: Value(method(*arguments))  # type: ignore[attr-defined]
        return method


def put_value(value: Any) -> Value:
    """Keep a value; an array can then only be read, as in Ray's object store."""
    if isinstance(value, np.ndarray):
        value = value.view()
        value.flags.writeable = False
    return Value(value)


def get_value(reference: Any) -> Any:
    """Return the value behind a reference, of this process or of Ray."""
    return reference.value if isinstance(reference, Value) else ray.get(reference)
