"""Where a key belongs that stands at the top of a file, or alone on the command line."""

from collections.abc import Mapping
from typing import Any

from harness.config.fields import SECTIONS, known_keys


def placed(name: str, document: Mapping[str, Any], shared: Mapping[str, Any]) -> str | None:
    """The whole path of a key's bare name, as `training.epochs` of `epochs`; None in doubt.

    document: the file's top mapping; what its sections and its space name counts first, beside the
    keys of those sections. shared: annotations of the keys that are no such section.
    """
    own = [*_in_sections(document), *_in_space(document)]
    others = [f"{top}.{key}" for top, hint in shared.items() for key in known_keys(hint)]
    for paths in (own, others):
        found = {path for path in paths if path.rpartition(".")[2] == name}
        if found:
            return found.pop() if len(found) == 1 else None
    return None


def _in_sections(document: Mapping[str, Any]) -> list[str]:
    paths = []
    for section, model in SECTIONS.items():
        given = document.get(section)
        keys = [*model.model_fields, *(given if isinstance(given, dict) else ())]
        paths += [f"{section}.{key}" for key in keys]
    return paths


def _in_space(document: Mapping[str, Any]) -> list[str]:
    search = document.get("search")
    space = search.get("space") if isinstance(search, dict) else None
    linked = space if isinstance(space, dict) else ()
    return [path.strip() for key in linked for path in str(key).split(",")]
