"""The benchmark file's keys as a page to read, made from its JSON schema."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from harness.config.json_schema import json_schema

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


def reference() -> str:
    """The page in Markdown: the keys of a file, then those of every section."""
    schema = json_schema()
    definitions: Schema = schema["$defs"]
    top = {**schema, "required": (*schema["required"], "dataset", "model", "training")}
    parts = [INTRODUCTION, _table(top, definitions)]
    shown = {"VariantSearch"}
    for key, name in _SECTIONS.items():
        parts += _section(key, name, definitions, shown)
    return "\n".join(parts) + "\n"


def _section(title: str, name: str, definitions: Schema, shown: set[str]) -> Iterator[str]:
    """A heading and a table, then those of the definitions that its keys refer to."""
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
    """What the section that the key refers to says of itself."""
    names = list(_references(field))
    text = definitions[names[0]].get("description", "") if len(names) == 1 else ""
    return str(text).split("\n")[0]


def _references(field: Schema) -> Iterator[str]:
    """The definitions that a value may have, those within lists and alternatives too."""
    if "$ref" in field:
        yield field["$ref"].rpartition("/")[2]
    for inner in (*field.get("anyOf", ()), *field.get("oneOf", ())):
        yield from _references(inner)
    if isinstance(field.get("items"), dict):
        yield from _references(field["items"])


def _value(field: Schema, definitions: Schema) -> str:
    """What may stand there, in words."""
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        key = next((key for key, one in _SECTIONS.items() if one == name), None)
        return f"[section](#{key})" if key else "mapping"
    if "enum" in field or "const" in field:
        return ", ".join(f"`{one}`" for one in field.get("enum", [field.get("const")]))
    choices = [*field.get("anyOf", ()), *field.get("oneOf", ())]
    if choices:
        words = [_value(one, definitions) for one in choices if one.get("type") != "null"]
        return " or ".join(dict.fromkeys(words)) or "null"
    if field.get("type") == "array":
        inner = field.get("items")
        return f"list of {_value(inner, definitions)}" if inner else "list"
    return _plain(field)


def _plain(field: Schema) -> str:
    names = {"integer": "whole number", "number": "number", "boolean": "true or false",
             "string": "text", "object": "mapping"}  # fmt: skip
    words = names.get(str(field.get("type")), "any value")
    bounds = {"minimum": "from {}", "exclusiveMinimum": "above {}", "maximum": "to {}",
              "exclusiveMaximum": "below {}"}  # fmt: skip
    limits = [text.format(field[key]) for key, text in bounds.items() if key in field]
    return f"{words} {' '.join(limits)}".strip()
