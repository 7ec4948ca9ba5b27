"""From the `exclude` and `when` of a file to the conditions of a Space."""

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from harness.config.fields import checked_value, is_required
from harness.config.problems import Problems
from harness.config.space import (
    Choice,
    Condition,
    Domain,
    IntRange,
    Space,
    dependencies_first,
    identity,
)
from harness.config.space_parser import split_key
from harness.config.yaml_reader import KeyPath
from harness.config.yaml_writer import show
from harness.errors import nearest

MOST_LISTED = 50  # of the values that a path can have


def read_exclude(
    rules: Any, at: KeyPath, space: Space, problems: Problems, *, broken: Collection[str] = ()
) -> tuple[Condition, ...]:
    """The conditions of an `exclude` list against the space that they thin out.

    broken: paths that the space names with a mistake, noted already.
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
    """The conditions of a `when` mapping, by the key of the parameter that depends on them."""
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
    """The space without the values of rules that no domain takes any more.

    A layer that replaced a domain leaves such values behind. An exclusion that can't match goes;
    a `when` without values stays: its parameter exists nowhere.
    """
    exclude = [_possible(condition, space) for condition in space.exclude]
    when = {key: _possible(condition, space) for key, condition in space.when.items()}
    kept = tuple(condition for condition in exclude if all(condition.values()))
    return replace(space, exclude=kept, when=when)


def _possible(condition: Condition, space: Space) -> Condition:
    domains = {path: space.domain_of(path) for path in condition}
    return {
        path: tuple(value for value in values if _takes(domains[path], value))
        for path, values in condition.items()
    }


def has_circle(space: Space, at: KeyPath, problems: Problems) -> bool:
    """Whether a parameter exists only where itself does; a problem if so."""
    try:
        dependencies_first(space)
    except ValueError as error:
        problems.add((*at, str(error)), "depends on itself, through `when`")
        return True
    return False


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
    """`{name: cosine}` is `cosine` in the domain; what is no value at all is noted later."""
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
    problems.add(at, f"{path} never has this value", found=show(value), allowed=allowed,
                 nearest=close)  # fmt: skip


def _takes(domain: Domain | None, value: Any) -> bool:
    if isinstance(domain, Choice):
        return identity(value) in domain.by_identity
    if not isinstance(domain, IntRange) or not isinstance(value, int) or isinstance(value, bool):
        return False
    return domain.low <= value <= domain.high and (value - domain.low) % domain.step == 0


def _note_unsearched(path: str, at: KeyPath, space: Space, problems: Problems) -> None:
    linked = space.parameter_of(path)
    if linked is not None:
        problems.add(at, "linked parameters exist together: name them as the space does",
                     found=show(path), allowed=show(linked.key))  # fmt: skip
        return
    problems.add(
        at,
        "not a path of the space",
        allowed=", ".join(space.paths) or "none, the space is empty",
        nearest=nearest(path, space.paths),
    )
