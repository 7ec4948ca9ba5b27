"""The JSON schema of a benchmark file, for editors."""

from typing import Any

from pydantic import TypeAdapter

from harness.config.benchmark import METRIC_NAMES, BenchmarkSpec
from harness.config.fields import SECTIONS
from harness.config.read import REQUIRED_KEYS, SHARED_KEYS, shared_hint

_PATH = r"(dataset|model|training)\.[A-Za-z_][A-Za-z0-9_]*"
_KEY = rf"^\s*{_PATH}\s*(,\s*{_PATH}\s*)*$"
_NUMBER_COLUMN = rf"^(train|val|test)_({'|'.join((*METRIC_NAMES, 'loss'))})$"


def json_schema() -> dict[str, Any]:
    """Draft 2020-12; accepts every valid file.

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
        "examples": list(METRIC_NAMES),
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


def _in_order(shared: dict[str, Any], sections: dict[str, Any]) -> dict[str, Any]:
    """As a file is usually written: the question, its sections, and the rest."""
    question, *others = shared
    return {question: shared[question], **sections, **{key: shared[key] for key in others}}


def _with_default(key: str, definitions: dict[str, Any]) -> dict[str, Any]:
    """A shared key, with its default where that is a plain value."""
    schema = _schema(shared_hint(key), definitions)
    default = BenchmarkSpec.__dataclass_fields__[key].default
    if isinstance(default, str | int):
        schema["default"] = default
    return schema


def _schema(hint: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    """The schema of an annotation by reference; what it refers to joins the definitions."""
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
    schema["patternProperties"] = {_NUMBER_COLUMN: {"type": "number"}}
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
