"""From the `space`, `exclude` and `when` of a file to the parameters and conditions of a Space."""

import re
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from harness.config.fields import SECTIONS, checked_value, field_hint, is_required
from harness.config.problems import Problems
from harness.config.sections import Training
from harness.config.space import (
    Choice,
    Condition,
    Domain,
    IntRange,
    LogUniform,
    Parameter,
    Space,
    Uniform,
    dependencies_first,
    identity,
)
from harness.config.yaml_io import KeyPath, show
from harness.errors import nearest

DOMAIN_WORDS = (
    "a list, {uniform: [low, high]}, {loguniform: [low, high]}, {int: [low, high]} "
    "or {int: [low, high, step]}"
)
_RANGES = ("uniform", "loguniform", "int")
_PATH = re.compile(r"(dataset|model|training)\.[A-Za-z_][A-Za-z0-9_]*")
_NOT_SEARCHED = ("cross_validation", "objective", "metrics", "search", "repeats", "resources")
MOST_LISTED = 50  # of the values that a path can have


def split_key(key: str) -> tuple[str, ...]:
    """Return the paths of a space key; more than one are linked."""
    return tuple(path.strip() for path in key.split(","))


def read_parameters(space: Any, at: KeyPath, problems: Problems) -> tuple[Parameter, ...]:
    """Read the parameters of a `space` mapping; those with mistakes are noted and left out."""
    mapping = problems.mapping(space, at, "a mapping of paths to domains")
    if isinstance(space, dict) and not space:
        problems.add(at, "the space is empty: name a path, or leave `search` out")
    parameters: list[Parameter] = []
    seen: dict[str, str] = {}
    for key, domain in mapping.items():
        paths = split_key(key)
        twice = [path for path in paths if path in seen or paths.count(path) > 1]
        seen.update(dict.fromkeys(paths, key))
        if twice:
            problems.add((*at, key), f"{twice[0]} is named twice in the space")
        elif all([_searchable(path, (*at, key), problems) for path in paths]):
            read = _domain(paths, domain, (*at, key), problems)
            if read is not None:
                parameters.append(Parameter(paths, read))
    return tuple(parameters)


def read_exclude(
    rules: Any, at: KeyPath, space: Space, problems: Problems, *, broken: Collection[str] = ()
) -> tuple[Condition, ...]:
    """Read the conditions of an `exclude` list against the space that they thin out.

    Args:
        rules: The list as the file has it.
        at: Its key path.
        space: What the conditions may name.
        problems: Where mistakes are noted.
        broken: Paths that the space names with a mistake, noted already.
    """
    if not isinstance(rules, list):
        problems.wrong_kind(at, rules, "a list of mappings from a path to a value or values")
        return ()
    read = []
    for index, rule in enumerate(rules):
        condition = _condition(rule, (*at, index), space, problems, broken)
        if condition:
            read.append(condition)
    return tuple(read)


def read_when(
    rules: Any, at: KeyPath, space: Space, problems: Problems, *, broken: Collection[str] = ()
) -> dict[str, Condition]:
    """Read the conditions of a `when` mapping, by the key of the parameter that depends on them.

    The arguments are those of `read_exclude`.
    """
    read: dict[str, Condition] = {}
    by_key = {parameter.key: parameter for parameter in space.parameters}
    for key, rule in problems.mapping(rules, at, "a mapping of paths to conditions").items():
        name = ", ".join(split_key(key))
        parameter = by_key.get(name)
        if parameter is None:
            if not set(split_key(key)) & set(broken):
                _note_unsearched(name, (*at, key), space, problems)
        elif any(is_required(path) for path in parameter.paths):
            problems.add((*at, key), "required in every configuration, so it can't depend on it")
        else:
            condition = _condition(rule, (*at, key), space, problems, broken)
            if condition:
                read[name] = condition
    return read


def prune(space: Space) -> Space:
    """Return the space without the values of rules that no domain takes any more.

    A layer that replaced a domain leaves such values behind. An exclusion that can't match goes;
    a `when` without values stays: its parameter exists nowhere.
    """
    exclude = [_possible(condition, space) for condition in space.exclude]
    when = {key: _possible(condition, space) for key, condition in space.when.items()}
    kept = tuple(condition for condition in exclude if all(condition.values()))
    return replace(space, exclude=kept, when=when)


