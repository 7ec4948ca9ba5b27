"""The JSON schema of a benchmark file, for editors, and the page of its keys made from it."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import TypeAdapter

from harness.config.benchmark import BenchmarkSpec
from harness.config.fields import SECTIONS
from harness.config.read import REQUIRED_KEYS, SHARED_KEYS, shared_hint
from harness.metrics import METRICS

_PATH = r"(dataset|model|training)\.[A-Za-z_][A-Za-z0-9_]*"
_KEY = rf"^\s*{_PATH}\s*(,\s*{_PATH}\s*)*$"
Schema = Mapping[str, Any]
INTRODUCTION = """\
# The benchmark file

Every key that a file may have, made from the schema by `bench schema --markdown`. Anything else in
a file is an error with its line and the nearest name. `bench check FILE --resolved` prints a file
with every default written out; `bench schema` prints the schema for editors.
"""
# Section of the page -> definition; nested ones follow where they are first met.
_SECTIONS = {
    "dataset": "DatasetSection",
    "model": "ModelSection",
    "training": "Training",
    "cross_validation": "CrossValidation",
    "search": "Search",
    "objective": "Objective",
    "resources": "Resources",
    "pretraining": "Pretraining",
    "published": "Published",
    "variants": "Variant",
}
_SEARCHABLE = {
    "DatasetSection": ("name",),
    "ModelSection": ("name",),
    "Training": ("epochs", "batch_size", "optimizer", "lr"),
}


def json_schema() -> dict[str, Any]:
    """Return the schema, draft 2020-12, which accepts every valid file.

    The required keys of `dataset`, `model` and `training` may be searched or given by a variant
    instead, so the schema can't demand them.
    """
    definitions: dict[str, Any] = {}
    properties = {key: _with_default(key, definitions) for key in SHARED_KEYS}
    definitions["Search"]["properties"].update(_space_keys())
    _close_published(definitions["Published"])
    sections = {key: _schema(model, definitions) for key, model in SECTIONS.items()}
    for model in SECTIONS.values():
        definitions[model.__name__].pop("required")
    keys = {**sections, "search": {"$ref": "#/$defs/VariantSearch"}}
    definitions["VariantSearch"] = _object(_space_keys(), "what a variant adds to the search")
    definitions["Variant"] = _object(keys, "a partial file, merged over the base")
    properties["metrics"]["items"] = definitions["Objective"]["properties"]["metric"] = {
        "type": "string",
        "examples": list(METRICS),
    }
    properties["variants"] = {
        "type": "object",
        "minProperties": 1,
        "additionalProperties": {"$ref": "#/$defs/Variant"},
        "description": "name -> partial file with its own space",
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "bench benchmark file",
        **_object({**_in_order(properties, sections)}, "one file asks one question"),
        "required": list(REQUIRED_KEYS),
        "$defs": definitions,
    }


def reference() -> str:
    """Return the page in Markdown: the keys of a file, then those of every section."""
    schema = json_schema()
    definitions: Schema = schema["$defs"]
    top = {**schema, "required": (*schema["required"], "dataset", "model", "training")}
    parts = [INTRODUCTION, _table(top, definitions)]
    shown = {"VariantSearch"}
    for key, name in _SECTIONS.items():
        parts += _section(key, name, definitions, shown)
    return "\n".join(parts) + "\n"


def _in_order(shared: dict[str, Any], sections: dict[str, Any]) -> dict[str, Any]:
    """Order the keys as a file is usually written: the question, its sections, and the rest."""
    question, *others = shared
    return {question: shared[question], **sections, **{key: shared[key] for key in others}}


def _with_default(key: str, definitions: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a shared key, with its default where that is a plain value."""
    schema = _schema(shared_hint(key), definitions)
    default = BenchmarkSpec.__dataclass_fields__[key].default
    if isinstance(default, str | int):
        schema["default"] = default
    return schema


