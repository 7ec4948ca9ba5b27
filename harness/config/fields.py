"""What the typed keys of a file take: checking one value, and saying in words what is allowed."""

from collections.abc import Mapping
from functools import cache
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, TypeAdapter

from harness.config.sections import DatasetSection, ModelSection, Training

SECTIONS: dict[str, type[BaseModel]] = {
    "dataset": DatasetSection,
    "model": ModelSection,
    "training": Training,
}
"""The sections whose keys can be searched."""


@cache
def field_hint(path: str) -> Any:
    """Return the annotation of a typed path such as `training.lr`.

    None for an option that a model or a dataset declares itself.
    """
    section, _, key = path.partition(".")
    fields = SECTIONS[section].model_fields
    return _whole_annotation(fields[key]) if key in fields else None


def checked_value(path: str, value: Any) -> Any:
    """Return the value as plain data of the path's type (1 becomes 1.0 for a float).

    Values of paths that a model or a dataset declares itself are returned as they are.

    Raises:
        pydantic.ValidationError: The path's type has no such value.
    """
    adapter = _adapter(path)
    if adapter is None:
        return value
    return adapter.dump_python(adapter.validate_python(value), mode="json")


def is_required(path: str) -> bool:
    """Return whether a configuration can't do without this path."""
    section, _, key = path.partition(".")
    field = SECTIONS[section].model_fields.get(key)
    return field is not None and field.is_required()


def strict_adapter(hint: Any) -> TypeAdapter[Any]:
    """Return a validator that takes no text for a number and no number for a boolean."""
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        return TypeAdapter(hint)
    return TypeAdapter(hint, config=ConfigDict(strict=True))


def hint_at(hint: Any, path: tuple[str | int, ...]) -> Any:
    """Return the annotation at a path inside an annotation; None where there is none."""
    for part in path:
        model = _model_in(hint)
        if isinstance(part, int):
            hint = next((arg for arg in _branches(hint) if get_origin(arg) in (tuple, list)), None)
            hint = get_args(hint)[0] if hint is not None else None
        elif model is not None and part in model.model_fields:
            hint = _whole_annotation(model.model_fields[part])
        else:
            return None
    return hint


def known_keys(hint: Any) -> list[str]:
    """Return the keys of the mapping that an annotation describes."""
    model = _model_in(hint)
    return list(model.model_fields) if model is not None else []


def in_words(hint: Any) -> str:
    """Return what an annotation allows, for people: `an integer of at least 1`."""
    if hint is None:
        return "null"
    schema = TypeAdapter(hint).json_schema()
    return _words(schema, schema.get("$defs", {}))


def placed(name: str, document: Mapping[str, Any], shared: Mapping[str, Any]) -> str | None:
    """Return the whole path of a key's bare name, as `training.epochs` of `epochs`; None in doubt.

    Args:
        name: A key at the top of a file, or alone on the command line.
        document: The file's top mapping; the names in its sections and its space count first,
            beside the keys of those sections.
        shared: Annotations of the keys that are no such section.
    """
    own = [*_in_sections(document), *_in_space(document)]
    others = [f"{top}.{key}" for top, hint in shared.items() for key in known_keys(hint)]
    for paths in (own, others):
        found = {path for path in paths if path.rpartition(".")[2] == name}
        if found:
            return found.pop() if len(found) == 1 else None
    return None


@cache
def _adapter(path: str) -> TypeAdapter[Any] | None:
    hint = field_hint(path)
    return None if hint is None else strict_adapter(hint)


def _whole_annotation(field: Any) -> Any:
    # Constraints of `Annotated` live in the metadata, apart from the bare annotation.
    return Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation


def _branches(hint: Any) -> list[Any]:
    if get_origin(hint) is Annotated:
        return _branches(get_args(hint)[0])
    if get_origin(hint) in (Union, UnionType):
        return [branch for arg in get_args(hint) for branch in _branches(arg)]
    return [hint]


def _model_in(hint: Any) -> type[BaseModel] | None:
    for branch in _branches(hint):
        if get_origin(branch) is Literal:
            continue
        if isinstance(branch, type) and issubclass(branch, BaseModel):
            return branch
    return None


def _words(schema: dict[str, Any], definitions: dict[str, Any]) -> str:
    if "$ref" in schema:
        return _words(definitions[schema["$ref"].rsplit("/", 1)[-1]], definitions)
    if "anyOf" in schema:
        return ", or ".join(_words(option, definitions) for option in schema["anyOf"])
    if "enum" in schema or "const" in schema:
        return ", ".join(str(value) for value in schema.get("enum", [schema.get("const")]))
    kind = schema.get("type")
    if kind in ("integer", "number"):
        noun = "an integer" if kind == "integer" else "a number"
        return " ".join([noun, _bounds(schema)]).strip()
    if kind == "array":
        return f"a list; each entry {_words(schema.get('items', {}), definitions)}"
    if kind == "object":
        return f"a mapping of {', '.join(schema.get('properties', {})) or 'paths to values'}"
    if kind == "string" and "pattern" in schema:
        return "a name of letters, digits and _"
    return {"string": "text", "null": "null", "boolean": "true or false"}.get(str(kind), "a value")


def _bounds(schema: dict[str, Any]) -> str:
    names = {
        "minimum": "of at least",
        "exclusiveMinimum": "above",
        "maximum": "of at most",
        "exclusiveMaximum": "below",
    }
    return " and ".join(
        f"{text} {_number(schema[key])}" for key, text in names.items() if key in schema
    )


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


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
