"""The search space: which points a grid holds, and what the i-th random draw is."""

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import sha256
from typing import Any

_MAX_MISSES = 10_000  # draws in a row without a new point
Condition = Mapping[str, tuple[Any, ...]]
"""Path -> values; holds where every path exists and has one of its values."""
MOST_COUNTED = 20_000  # points; counting them takes a quarter of a second
_ABSENT: Any = object()


@dataclass(frozen=True)
class Choice:
    """One of these values; of linked parameters each value is a tuple, one entry a path."""

    values: tuple[Any, ...]

    @property
    def representatives(self) -> tuple[Any, ...]:
        """Return values that stand for all: here all."""
        return self.values

    @cached_property
    def by_identity(self) -> Mapping[Any, Any]:
        """Return each value under what makes it the same as another."""
        return {identity(value): value for value in self.values}

    def draw(self, bits: int) -> Any:
        """Return the value that 64 random bits pick."""
        return self.values[bits * len(self.values) >> 64]


@dataclass(frozen=True)
class _RealRange:
    """Real numbers between two bounds, both inclusive."""

    low: float
    high: float

    @property
    def representatives(self) -> tuple[float, float]:
        """Return both ends."""
        return (self.low, self.high)


@dataclass(frozen=True)
class Uniform(_RealRange):
    """A real number, evenly spread; bounds inclusive."""

    def draw(self, bits: int) -> float:
        """Return the value that 64 random bits pick."""
        share = bits / (2**64 - 1)
        return min(self.low * (1 - share) + self.high * share, self.high)


@dataclass(frozen=True)
class LogUniform(_RealRange):
    """A real number above 0 whose logarithm is evenly spread; bounds inclusive."""

    def draw(self, bits: int) -> float:
        """Return the value that 64 random bits pick."""
        low, high = math.log(self.low), math.log(self.high)
        value = math.exp(low + (high - low) * bits / (2**64 - 1))
        return min(max(value, self.low), self.high)


@dataclass(frozen=True)
class IntRange:
    """An integer low, low + step, ... up to high; bounds inclusive."""

    low: int
    high: int
    step: int = 1

    @property
    def representatives(self) -> tuple[int, int]:
        """Return both ends that can be drawn."""
        return (self.low, self.high - (self.high - self.low) % self.step)

    def draw(self, bits: int) -> int:
        """Return the value that 64 random bits pick."""
        count = (self.high - self.low) // self.step + 1
        return self.low + self.step * (bits * count >> 64)


Domain = Choice | Uniform | LogUniform | IntRange


@dataclass(frozen=True)
class Parameter:
    """A searched path and its domain; several paths are linked and move together."""

    paths: tuple[str, ...]
    domain: Domain

    @property
    def key(self) -> str:
        """Return the parameter as the file's space names it."""
        return ", ".join(self.paths)

    def assign(self, value: Any) -> dict[str, Any]:
        """Return path -> value for one value of the domain."""
        if len(self.paths) == 1:
            return {self.paths[0]: value}
        return dict(zip(self.paths, value, strict=True))

    def column(self, path: str) -> Domain:
        """Return the domain of one path alone; of a linked one its distinct values."""
        if len(self.paths) == 1 or not isinstance(self.domain, Choice):
            return self.domain
        place = self.paths.index(path)
        values = Choice(tuple(row[place] for row in self.domain.values))
        return Choice(tuple(values.by_identity.values()))


@dataclass(frozen=True)
class Space:
    """All searched parameters of one variant, in the order of the file.

    exclude: combinations that are dropped.
    when: parameter key -> the condition under which it exists.
    """

    parameters: tuple[Parameter, ...] = ()
    exclude: tuple[Condition, ...] = ()
    when: Mapping[str, Condition] = field(default_factory=dict)

    @property
    def paths(self) -> tuple[str, ...]:
        """Return every searched path."""
        return tuple(path for parameter in self.parameters for path in parameter.paths)

    def parameter_of(self, path: str) -> Parameter | None:
        """Return the parameter that moves this path."""
        return self._by_path.get(path)

    def domain_of(self, path: str) -> Domain | None:
        """Return the domain of one path alone."""
        return self._columns.get(path)

    @cached_property
    def _by_path(self) -> Mapping[str, Parameter]:
        return {path: parameter for parameter in self.parameters for path in parameter.paths}

    @cached_property
    def _columns(self) -> Mapping[str, Domain]:
        return {path: parameter.column(path) for path, parameter in self._by_path.items()}


