"""Variants merged over the base of a file, and the command line over both.

What is said later wins: a variant over the base, the command line over the file. A path that one
layer both fixes and searches is an error.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import ValidationError

from harness.config.benchmark import Variant
from harness.config.fields import SECTIONS, checked_value, field_hint
from harness.config.problems import Problems
from harness.config.sections import DatasetSection, ModelSection, Training
from harness.config.space import Choice, Condition, Parameter, Space
from harness.config.space_parser import (
    has_circle,
    prune,
    read_exclude,
    read_parameters,
    read_when,
    split_key,
)
from harness.config.yaml_io import Document, KeyPath

SEARCH_KEYS = ("space", "exclude", "when")
VARIANT_KEYS = (*SECTIONS, "search")
_KEYS_OF = {
    "dataset": "the keys of dataset, such as {name: digits}",
    "model": "the keys of model, such as {name: vit}",
    "training": "the keys of training, such as {epochs: 10}",
}


@dataclass(frozen=True)
class Draft:
    """A variant before its sections are typed.

    fixed: path -> value. fixed_at, searched_at: path -> its key path in the file; a searched path
    that `space` lacks was given with a mistake.
    """

    name: str | None = None
    fixed: Mapping[str, Any] = field(default_factory=dict)
    fixed_at: Mapping[str, KeyPath] = field(default_factory=dict)
    searched_at: Mapping[str, KeyPath] = field(default_factory=dict)
    space: Space = field(default_factory=Space)

    @property
    def paths(self) -> set[str]:
        """Return every path that is given, fixed or searched."""
        return {*self.fixed, *self.searched_at}

    @property
    def broken(self) -> set[str]:
        """Return the searched paths whose domain has a mistake."""
        return set(self.searched_at) - set(self.space.paths)


def read_drafts(problems: Problems) -> list[Draft]:
    """Read the variants of a document, or its base alone where it has none."""
    value = problems.document.value
    base = _layer(value, (), Draft(), problems)
    if "variants" not in value:
        return [_settled(base, problems)]
    for path in [path for path in base.searched_at if path in base.fixed]:
        places = base.fixed_at[path], base.searched_at[path]
        if len({_rank(place, problems.document) for place in places}) == 1:
            _refuse_both(base, path, problems)  # though every variant may choose one of them
    at: KeyPath = ("variants",)
    variants = problems.mapping(value["variants"], at, "a mapping of names to partial files")
    if variants == {} and isinstance(value["variants"], dict):
        problems.add(at, "no variant is given: name one, or leave `variants` out")
    drafts = []
    for name, partial in variants.items():
        place = (*at, name)
        own = problems.mapping(partial, place, f"a mapping of {', '.join(VARIANT_KEYS)}")
        for key in own:
            if key not in VARIANT_KEYS:
                problems.unknown((*place, key), VARIANT_KEYS)
        for key in own["search"] if isinstance(own.get("search"), dict) else ():
            if key not in SEARCH_KEYS:
                problems.unknown((*place, "search", key), SEARCH_KEYS)
        layer = _layer(own, place, base, problems)
        drafts.append(_settled(replace(layer, name=name), problems))
    return drafts or [_settled(base, problems)]


def typed_variant(draft: Draft, problems: Problems) -> Variant | None:
    """Return the variant with its sections checked; note mistakes and return None."""
    values: dict[str, dict[str, Any]] = {section: {} for section in SECTIONS}
    for path, value in {**draft.fixed, **_representatives(draft.space)}.items():
        section, _, key = path.partition(".")
        values[section][key] = value
    before = len(problems.found)
    typed: dict[str, Any] = {}
    for section, model in SECTIONS.items():
        if (section,) in problems.document.lines and not isinstance(
            problems.document.value.get(section), dict
        ):
            continue  # noted already
        try:
            typed[section] = model.model_validate(values[section])
        except ValidationError as error:
            searched = [p.partition(".")[2] for p in draft.searched_at if p.startswith(section)]
            locate = _locator(draft, section, problems.document)
            problems.refused(error, model, values[section], locate, ignored=searched)
    if len(typed) < len(SECTIONS) or len(problems.found) > before or draft.broken:
        return None
    dataset: DatasetSection = typed["dataset"]
    chosen: ModelSection = typed["model"]
    training: Training = typed["training"]
    origins = {**draft.fixed_at, **draft.searched_at}
    return Variant(draft.name, dataset, chosen, training, draft.space, origins)


def _layer(raw: Mapping[str, Any], at: KeyPath, base: Draft, problems: Problems) -> Draft:
    """Put one layer of the file over another, conflicts still in it."""
    document = problems.document
    fixed, fixed_at = dict(base.fixed), dict(base.fixed_at)
    for section in SECTIONS:
        place = (*at, section)
        keys = problems.mapping(raw.get(section, {}), place, _KEYS_OF[section])
        for key, value in keys.items():
            path = f"{section}.{key}"
            if path not in fixed or not document.is_overridden(fixed_at[path]):
                fixed[path], fixed_at[path] = value, (*place, key)
    search = raw.get("search", {})
    search = problems.mapping(search, (*at, "search"), "the keys of search") if at else search
    search = search if isinstance(search, dict) else {}
    place = (*at, "search")
    own: tuple[Parameter, ...] = ()
    searched_at = dict(base.searched_at)
    if "space" in search:
        own = read_parameters(search["space"], (*place, "space"), problems)
        given = search["space"] if isinstance(search["space"], dict) else {}
        for path, at_path in _places(given, (*place, "space")).items():
            if not document.is_overridden(searched_at.get(path, ())):
                searched_at[path] = at_path
    parameters = _merged(base, own, searched_at, problems)
    layer = Draft(None, fixed, fixed_at, searched_at, Space(parameters))
    return replace(layer, space=_with_rules(layer, base.space, search, place, problems))


def _places(space: Mapping[str, Any], at: KeyPath) -> dict[str, KeyPath]:
    """Return where a `space` mapping has each path that can be searched."""
    paths = {path: (*at, key) for key in space for path in split_key(key)}
    return {path: place for path, place in paths.items() if path.partition(".")[0] in SECTIONS}


def _merged(
    base: Draft,
    own: tuple[Parameter, ...],
    searched_at: Mapping[str, KeyPath],
    problems: Problems,
) -> tuple[Parameter, ...]:
    merged = {parameter.key: parameter for parameter in base.space.parameters}
    owners = {path: key for key, parameter in merged.items() for path in parameter.paths}
    for parameter in own:
        place = searched_at[parameter.paths[0]]
        known = merged.get(parameter.key)
        overlap = [owners[path] for path in parameter.paths if path in owners]
        if known is None and overlap:
            problems.add(place, f"the base of the file links it: {overlap[0]}")
        elif known is None or place[0] == "variants":
            merged[parameter.key] = parameter
            owners.update(dict.fromkeys(parameter.paths, parameter.key))
    return tuple(merged.values())


def _with_rules(
    layer: Draft, base: Space, search: Mapping[str, Any], at: KeyPath, problems: Problems
) -> Space:
    exclude: tuple[Condition, ...] = base.exclude
    when: dict[str, Condition] = dict(base.when)
    space, broken = layer.space, layer.broken
    if "exclude" in search:
        place = (*at, "exclude")
        exclude += read_exclude(search["exclude"], place, space, problems, broken=broken)
    if "when" in search:
        place = (*at, "when")
        when.update(read_when(search["when"], place, space, problems, broken=broken))
        if has_circle(replace(space, when=when), place, problems):
            when = {}
    return replace(space, exclude=exclude, when=when)


def _settled(layer: Draft, problems: Problems) -> Draft:
    """Return the draft with every path either fixed or searched."""
    fixed = dict(layer.fixed)
    searched_at = dict(layer.searched_at)
    space = layer.space
    for path in [path for path in layer.searched_at if path in layer.fixed]:
        standing = _rank(layer.fixed_at[path], problems.document)
        searching = _rank(layer.searched_at[path], problems.document)
        if standing == searching:
            _refuse_both(layer, path, problems)
        if standing <= searching:
            del fixed[path]
            continue
        space = _fix(space, path, fixed[path], layer.fixed_at[path], problems)
        if path in space.paths:
            del fixed[path]
        else:
            del searched_at[path]
    fixed_at = {path: layer.fixed_at[path] for path in fixed}
    return replace(
        layer, fixed=fixed, fixed_at=fixed_at, searched_at=searched_at, space=prune(space)
    )


def _refuse_both(layer: Draft, path: str, problems: Problems) -> None:
    """Note a path that one layer both fixes and searches."""
    line = problems.document.place(layer.fixed_at[path])[1]
    where = f" (line {line})" if line else ""
    text = f"{path} is both fixed{where} and searched: give it in one place"
    problems.add(layer.searched_at[path], text)


def _rank(path: KeyPath, document: Document) -> int:
    """Return how late a layer comes: the base 0, a variant 1, the command line 2."""
    if document.is_overridden(path):
        return 2
    return 1 if path[0] == "variants" else 0


def _fix(space: Space, path: str, value: Any, at: KeyPath, problems: Problems) -> Space:
    """Return the space with one path fixed.

    A path that `exclude` or `when` name stays, with one choice, so that they hold further.
    """
    parameter = space.parameter_of(path)
    if parameter is None:
        return space
    if len(parameter.paths) > 1:
        problems.add(at, f"linked in the space: replace search.space.{parameter.key} as a whole")
        return space
    try:
        value = checked_value(path, value)
    except ValidationError as error:
        problems.refused(error, field_hint(path), value, at)
        return space
    conditions = (*space.exclude, *space.when.values())
    if path in space.when or any(path in condition for condition in conditions):
        fixed = replace(parameter, domain=Choice((value,)))
        kept = tuple(fixed if p is parameter else p for p in space.parameters)
    else:
        kept = tuple(p for p in space.parameters if p is not parameter)
    return replace(space, parameters=kept)


def _representatives(space: Space) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for parameter in space.parameters:
        values.update(parameter.assign(parameter.domain.representatives[0]))
    return values


def _locator(draft: Draft, section: str, document: Document) -> Any:
    prefix: KeyPath = ()
    if draft.name is not None and (section,) not in document.lines:
        prefix = ("variants", draft.name)

    def locate(inside: KeyPath) -> KeyPath:
        if not inside:
            return (*prefix, section)
        given = draft.fixed_at.get(f"{section}.{inside[0]}", (*prefix, section, inside[0]))
        return (*given, *inside[1:])

    return locate
