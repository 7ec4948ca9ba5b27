"""Torch without its compiler, where nothing is compiled.

Torch wraps some functions so that its compiler leaves them alone. The wrapper's first call imports
the compiler, most of a second for every process, only to tell it so.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any

_COMPILER = "torch._dynamo"


def keep_compiler_out(*wrapped: Callable[..., Any]) -> None:
    """Lets the wrapped functions call what they wrap, without that import."""
    for wrapper in wrapped:
        function: Any = getattr(wrapper, "__wrapped__", None)
        if function is not None and not hasattr(function, "__dynamo_disable"):
            function.__dynamo_disable = function


@contextmanager
def without_compiler() -> Iterator[None]:
    """The same for whatever functions are called meanwhile; who needs the compiler gets it."""
    if _COMPILER in sys.modules:
        yield
        return
    stand_in = _StandIn(_COMPILER)
    sys.modules[_COMPILER] = stand_in
    try:
        yield
    finally:
        stand_in.leave()


class _StandIn(ModuleType):
    """Answers wrapped functions as if they had been told; all else it leaves to the compiler."""

    def disable(self, function: Any, *_: Any, **__: Any) -> Any:
        return function

    def leave(self) -> None:
        if sys.modules.get(_COMPILER) is self:
            del sys.modules[_COMPILER]

    def __getattr__(self, name: str) -> Any:
        self.leave()
        return getattr(import_module(_COMPILER), name)