def identity(value: Any) -> Any:
    """Return a hashable key by which values are the same: 1 is 1.0 but neither true nor text."""
    if isinstance(value, bool):
        return ("bool", value)
    if isinstance(value, list | tuple):
        return ("list", *map(identity, value))
    if isinstance(value, dict):
        return ("mapping", *sorted((key, identity(item)) for key, item in value.items()))
    return value


def holds(condition: Condition, point: Mapping[str, Any]) -> bool:
    """Return whether every path of the condition exists in the point with one of its values."""
    return all(
        path in point and any(identity(point[path]) == identity(value) for value in values)
        for path, values in condition.items()
    )


class Exclusions:
    """Which of many conditions hold at a point: one bit each, so that all are asked at once."""

    def __init__(self, conditions: Sequence[Condition]) -> None:
        self._all = (1 << len(conditions)) - 1
        self._elsewhere: dict[str, int] = {}  # path -> conditions that do not name it
        self._with: dict[str, dict[Any, int]] = {}  # path -> value -> those that take it
        for place, condition in enumerate(conditions):
            for path, values in condition.items():
                self._elsewhere[path] = self._elsewhere.get(path, self._all) & ~(1 << place)
                masks = self._with.setdefault(path, {})
                for value in values:
                    masks[identity(value)] = masks.get(identity(value), 0) | 1 << place

    def hold(self, point: Mapping[str, Any]) -> bool:
        """Return whether any condition holds."""
        left = self._all
        for path, masks in self._with.items():
            taken = masks.get(identity(point[path]), 0) if path in point else 0
            left &= self._elsewhere[path] | taken
            if not left:
                return False
        return bool(left)


def grid(space: Space) -> Iterator[dict[str, Any]]:
    """Yield every point of a space of choices, path -> value, the last parameter moving fastest.

    A path that does not exist because of `when` is absent, so no point comes twice; excluded
    points are left out.
    """
    ordered, exclusions = dependencies_first(space), Exclusions(space.exclude)
    pending: list[tuple[int, dict[str, Any]]] = [(0, {})]
    while pending:
        depth, point = pending.pop()
        if depth == len(ordered):
            if not exclusions.hold(point):
                yield _in_file_order(space, point)
            continue
        parameter = ordered[depth]
        if not _exists(space, parameter, point):
            pending.append((depth + 1, point))
            continue
        for value in reversed(parameter.domain.representatives):
            pending.append((depth + 1, {**point, **parameter.assign(value)}))


def grid_size(space: Space) -> int:
    """Return the number of grid points before `exclude` and `when` take any away."""
    return math.prod(len(parameter.domain.representatives) for parameter in space.parameters)


def sample(space: Space, index: int, seed: int) -> dict[str, Any]:
    """Draw point number `index`, path -> value, from seed and index; `exclude` is not applied.

    Each parameter is drawn by its own hash, so adding one leaves the draws of the others alone.
    """
    return _draw(space, dependencies_first(space), index, seed)


def samples(space: Space, num_samples: int, seed: int) -> Iterator[dict[str, Any]]:
    """Yield the first `num_samples` distinct draws that are not excluded, in order of their index.

    A repeated draw of a discrete space is passed over and the next index taken, so fewer points
    come only where the space holds no more (or after 10,000 draws in a row without a new one). A
    larger `num_samples` begins with the same points.
    """
    ordered, exclusions = dependencies_first(space), Exclusions(space.exclude)
    seen: set[Any] = set()
    index = misses = 0
    while len(seen) < num_samples and misses < _MAX_MISSES:
        point = _draw(space, ordered, index, seed)
        key = identity(point)
        index += 1
        misses += 1
        if key not in seen and not exclusions.hold(point):
            misses = 0
            seen.add(key)
            yield point
        elif not space.parameters:
            return


