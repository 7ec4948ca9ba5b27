"""Torch without its compiler, where nothing is compiled.

Torch wraps some functions so that its compiler leaves them alone. The wrapper's first call imports
the compiler, a second for every process, only to tell it so.
"""

from collections.abc import Callable
from typing import Any


def keep_compiler_out(*wrapped: Callable[..., Any]) -> None:
    """Lets the wrapped functions call what they wrap, without that import."""
    for wrapper in wrapped:
        function: Any = getattr(wrapper, "__wrapped__", None)
        if function is not None and not hasattr(function, "__dynamo_disable"):
            function.__dynamo_disable = function
