"""Ray's references and actors as plain values of this process."""

from dataclasses import dataclass
from functools import partial
from typing import Any


@dataclass(frozen=True)
class Reference:
    """A value that Ray keeps."""

    value: Any

    def hex(self) -> str:
        """A name that no other value has."""
        return f"{id(self.value):x}"


class Remote:
    """An actor that lives here."""

    def __init__(self, actor: Any) -> None:
        self._actor = actor

    def __getattr__(self, name: str) -> Any:
        method = partial(getattr(self._actor, name))
        method.remote = lambda *arguments: Reference(method(*arguments))  # type: ignore[attr-defined]
        return method
