"""From a benchmark to its configurations: every point of every variant, as plain data."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from harness.config.benchmark import BenchmarkSpec, Variant
from harness.config.fields import SECTIONS, checked_value
from harness.config.space import IntRange, identity, points
from harness.config.yaml_io import show
from harness.errors import Problem, SpecError

Sections = dict[str, dict[str, Any]]


class RawConfiguration(NamedTuple):
    """One point of the search, not yet checked against the files that it names.

    params: searched path -> value, without those that do not exist here because of `when`.
    sections: `dataset`, `model`, `training` as plain data, every typed default filled in; a path
    that does not exist is absent.
    """

    variant: str | None
    params: dict[str, Any]
    sections: Sections


def configurations(spec: BenchmarkSpec) -> list[RawConfiguration]:
    """Return all configurations, variant by variant, the last parameter of the file moving fastest.

    Raises:
        SpecError: Two variants hold the same configuration.
    """
    listed = [
        configuration
        for variant in spec.variants
        for configuration in variant_configurations(spec, variant)
    ]
    if len(spec.variants) > 1:
        problems = list(_repeated(spec, listed))
        if problems:
            raise SpecError(problems)
    return listed


def variant_configurations(spec: BenchmarkSpec, variant: Variant) -> Iterator[RawConfiguration]:
    """Yield the configurations of one variant; with `tpe` those that stand for its space."""
    configuration = configuration_at(variant)
    for point in points(
        variant.space,
        algorithm=spec.search.algorithm,
        num_samples=spec.search.num_samples,
        seed=spec.seed,
    ):
        yield configuration(point)


def configuration_at(variant: Variant) -> Callable[[Mapping[str, Any]], RawConfiguration]:
    """Return a function from points of the variant's space, path -> value, to configurations."""
    template = plain_sections(variant)
    places = {path: path.split(".", 1) for path in variant.space.paths}
    casts = _casts(variant)

    def configuration(point: Mapping[str, Any]) -> RawConfiguration:
        params = {path: casts[path](v) if path in casts else v for path, v in point.items()}
        sections = {name: dict(keys) for name, keys in template.items()}
        for path, (section, key) in places.items():
            if path in params:
                sections[section][key] = params[path]
            else:
                del sections[section][key]
        return RawConfiguration(variant.name, params, sections)

    return configuration


def plain_sections(variant: Variant) -> Sections:
    """Return the variant's sections as plain data with every typed default and representative."""
    return {name: getattr(variant, name).model_dump(mode="json") for name in SECTIONS}


def _casts(variant: Variant) -> dict[str, Callable[[Any], Any]]:
    """Return how draws of an integer range become those of a field of real numbers."""
    casts: dict[str, Callable[[Any], Any]] = {}
    for parameter in variant.space.parameters:
        if isinstance(parameter.domain, IntRange):
            path = parameter.paths[0]
            casts[path] = type(checked_value(path, parameter.domain.low))
    return casts


def _repeated(spec: BenchmarkSpec, listed: list[RawConfiguration]) -> Iterator[Problem]:
    first: dict[Any, RawConfiguration] = {}
    for configuration in listed:
        known = first.setdefault(identity(configuration.sections), configuration)
        if known is not configuration:
            values = ", ".join(
                f"{path}={show(value)}" for path, value in configuration.params.items()
            )
            yield spec.problem(
                f"variants.{configuration.variant}",
                f"the same configuration as in variant {known.variant}",
                found=values or "no searched value",
            )
