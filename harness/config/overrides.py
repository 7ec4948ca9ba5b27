"""`key=value` of the command line, put into the document before it is read."""

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from harness.config.yaml_io import COMMAND_LINE, Document, KeyPath, parse_value, show
from harness.errors import Problem, SpecError

# The rest of such a path is one key, dots and all: `search.space.model.num_heads`.
_MAPPINGS_OF_PATHS = (("search", "space"), ("search", "when"), ("baseline",))


def override(document: Document, overrides: Sequence[str]) -> tuple[Document, list[Problem]]:
    """Return the document with the command line's values in it; of one path the last counts.

    The problems are those of the `key=value` texts alone: whether a path is known shows later.
    """
    value = copy.deepcopy(document.value)
    lines = dict(document.lines)
    overridden: set[KeyPath] = set()
    problems: list[Problem] = []
    for text in overrides:
        try:
            path, new = _parsed(text)
            _put(value, _spelled_as_in(value, path), new)
        except SpecError as error:
            problems.extend(error.problems)
            continue
        path = _spelled_as_in(value, path)
        overridden.add(path)
        for known in [known for known in lines if known[: len(path)] == path]:
            del lines[known]
    return replace(document, value=value, lines=lines, overridden=frozenset(overridden)), problems


def _parsed(text: str) -> tuple[KeyPath, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise SpecError([_problem("write key=value", found=show(text))])
    path = split_path(name.strip())
    if not all(path):
        raise SpecError([_problem("not a path of keys joined by dots", found=show(name))])
    try:
        return path, parse_value(value)
    except SpecError as error:
        raise SpecError([replace(p, path=name, line=None) for p in error.problems]) from None


def split_path(name: str) -> tuple[str, ...]:
    """Return the keys of a dotted path; a key of the space keeps its dots."""
    parts = tuple(name.split("."))
    start = 2 if parts[0] == "variants" else 0
    for prefix in _MAPPINGS_OF_PATHS:
        end = start + len(prefix)
        if parts[start:end] == prefix and len(parts) > end:
            return (*parts[:end], ".".join(parts[end:]))
    return parts


def _put(value: dict[str, Any], path: KeyPath, new: Any) -> None:
    mapping: Any = value
    for key in path[:-1]:
        mapping = mapping.setdefault(key, {})
        if not isinstance(mapping, dict):
            name = ".".join(map(str, path))
            problem = _problem(f"{key} is no mapping", path=name, found=show(mapping))
            raise SpecError([problem])
    mapping[path[-1]] = new


def _spelled_as_in(value: dict[str, Any], path: KeyPath) -> KeyPath:
    """Return the path with a linked key's spaces as the file has them."""
    mapping: Any = value
    for key in path[:-1]:
        mapping = mapping.get(key) if isinstance(mapping, dict) else None
    keys = mapping if isinstance(mapping, dict) else ()
    wanted = "".join(str(path[-1]).split())
    same = [key for key in keys if "".join(key.split()) == wanted]
    return (*path[:-1], same[0] if same else path[-1])


def _problem(message: str, *, path: str = "", found: str | None = None) -> Problem:
    return Problem(message, path=path, file=COMMAND_LINE, found=found)
