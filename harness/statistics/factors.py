"""Search parameters as factors: their levels, marginal means over everything else, and pairs."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations, pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.config.space import identity
from harness.statistics.differences import Difference, adjusted, paired_difference
from harness.statistics.intervals import Estimate, estimate

MOST_LEVELS = 8  # of a number; more would leave a configuration or two for each
BINS = 5
Scores = NDArray[np.float64]
Text = Callable[[Any], str]


class Factor(NamedTuple):
    """A parameter, or several that change together: one level for each complete configuration.

    Attributes:
        name: The name to print.
        levels: The level of each configuration, None where the parameter does not exist.
        order: The distinct levels.
        binned: Whether a level is a range of values.
        linked: The parameters that change together, empty for one alone.
    """

    name: str
    levels: tuple[str | None, ...]
    order: tuple[str, ...]
    binned: bool
    linked: tuple[str, ...] = ()


class Lead(NamedTuple):
    """The best level against the next best.

    Attributes:
        best: The best level.
        second: The next best level.
        difference: Best minus second over folds, with p adjusted over all other levels.
    """

    best: str
    second: str
    difference: Difference


class Effect(NamedTuple):
    """Marginal means of a factor.

    Attributes:
        factor: The factor.
        means: For each level the mean over the configurations that have it, then over folds.
        counts: For each level the number of its configurations.
        lead: The best level against the next best; None where a level has no score, or levels
            were not scored on the same folds.
        times: For each level the mean, shortest and longest fit time of its configurations in
            seconds; None where one is unknown.
    """

    factor: Factor
    means: tuple[Estimate, ...]
    counts: tuple[int, ...]
    lead: Lead | None
    times: tuple[tuple[float, float, float], ...] | None = None

    @property
    def spread(self) -> float:
        """Highest minus lowest marginal mean."""
        means = [estimate.mean for estimate in self.means if estimate.mean is not None]
        return max(means) - min(means) if means else 0.0


def factors_of(
    params: Sequence[Mapping[str, Any]], names: Mapping[str, str], *, text: Text = str
) -> tuple[Factor, ...]:
    """Collect the parameters that vary; those that never change alone are one factor.

    Args:
        params: Path -> value of each configuration; None or NaN where it does not exist.
        names: Path -> the name to print.
        text: Turns a value into the words that its level is known by.
    """
    present = [
        {path: value for path, value in values.items() if value is not None and value == value}
        for values in params
    ]
    groups: list[list[str]] = [[path] for path in names]
    for a, b in linked_factors(present):
        of_a, of_b = (next(group for group in groups if path in group) for path in (a, b))
        if of_a is not of_b:
            of_a += of_b
            groups.remove(of_b)
    factors = (_factor(group, present, names, text) for group in groups)
    return tuple(factor for factor in factors if len(factor.order) > 1)


def linked_factors(params: Sequence[Mapping[str, Any]]) -> tuple[tuple[str, str], ...]:
    """Find pairs of parameters that never change one without the other.

    A pair is judged where both exist and both vary. Numbers of which every configuration has its
    own are linked only if they rise, or fall, together: so independent random draws are not.

    Args:
        params: Searched path -> value of every configuration; a path that does not exist is absent.
    """
    paths = list(dict.fromkeys(path for values in params for path in values))
    return tuple(pair for pair in combinations(paths, 2) if _linked(params, *pair))


def has_level(factor: Factor, level: str) -> NDArray[np.bool_]:
    """Mark the configurations that have this level."""
    return np.array([own == level for own in factor.levels])


def is_balanced(factors: Sequence[Factor]) -> bool:
    """Tell whether every level met every level of the other factors equally often."""
    return all(_proportional(_met(a, b)) for a, b in combinations(factors, 2))


def marginal_effects(
    factors: Sequence[Factor],
    scores: Scores,
    size_ratio: float,
    *,
    mode: str = "max",
    fit_time_s: Sequence[Any] = (),
    on_same_folds: bool = True,
) -> tuple[Effect, ...]:
    """Average scores over everything but one factor, with corrected t intervals over folds.

    Args:
        factors: One effect is computed for each.
        scores: (configurations, folds times repeats).
        size_ratio: Evaluated examples per train example, mean over folds.
        mode: `max` or `min`, the metric's direction.
        fit_time_s: Fit time of each configuration, None where it is unknown; empty for no times.
        on_same_folds: Whether levels may be paired fold by fold; else no lead is tested.
    """
    seconds = np.array([np.nan if time is None else float(time) for time in fit_time_s])
    effects = tuple(_effect(factor, scores, size_ratio, mode, seconds) for factor in factors)
    return effects if on_same_folds else tuple(effect._replace(lead=None) for effect in effects)


def pair_means(a: Factor, b: Factor, scores: Scores) -> Scores:
    """Average scores by (levels of a, levels of b); NaN where no configuration has the pair."""
    means = scores.mean(axis=1)
    cells = np.full((len(a.order), len(b.order)), np.nan)
    for row, of_a in enumerate(a.order):
        for column, of_b in enumerate(b.order):
            both = has_level(a, of_a) & has_level(b, of_b)
            if both.any():
                cells[row, column] = means[both].mean()
    return cells


def interaction(cells: Scores) -> float | None:
    """Measure how far a pair's mean lies, at most, from what its row and column add up to.

    Returns:
        None where a pair is missing.
    """
    if np.isnan(cells).any():
        return None
    added = cells.mean(axis=1, keepdims=True) + cells.mean(axis=0, keepdims=True) - cells.mean()
    return float(np.abs(cells - added).max())


def _effect(
    factor: Factor, scores: Scores, size_ratio: float, mode: str, seconds: NDArray[Any]
) -> Effect:
    rows = [has_level(factor, level) for level in factor.order]
    curves = [scores[row].mean(axis=0) for row in rows]
    means = tuple(estimate(curve, size_ratio) for curve in curves)
    times = None
    if seconds.size and np.isfinite(seconds).all():
        of_level = [seconds[row] for row in rows]
        times = tuple((float(own.mean()), float(own.min()), float(own.max())) for own in of_level)
    lead = _lead(factor, curves, size_ratio, mode)
    return Effect(factor, means, tuple(int(row.sum()) for row in rows), lead, times)


def _lead(factor: Factor, curves: Sequence[Scores], ratio: float, mode: str) -> Lead | None:
    sign = 1.0 if mode == "max" else -1.0
    means = sign * np.array([curve.mean() if curve.size else np.nan for curve in curves])
    if not np.isfinite(means).all():
        return None
    best, *others = (int(place) for place in np.argsort(-means, kind="stable"))
    differences = adjusted([
        paired_difference(curves[best], curves[other], test_train_ratio=ratio) for other in others
    ])  # fmt: skip
    return Lead(factor.order[best], factor.order[others[0]], differences[0])


def _met(a: Factor, b: Factor) -> NDArray[np.int64]:
    """Count the configurations that have each pair of levels, where both parameters exist."""
    counts = [
        [int((has_level(a, of_a) & has_level(b, of_b)).sum()) for of_b in b.order]
        for of_a in a.order
    ]
    return np.array(counts)


def _proportional(counts: NDArray[np.int64]) -> bool:
    rows, columns = counts.sum(axis=1, keepdims=True), counts.sum(axis=0, keepdims=True)
    return bool((counts * counts.sum() == rows * columns).all())


def _factor(
    group: Sequence[str],
    params: Sequence[Mapping[str, Any]],
    names: Mapping[str, str],
    text: Text,
) -> Factor:
    linked = tuple(names[path] for path in group) if len(group) > 1 else ()
    name = ", ".join(names[path] for path in group)
    level_values = [tuple(own[path] for path in group if path in own) for own in params]
    distinct = sorted({values for values in level_values if values}, key=_sort_key)
    numeric = len(group) == 1 and all(isinstance(values[0], int | float) for values in distinct)
    if len(distinct) > MOST_LEVELS and numeric:
        return _binned(name, [float(values[0]) if values else None for values in level_values])
    texts = [", ".join(map(text, values)) or None for values in level_values]
    order = tuple(dict.fromkeys(", ".join(map(text, values)) for values in distinct))
    return Factor(name, tuple(texts), order, False, linked)


def _binned(name: str, values: Sequence[float | None]) -> Factor:
    known = np.array([value for value in values if value is not None])
    edges = np.unique(np.quantile(known, np.linspace(0, 1, BINS + 1)))
    order = tuple(f"{low:.3g} to {high:.3g}" for low, high in pairwise(edges))
    last = len(order) - 1  # the largest value lies on the last edge
    levels = [
        None if value is None else order[min(int(np.searchsorted(edges, value, "right")) - 1, last)]
        for value in values
    ]
    return Factor(name, tuple(levels), order, True)


def _sort_key(value: tuple[Any, ...]) -> tuple[tuple[bool, Any], ...]:
    return tuple(
        (isinstance(part, str), part if isinstance(part, int | float) else str(part))
        for part in value
    )


def _linked(params: Sequence[Mapping[str, Any]], first: str, second: str) -> bool:
    rows = [(one[first], one[second]) for one in params if first in one and second in one]
    keys = [(identity(a), identity(b)) for a, b in rows]
    a_values, b_values = {a for a, _ in keys}, {b for _, b in keys}
    if min(len(a_values), len(b_values)) < 2:
        return False
    pairs = set(keys)
    if len(pairs) == len(a_values) == len(b_values):
        return len(pairs) < len(rows) or not _numbers(rows) or _monotone(rows)
    if len(pairs) == len(a_values):
        return _recurs([a for a, _ in keys])
    return len(pairs) == len(b_values) and _recurs([b for _, b in keys])


def _recurs(values: Sequence[Any]) -> bool:
    return min(Counter(values).values()) > 1


def _numbers(rows: Sequence[tuple[Any, Any]]) -> bool:
    values = [value for row in rows for value in row]
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)


def _monotone(rows: Sequence[tuple[Any, Any]]) -> bool:
    seconds = [b for _, b in sorted(rows)]
    return seconds in (sorted(seconds), sorted(seconds, reverse=True))