def has_circle(space: Space, at: KeyPath, problems: Problems) -> bool:
    """Return whether a parameter exists only where it itself does, and note a problem if so."""
    try:
        dependencies_first(space)
    except ValueError as error:
        problems.add((*at, str(error)), "depends on itself, through `when`")
        return True
    return False


def _searchable(path: str, at: KeyPath, problems: Problems) -> bool:
    section, _, key = path.partition(".")
    if _PATH.fullmatch(path):
        if section == "training" and field_hint(path) is None:
            fields = [f"training.{name}" for name in Training.model_fields]
            problems.unknown((*at[:-1], path), fields, what="path")
            return False
        return True
    if section == "seed":
        problems.add(at, "a seed can't be searched: use `repeats` for more seeds")
    elif section in _NOT_SEARCHED:
        problems.add(
            at,
            f"{section} can't be searched: all configurations share folds and objective",
            allowed="paths that start with dataset., model. or training.",
        )
    elif section in SECTIONS and "." in key:
        whole = ".".join(path.split(".")[:2])
        problems.add(at, f"search {whole} as a whole: a list of mappings")
    else:
        close = f"training.{path}" if path in Training.model_fields else None
        close = close or (nearest(section, list(SECTIONS)) if "." in path else None)
        problems.add(
            at,
            "not a path that can be searched",
            found=show(path),
            allowed="paths that start with dataset., model. or training.",
            nearest=f"{close}.{key}" if close in SECTIONS else close,
        )
    return False


def _domain(paths: Sequence[str], value: Any, at: KeyPath, problems: Problems) -> Domain | None:
    if isinstance(value, list):
        return _choice(paths, value, at, problems)
    if not isinstance(value, dict):
        problems.wrong_kind(at, value, DOMAIN_WORDS)
        return None
    if len(value) != 1:
        problems.wrong_kind(at, value, DOMAIN_WORDS)
        return None
    if len(paths) > 1:
        problems.add(at, "linked parameters take a list of lists", found=show(value))
        return None
    name, bounds = next(iter(value.items()))
    if name not in _RANGES:
        problems.unknown((*at, name), _RANGES, what="domain")
        return None
    return _range(paths[0], name, bounds, (*at, name), problems)


def _choice(
    paths: Sequence[str], values: list[Any], at: KeyPath, problems: Problems
) -> Choice | None:
    before = len(problems.found)
    if not values:
        problems.add(at, "the list is empty: give at least one value")
    read: list[Any] = []
    for index, value in enumerate(values):
        place = (*at, index)
        if len(paths) == 1:
            read.append(_checked(paths[0], value, place, problems))
        elif not isinstance(value, list) or len(value) != len(paths):
            problems.wrong_kind(place, value, f"a list of {len(paths)}: {', '.join(paths)}")
        else:
            row = [
                _checked(path, cell, (*place, column), problems)
                for column, (path, cell) in enumerate(zip(paths, value, strict=True))
            ]
            read.append(tuple(row))
    if len(problems.found) > before:
        return None
    _refuse_repeats(read, at, problems)
    return Choice(tuple(read)) if len(problems.found) == before else None


def _checked(path: str, value: Any, at: KeyPath, problems: Problems) -> Any:
    try:
        return checked_value(path, value)
    except ValidationError as error:
        problems.refused(error, field_hint(path), value, at)
        return None


def _refuse_repeats(values: Sequence[Any], at: KeyPath, problems: Problems) -> None:
    seen: set[Any] = set()
    for index, value in enumerate(values):
        if identity(value) in seen:
            shown = show(list(value) if isinstance(value, tuple) else value)
            problems.add((*at, index), "the value is in the list twice", found=shown)
        seen.add(identity(value))


