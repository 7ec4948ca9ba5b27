"""The search parameters as factors with levels; those that never change alone are one factor."""

from collections.abc import Mapping, Sequence
from itertools import combinations, pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.report.formatting import is_missing, value_text
from harness.statistics.selection_bias import linked_factors

MOST_LEVELS = 8
BINS = 5


class Factor(NamedTuple):
    """A parameter, or several that change together: one level for each complete configuration.

    levels: the level of each configuration, None where the parameter does not exist. order: the
    distinct levels. binned: whether a level is a range of values. linked: the parameters that
    change together, empty for one alone.
    """

    name: str
    levels: tuple[str | None, ...]
    order: tuple[str, ...]
    binned: bool
    linked: tuple[str, ...] = ()


def factors_of(params: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> tuple[Factor, ...]:
    """The parameters that vary; those that never change alone are one factor.

    params: of each configuration. names: path -> the name to print.
    """
    present = [{path: value for path, value in one.items() if not is_missing(value)}
               for one in params]  # fmt: skip
    groups: list[list[str]] = [[path] for path in names]
    for a, b in linked_factors(present):
        of_a, of_b = (next(group for group in groups if path in group) for path in (a, b))
        if of_a is not of_b:
            of_a += of_b
            groups.remove(of_b)
    made = (_factor(group, present, names) for group in groups)
    return tuple(one for one in made if len(one.order) > 1)


def chosen(factor: Factor, level: str) -> NDArray[np.bool_]:
    """Which configurations have this level."""
    return np.array([one == level for one in factor.levels])


def is_balanced(factors: Sequence[Factor]) -> bool:
    """Whether every level met every level of the other factors equally often."""
    return all(_proportional(_met(a, b)) for a, b in combinations(factors, 2))


def _met(a: Factor, b: Factor) -> NDArray[np.int64]:
    """How many configurations have each pair of levels, where both parameters exist."""
    return np.array([[int((chosen(a, x) & chosen(b, y)).sum()) for y in b.order] for x in a.order])


def _proportional(counts: NDArray[np.int64]) -> bool:
    rows, columns = counts.sum(axis=1, keepdims=True), counts.sum(axis=0, keepdims=True)
    return bool((counts * counts.sum() == rows * columns).all())


def _factor(
    group: Sequence[str], params: Sequence[Mapping[str, Any]], names: Mapping[str, str]
) -> Factor:
    linked = tuple(names[path] for path in group) if len(group) > 1 else ()
    name = ", ".join(names[path] for path in group)
    values = [tuple(one[path] for path in group if path in one) for one in params]
    distinct = sorted({one for one in values if one}, key=_sort_key)
    numeric = len(group) == 1 and all(isinstance(one[0], int | float) for one in distinct)
    if len(distinct) > MOST_LEVELS and numeric:
        return _binned(name, [float(one[0]) if one else None for one in values])
    texts = [", ".join(value_text(part) for part in one) or None for one in values]
    order = tuple(dict.fromkeys(", ".join(value_text(x) for x in one) for one in distinct))
    return Factor(name, tuple(texts), order, False, linked)


def _binned(name: str, values: Sequence[float | None]) -> Factor:
    known = np.array([value for value in values if value is not None])
    edges = np.unique(np.quantile(known, np.linspace(0, 1, BINS + 1)))
    order = tuple(f"{low:.3g} to {high:.3g}" for low, high in pairwise(edges))
    levels = [None if value is None else
              order[min(int(np.searchsorted(edges, value, "right")) - 1, len(order) - 1)]
              for value in values]  # fmt: skip
    return Factor(name, tuple(levels), order, True)


def _sort_key(value: tuple[Any, ...]) -> tuple[tuple[bool, Any], ...]:
    return tuple((isinstance(one, str), one if isinstance(one, int | float) else str(one))
                 for one in value)  # fmt: skip