def _schema(hint: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of an annotation by reference; what it refers to joins the definitions."""
    schema = TypeAdapter(hint).json_schema(ref_template="#/$defs/{model}")
    definitions.update(schema.pop("$defs", {}))
    if schema.get("type") == "object" and "properties" in schema:
        definitions[schema["title"]] = schema
        return {"$ref": f"#/$defs/{schema['title']}"}
    return schema


def _object(properties: dict[str, Any], description: str) -> dict[str, Any]:
    return {
        "type": "object",
        "description": description,
        "properties": properties,
        "additionalProperties": False,
    }


def _close_published(schema: dict[str, Any]) -> None:
    number_column = rf"^(train|val|test)_({'|'.join((*METRICS, 'loss'))})$"
    schema["patternProperties"] = {number_column: {"type": "number"}}
    schema["additionalProperties"] = False


def _space_keys() -> dict[str, Any]:
    values = {"description": "a value, or a list of values"}
    condition = {"type": "object", "minProperties": 1, "additionalProperties": values}
    return {
        "space": {
            "type": "object",
            "description": "path -> domain; linked paths share a key: 'model.a, model.b'",
            "minProperties": 1,
            "propertyNames": {"pattern": _KEY},
            "additionalProperties": {"oneOf": _domains()},
        },
        "exclude": {
            "type": "array",
            "description": "combinations that are dropped where every path matches",
            "items": condition,
        },
        "when": {
            "type": "object",
            "description": "path -> the condition under which the parameter exists",
            "additionalProperties": condition,
        },
    }


def _domains() -> list[dict[str, Any]]:
    choice = {"type": "array", "minItems": 1, "description": "a choice of values"}
    numbers = {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}
    integers = {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 3}
    ranges = {
        "uniform": {**numbers, "description": "[low, high]"},
        "loguniform": {**numbers, "description": "[low, high], above 0"},
        "int": {**integers, "description": "[low, high] or [low, high, step]"},
    }
    return [
        choice,
        *(
            {**_object({name: bounds}, "bounds are inclusive"), "required": [name]}
            for name, bounds in ranges.items()
        ),
    ]


def _section(title: str, name: str, definitions: Schema, shown: set[str]) -> Iterator[str]:
    """Yield a heading and a table, then those of the definitions that its keys refer to."""
    shown.add(name)
    definition = definitions[name]
    own = definition.get("description", "").split("\n")[0]
    note = f"{own}\n" if own else ""
    required = (*definition.get("required", ()), *_SEARCHABLE.get(name, ()))
    yield f"\n## `{title}`\n\n{note}\n{_table({**definition, 'required': required}, definitions)}"
    for key, field in definition.get("properties", {}).items():
        for inner in _references(field):
            if inner not in shown and inner not in _SECTIONS.values():
                yield from _section(f"{title}.{key}", inner, definitions, shown)


def _table(schema: Schema, definitions: Schema) -> str:
    rows = ["| key | value | default | meaning |", "|---|---|---|---|"]
    for key, field in schema["properties"].items():
        default = "**required**" if key in schema.get("required", ()) else _default(field)
        meaning = field.get("description") or _meaning(field, definitions)
        cells = (f"`{key}`", _value(field, definitions), default, meaning)
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows)


def _default(field: Schema) -> str:
    if "default" not in field:
        return ""
    return "null" if field["default"] is None else f"`{json.dumps(field['default'])}`"


def _meaning(field: Schema, definitions: Schema) -> str:
    """Return the description of the section that the key refers to."""
    names = list(_references(field))
    text = definitions[names[0]].get("description", "") if len(names) == 1 else ""
    return str(text).split("\n")[0]


def _references(field: Schema) -> Iterator[str]:
    """Yield the definitions that a value may have, those within lists and alternatives too."""
    if "$ref" in field:
        yield field["$ref"].rpartition("/")[2]
    for inner in (*field.get("anyOf", ()), *field.get("oneOf", ())):
        yield from _references(inner)
    if isinstance(field.get("items"), dict):
        yield from _references(field["items"])


def _value(field: Schema, definitions: Schema) -> str:
    """Return in words which values a key takes."""
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        key = next((key for key, section in _SECTIONS.items() if section == name), None)
        return f"[section](#{key})" if key else "mapping"
    if "enum" in field or "const" in field:
        return ", ".join(f"`{value}`" for value in field.get("enum", [field.get("const")]))
    choices = [*field.get("anyOf", ()), *field.get("oneOf", ())]
    if choices:
        words = [_value(choice, definitions) for choice in choices if choice.get("type") != "null"]
        return " or ".join(dict.fromkeys(words)) or "null"
    if field.get("type") == "array":
        inner = field.get("items")
        return f"list of {_value(inner, definitions)}" if inner else "list"
    return _plain(field)


def _plain(field: Schema) -> str:
    names = {
        "integer": "whole number",
        "number": "number",
        "boolean": "true or false",
        "string": "text",
        "object": "mapping",
    }
    words = names.get(str(field.get("type")), "any value")
    bounds = {
        "minimum": "from {}",
        "exclusiveMinimum": "above {}",
        "maximum": "to {}",
        "exclusiveMaximum": "below {}",
    }
    limits = [text.format(field[key]) for key, text in bounds.items() if key in field]
    return f"{words} {' '.join(limits)}".strip()
