"""Points that stand for a space, and how many there are, known before any is drawn."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any

from harness.config.space import (
    Choice,
    IntRange,
    Parameter,
    Space,
    dependencies_first,
    grid,
    grid_size,
    holds,
    identity,
    samples,
)

MOST_COUNTED = 20_000

_ABSENT: Any = object()


def points(
    space: Space, *, algorithm: str, num_samples: int | None, seed: int
) -> Iterator[dict[str, Any]]:
    """The points a search names before it starts: the grid, random draws, or tpe's corners."""
    if algorithm == "grid":
        return grid(space)
    if algorithm == "tpe":
        return corners(space)
    return samples(space, num_samples or 1, seed)


def corners(space: Space) -> Iterator[dict[str, Any]]:
    """Points in which every value of a list and both ends of every range occur once at least.

    Parameters of the dataset come in all their combinations, since their data is read before
    anything is drawn; of the others each moves alone, with what its `when` names.
    """
    dataset = [path for path in space.paths if path.startswith("dataset.")]
    groups = [dataset, *(parameter.paths for parameter in space.parameters)]
    seen: set[Any] = set()
    for paths in groups:
        for part in grid(subspace(space, paths)):
            point = _completed(space, part)
            if identity(point) not in seen:
                seen.add(identity(point))
                yield point


def subspace(space: Space, paths: Collection[str]) -> Space:
    """The parameters that move these paths, and all that decides whether they exist."""
    kept: set[str] = set()
    waiting = list(paths)
    while waiting:
        parameter = space.parameter_of(waiting.pop())
        if parameter is not None and parameter.key not in kept:
            kept.add(parameter.key)
            waiting.extend(space.when.get(parameter.key, {}))
    return Space(
        tuple(parameter for parameter in space.parameters if parameter.key in kept),
        when={key: condition for key, condition in space.when.items() if key in kept},
    )


def count_points(space: Space) -> int | None:
    """How many different points can be drawn; None where they are endless or too many to count."""
    listed = [_listed(parameter) for parameter in space.parameters]
    parameters = tuple(parameter for parameter in listed if parameter is not None)
    whole = replace(space, parameters=parameters)
    if len(parameters) < len(listed) or grid_size(whole) > MOST_COUNTED:
        return None
    return len({identity(point) for point in grid(whole)})


def point_in(space: Space, value_at: Callable[[str], Any]) -> dict[str, Any] | None:
    """The point of the space with these values, in the domains' own words; None outside of it.

    value_at: of a path; raises KeyError where the path does not exist.
    """
    point: dict[str, Any] = {}
    for parameter in dependencies_first(space):
        condition = space.when.get(parameter.key)
        given = tuple(_value(value_at, path) for path in parameter.paths)
        if condition is not None and not holds(condition, point):
            if any(value is not _ABSENT for value in given):
                return None
            continue
        value = _inside(parameter, given)
        if value is _ABSENT:
            return None
        point.update(parameter.assign(value))
    if any(holds(condition, point) for condition in space.exclude):
        return None
    return {path: point[path] for path in space.paths if path in point}


def _value(value_at: Callable[[str], Any], path: str) -> Any:
    try:
        return value_at(path)
    except KeyError:
        return _ABSENT


def _inside(parameter: Parameter, given: tuple[Any, ...]) -> Any:
    """The domain's value with this meaning."""
    domain = parameter.domain
    value = given if len(parameter.paths) > 1 else given[0]
    if isinstance(domain, Choice):
        return domain.by_identity.get(identity(value), _ABSENT)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return _ABSENT
    if isinstance(domain, IntRange) and (value - domain.low) % domain.step:
        return _ABSENT
    return value if domain.low <= value <= domain.high else _ABSENT


def _completed(space: Space, part: Mapping[str, Any]) -> dict[str, Any]:
    """The point with the first value of everything else that exists in it."""
    point = dict(part)
    for parameter in dependencies_first(space):
        condition = space.when.get(parameter.key)
        exists = condition is None or holds(condition, point)
        if exists and parameter.paths[0] not in point:
            point.update(parameter.assign(parameter.domain.representatives[0]))
    return {path: point[path] for path in space.paths if path in point}


def _listed(parameter: Parameter) -> Parameter | None:
    """With a list of its values; None where they are too many."""
    domain = parameter.domain
    if isinstance(domain, Choice):
        return parameter
    if not isinstance(domain, IntRange):
        return None
    values = range(domain.low, domain.high + 1, domain.step)
    return None if len(values) > MOST_COUNTED else replace(parameter, domain=Choice(tuple(values)))