def dependencies_first(space: Space) -> tuple[Parameter, ...]:
    """Return the parameters, each after those that its `when` names.

    Raises:
        ValueError: A parameter depends on itself; the message is its key.
    """
    if not space.when:
        return space.parameters
    searched = frozenset(space.paths)
    needs = {p.key: searched & set(space.when.get(p.key, {})) for p in space.parameters}
    ordered: list[Parameter] = []
    placed: set[str] = set()
    waiting = list(space.parameters)
    while waiting:
        ready = next((p for p in waiting if needs[p.key] <= placed), None)
        if ready is None:
            raise ValueError(waiting[0].key)
        # One at a time keeps the order of the file wherever that is possible.
        ordered.append(ready)
        placed.update(ready.paths)
        waiting.remove(ready)
    return tuple(ordered)


def points(
    space: Space, *, algorithm: str, num_samples: int | None, seed: int
) -> Iterator[dict[str, Any]]:
    """Yield the points named before a search starts: the grid, random draws, or tpe's corners."""
    if algorithm == "grid":
        return grid(space)
    if algorithm == "tpe":
        return corners(space)
    return samples(space, num_samples or 1, seed)


def corners(space: Space) -> Iterator[dict[str, Any]]:
    """Yield points in which every value of a list and both ends of every range occur at least once.

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
    """Return the parameters that move these paths, and all that decides whether they exist."""
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
    """Count the points that can be drawn; None where they are endless or too many to count."""
    listed = [_listed(parameter) for parameter in space.parameters]
    parameters = tuple(parameter for parameter in listed if parameter is not None)
    whole = replace(space, parameters=parameters)
    if len(parameters) < len(listed) or grid_size(whole) > MOST_COUNTED:
        return None
    return len({identity(point) for point in grid(whole)})


def point_in(space: Space, value_at: Callable[[str], Any]) -> dict[str, Any] | None:
    """Return the point of the space with these values, as its domains have them; None outside.

    Args:
        space: Where the point should be.
        value_at: From a path to its value; raises KeyError where the path does not exist.
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


def _exists(space: Space, parameter: Parameter, point: Mapping[str, Any]) -> bool:
    condition = space.when.get(parameter.key)
    return condition is None or holds(condition, point)


def _in_file_order(space: Space, point: dict[str, Any]) -> dict[str, Any]:
    if not space.when:
        return point
    return {path: point[path] for path in space.paths if path in point}


def _draw(space: Space, ordered: tuple[Parameter, ...], index: int, seed: int) -> dict[str, Any]:
    point: dict[str, Any] = {}
    for parameter in ordered:
        if _exists(space, parameter, point):
            digest = sha256(f"{seed}/{index}/{parameter.key}".encode()).digest()
            bits = int.from_bytes(digest[:8], "big")
            point.update(parameter.assign(parameter.domain.draw(bits)))
    return _in_file_order(space, point)


def _value(value_at: Callable[[str], Any], path: str) -> Any:
    try:
        return value_at(path)
    except KeyError:
        return _ABSENT


def _inside(parameter: Parameter, given: tuple[Any, ...]) -> Any:
    """Return the domain's value with this meaning."""
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
    """Return the point with the first value of everything else that exists in it."""
    point = dict(part)
    for parameter in dependencies_first(space):
        condition = space.when.get(parameter.key)
        exists = condition is None or holds(condition, point)
        if exists and parameter.paths[0] not in point:
            point.update(parameter.assign(parameter.domain.representatives[0]))
    return {path: point[path] for path in space.paths if path in point}


def _listed(parameter: Parameter) -> Parameter | None:
    """Return the parameter with a list of its values; None where they are too many."""
    domain = parameter.domain
    if isinstance(domain, Choice):
        return parameter
    if not isinstance(domain, IntRange):
        return None
    values = range(domain.low, domain.high + 1, domain.step)
    return None if len(values) > MOST_COUNTED else replace(parameter, domain=Choice(tuple(values)))
