"""The file with every default written out."""

from collections.abc import Mapping
from typing import Any

from harness.config.benchmark import BenchmarkSpec, Variant
from harness.config.expand import plain_sections
from harness.config.space import Choice, Condition, Domain, IntRange, Space, Uniform
from harness.config.yaml_io import dump

_NOTHING: Mapping[str, Any] = {}


def dump_resolved(
    spec: BenchmarkSpec,
    *,
    model_defaults: Mapping[str, Any] = _NOTHING,
    dataset_defaults: Mapping[str, Any] = _NOTHING,
) -> str:
    """Write YAML text that reads back to an equal value.

    Searched paths are absent from their sections. With variants, each is written out whole and the
    base holds what they share.

    Args:
        spec: The benchmark.
        model_defaults: Options that the model declares; filled in where the file neither fixes nor
            searches them.
        dataset_defaults: The same of the dataset.
    """
    defaults = {"model": model_defaults, "dataset": dataset_defaults}
    shared = _shared(spec)
    search = spec.search.model_dump(mode="json", exclude_none=True)
    resolved: dict[str, Any] = {"question": spec.question}
    if len(spec.variants) == 1 and spec.variants[0].name is None:
        resolved |= _sections(spec.variants[0], defaults)
        search |= _space(spec.variants[0].space)
        return dump({**resolved, "search": search, **shared})
    resolved |= {"search": search, **shared}
    resolved["variants"] = {
        str(variant.name): _variant(variant, defaults) for variant in spec.variants
    }
    return dump(resolved)


def _shared(spec: BenchmarkSpec) -> dict[str, Any]:
    section = spec.pretraining
    pretraining = {} if section is None else {"pretraining": section.model_dump(mode="json")}
    return {
        **pretraining,
        "cross_validation": spec.cross_validation.model_dump(mode="json", exclude_none=True),
        "objective": spec.objective.model_dump(mode="json"),
        "metrics": list(spec.metrics),
        "seed": spec.seed,
        "repeats": spec.repeats,
        "resources": spec.resources.model_dump(mode="json"),
        "weights": spec.weights,
        "predictions": spec.predictions,
        "diagnostics": spec.diagnostics,
        "tracking": list(spec.tracking),
        "baseline": spec.baseline,
        "published": [row.model_dump(mode="json") for row in spec.published],
    }


def _variant(variant: Variant, defaults: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    space = _space(variant.space)
    return {**_sections(variant, defaults), **({"search": space} if space else {})}


def _sections(variant: Variant, defaults: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    written: dict[str, Any] = {}
    for section, keys in plain_sections(variant).items():
        whole = {**keys, **{k: v for k, v in defaults.get(section, {}).items() if k not in keys}}
        searched = {
            path.partition(".")[2] for path in variant.space.paths if path.startswith(f"{section}.")
        }
        written[section] = {key: value for key, value in whole.items() if key not in searched}
    return written


def _space(space: Space) -> dict[str, Any]:
    written: dict[str, Any] = {}
    if space.parameters:
        written["space"] = {p.key: _domain(p.domain) for p in space.parameters}
    if space.exclude:
        written["exclude"] = [_condition(condition) for condition in space.exclude]
    if space.when:
        written["when"] = {key: _condition(condition) for key, condition in space.when.items()}
    return written


def _domain(domain: Domain) -> Any:
    if isinstance(domain, Choice):
        return [list(value) if isinstance(value, tuple) else value for value in domain.values]
    if isinstance(domain, IntRange):
        step = [domain.step] if domain.step != 1 else []
        return {"int": [domain.low, domain.high, *step]}
    name = "uniform" if isinstance(domain, Uniform) else "loguniform"
    return {name: [domain.low, domain.high]}


def _condition(condition: Condition) -> dict[str, Any]:
    return {
        path: values[0] if len(values) == 1 and not isinstance(values[0], list) else list(values)
        for path, values in condition.items()
    }