def _range(path: str, name: str, bounds: Any, at: KeyPath, problems: Problems) -> Domain | None:
    kinds = int if name == "int" else (int, float)
    lengths = (2, 3) if name == "int" else (2,)
    if (
        not isinstance(bounds, list)
        or len(bounds) not in lengths
        or not all(isinstance(b, kinds) and not isinstance(b, bool) for b in bounds)
    ):
        numbers = "integers [low, high] or [low, high, step]" if name == "int" else "[low, high]"
        problems.wrong_kind(at, bounds, numbers)
        return None
    low, high, *rest = bounds
    if low >= high:
        swapped = "the bounds are swapped" if low > high else "both bounds are the same"
        problems.add(at, f"{swapped}: low must lie below high", found=show(bounds))
        return None
    if name == "loguniform" and low <= 0:
        problems.add((*at, 0), "a loguniform range must start above 0", found=show(low))
        return None
    if rest and rest[0] < 1:
        problems.add((*at, 2), "a step must be at least 1", found=show(rest[0]))
        return None
    return _typed_range(path, name, bounds, at, problems)


def _typed_range(
    path: str, name: str, bounds: list[Any], at: KeyPath, problems: Problems
) -> Domain | None:
    before = len(problems.found)
    ends = bounds[:2] if name == "int" else [float(bound) for bound in bounds]
    for index, bound in enumerate(ends):
        _checked(path, bound, (*at, index), problems)
    if len(problems.found) > before:
        return None
    if name == "int":
        return IntRange(*bounds)
    return Uniform(*ends) if name == "uniform" else LogUniform(*ends)


def _possible(condition: Condition, space: Space) -> Condition:
    domains = {path: space.domain_of(path) for path in condition}
    return {
        path: tuple(value for value in values if _takes(domains[path], value))
        for path, values in condition.items()
    }


def _condition(
    rule: Any, at: KeyPath, space: Space, problems: Problems, broken: Collection[str]
) -> Condition:
    mapping = problems.mapping(rule, at, "a mapping from a path to a value or a list of values")
    if isinstance(rule, dict) and not rule:
        problems.add(at, "the condition is empty")
    condition: dict[str, tuple[Any, ...]] = {}
    for path, values in mapping.items():
        parameter = space.parameter_of(path)
        if parameter is None:
            if path not in broken:
                _note_unsearched(path, (*at, path), space, problems)
            continue
        listed = [_as_domain_has_it(path, value) for value in _as_list(values)]
        if not listed and isinstance(at[-1], int):
            problems.add((*at, path), "the list is empty: give at least one value")
        for value in listed:
            _refuse_absent(value, path, space, (*at, path), problems)
        condition[path] = tuple(listed)
    return condition


def _as_list(values: Any) -> list[Any]:
    return values if isinstance(values, list) else [values]


def _as_domain_has_it(path: str, value: Any) -> Any:
    """Return the value as the domain spells it, `cosine` for `{name: cosine}`.

    What is no value at all is noted later.
    """
    try:
        return checked_value(path, value)
    except ValidationError:
        return value


def _refuse_absent(value: Any, path: str, space: Space, at: KeyPath, problems: Problems) -> None:
    """Note a value that the path's domain never takes, unless the command line replaced it."""
    document = problems.document
    replaced = [key for key in document.overridden if path in split_key(str(key[-1]))]
    domain = space.domain_of(path)
    if replaced or _takes(domain, value):
        return
    if isinstance(domain, Choice):
        allowed = ", ".join(show(choice) for choice in domain.values[:MOST_LISTED])
        hidden = len(domain.values) - MOST_LISTED
        allowed += f" and {hidden:,} more" if hidden > 0 else ""
        close = nearest(str(value), [str(choice) for choice in domain.values])
    else:
        allowed, close = "the values of a list or of an int range", None
    problems.add(
        at, f"{path} never has this value", found=show(value), allowed=allowed, nearest=close
    )


def _takes(domain: Domain | None, value: Any) -> bool:
    if isinstance(domain, Choice):
        return identity(value) in domain.by_identity
    if not isinstance(domain, IntRange) or not isinstance(value, int) or isinstance(value, bool):
        return False
    return domain.low <= value <= domain.high and (value - domain.low) % domain.step == 0


def _note_unsearched(path: str, at: KeyPath, space: Space, problems: Problems) -> None:
    linked = space.parameter_of(path)
    if linked is not None:
        problems.add(
            at,
            "linked parameters exist together: name them as the space does",
            found=show(path),
            allowed=show(linked.key),
        )
        return
    problems.add(
        at,
        "not a path of the space",
        allowed=", ".join(space.paths) or "none, the space is empty",
        nearest=nearest(path, space.paths),
    )
