"""Collecting what is wrong with a file, each problem at its line and in the file's own words."""

import re
from collections.abc import Callable, Collection, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from harness.config.fields import SECTIONS, hint_at, in_words, known_keys
from harness.config.yaml_io import Document, KeyPath, dotted, show
from harness.errors import MOST_PROBLEMS, Problem, SpecError, nearest

MISSING = "required key is missing"
UNKNOWN = "unknown key"

Locate = Callable[[KeyPath], KeyPath]


class Problems:
    """The problems found so far in one document; raises SpecError with the MOST_PROBLEMS-th."""

    def __init__(self, document: Document, found: Sequence[Problem] = ()) -> None:
        self.document = document
        self.found: list[Problem] = list(found)

    def add(
        self,
        path: KeyPath,
        message: str,
        *,
        found: str | None = None,
        allowed: str | None = None,
        nearest: str | None = None,
    ) -> None:
        """Note a problem at a key path of the document."""
        self.found.append(
            problem_at(self.document, path, message, found=found, allowed=allowed, nearest=nearest)
        )
        if len(self.found) >= MOST_PROBLEMS:
            raise SpecError(self.found, document=self.document, ended_early=True)

    def unknown(
        self, path: KeyPath, known: Sequence[str], *, what: str = "key", meant: str | None = None
    ) -> None:
        """Note that the last key of the path is none of the known ones.

        Args:
            path: The key's place in the document.
            known: What it could be.
            what: The noun of the message.
            meant: What was meant, where that is known better than by the spelling.
        """
        self.add(
            path,
            f"unknown {what}",
            allowed=", ".join(known),
            nearest=meant or nearest(str(path[-1]), known),
        )

    def wrong_kind(self, path: KeyPath, value: Any, allowed: str) -> None:
        """Note a value of the wrong kind."""
        self.add(path, "not a valid value", found=show(value), allowed=allowed)

    def mapping(self, value: Any, path: KeyPath, allowed: str) -> dict[str, Any]:
        """Return the value if it is a mapping, else note a problem and return an empty one."""
        if isinstance(value, dict):
            return value
        self.wrong_kind(path, value, allowed)
        return {}

    def refused(
        self,
        error: ValidationError,
        hint: Any,
        value: Any,
        locate: Locate | KeyPath,
        *,
        ignored: Collection[str] = (),
        more_keys: Sequence[str] = (),
    ) -> None:
        """Note each mistake that pydantic found in a value, once.

        Args:
            error: The mistakes.
            hint: The annotation that the value was checked against.
            value: What was checked.
            locate: The value's place, or a function from a path inside it to one in the document.
            ignored: Keys whose mistakes are noted already.
            more_keys: Keys that are known beside the annotation's.
        """
        place = locate if callable(locate) else lambda inside: (*locate, *inside)
        for inside, detail in _distinct(error, value):
            if not inside or inside[0] not in ignored:
                self._refuse(place(inside), inside, detail, hint, more_keys)

    def raise_any(self) -> None:
        """Raise SpecError if there is any problem."""
        if self.found:
            raise SpecError(_without_echoes(self.found), document=self.document)

    def _refuse(
        self, path: KeyPath, inside: KeyPath, detail: Any, hint: Any, more_keys: Sequence[str]
    ) -> None:
        if detail["type"] == "extra_forbidden":
            more = more_keys if len(inside) == 1 else ()
            self.unknown(path, [*known_keys(hint_at(hint, inside[:-1])), *more])
        elif detail["type"] == "missing":
            self.add(path, MISSING, allowed=in_words(hint_at(hint, inside)))
        elif detail["type"] == "value_error":
            self.add(path, str(detail["ctx"]["error"]))
        else:
            self._refuse_value(path, detail["input"], hint_at(hint, inside))

    def _refuse_value(self, path: KeyPath, value: Any, hint: Any) -> None:
        allowed = in_words(hint)
        if isinstance(value, list) and path[-2:-1] and path[-2] in SECTIONS:
            self.add(path, several_values(dotted(path[-2:]), value), allowed=allowed)
            return
        # The keys of a mapping are no values: none of them can have been meant.
        names = re.split(r", (?:or )?", allowed.partition("a mapping of ")[0])
        close = nearest(value, names) if isinstance(value, str) else None
        found = f"'{value}' (text)" if _is_number_text(value) else show(value)
        self.add(path, "not a valid value", found=found, allowed=allowed, nearest=close)


def several_values(path: str, values: Sequence[Any]) -> str:
    """Return the message about a list where a section takes one value."""
    return f"one value is expected: to try several, give `{path}: {show(values)}` in search.space"


def problem_at(document: Document, path: KeyPath, message: str, **details: Any) -> Problem:
    """Return a problem with the file and line of a key path."""
    file, line = document.place(path)
    return Problem(message, path=dotted(path), file=file, line=line, **details)


def _without_echoes(found: Sequence[Problem]) -> list[Problem]:
    """Leave out missing keys that another problem names: they are there, misspelled."""
    given = [
        _sibling(problem.path, problem.nearest) for problem in found if problem.message == UNKNOWN
    ]
    return [
        problem
        for problem in found
        if problem.message != MISSING
        or not any(
            problem.path == path or problem.path.startswith(f"{path}.") for path in given if path
        )
    ]


def _sibling(path: str, name: str | None) -> str | None:
    parent, dot, _ = path.rpartition(".")
    return name and f"{parent}{dot}{name}"


def _distinct(error: ValidationError, value: Any) -> list[tuple[KeyPath, Any]]:
    """Return one detail per place, deepest first: a union reports each of its branches."""
    details: dict[KeyPath, Any] = {}
    # A validator's own words are clearer than "none of these"; sorting keeps the order otherwise.
    for detail in sorted(error.errors(include_url=False), key=lambda d: d["type"] != "value_error"):
        details.setdefault(_inside(detail["loc"], value, detail["type"]), detail)
    above = {path[:length] for path in details for length in range(len(path))}
    return [(path, detail) for path, detail in details.items() if path not in above]


def _inside(loc: Sequence[str | int], value: Any, kind: str) -> KeyPath:
    """Return the error's location without the names of union branches."""
    path: list[str | int] = []
    for position, part in enumerate(loc):
        if isinstance(value, BaseModel):
            value = dict(value)
        present = (isinstance(value, dict) and part in value) or (
            isinstance(value, list) and isinstance(part, int) and part < len(value)
        )
        if present:
            value = value[part]
            path.append(part)
        elif kind == "missing" and position == len(loc) - 1:
            path.append(part)
    return tuple(path)


def _is_number_text(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    try:
        float(value)
    except ValueError:
        return False
    return True
