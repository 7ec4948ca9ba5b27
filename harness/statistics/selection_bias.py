"""What choosing does to numbers: the winner's optimism, ranks, and factors that move together."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.config.space import identity

Array = NDArray[Any]
DESCRIPTIVE = "descriptive: benchmarks are no sample of anything, so no test is made"


@dataclass(frozen=True)
class Optimism:
    """How much better the winner looks on what chose it than on what did not.

    winner: index of the configuration; validation, test: its means; gap: positive is optimistic.
    nested: mean over folds of the test score of the configuration that the fold's own validation
    chose, an estimate of the whole procedure; None where the test does not rotate. per_fold: the
    scores that it is the mean of.
    """

    winner: int
    n_tried: int
    validation: float
    test: float
    gap: float
    nested: float | None
    per_fold: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Ranks:
    """Mean rank of each name over the benchmarks, 1 is best; ties share their mean rank."""

    names: tuple[str, ...]
    mean_ranks: tuple[float, ...]
    n_benchmarks: int
    label: str = DESCRIPTIVE


def optimism(validation: ArrayLike, test: ArrayLike, *, mode: str, test_rotates: bool) -> Optimism:
    """The optimism of the best of n configurations, chosen by mean validation score.

    validation, test: (n_configurations, n_folds), the same folds in the same order.
    mode: `max` or `min`, the metric's direction.
    """
    sign = 1.0 if mode == "max" else -1.0
    of_validation, of_test = sign * _matrix(validation), sign * _matrix(test)
    winner = int(np.argmax(of_validation.mean(axis=1)))
    chosen, unseen = of_validation[winner].mean(), of_test[winner].mean()
    per_fold = sign * of_test[np.argmax(of_validation, axis=0), np.arange(of_test.shape[1])]
    return Optimism(
        winner=winner,
        n_tried=len(of_validation),
        validation=float(sign * chosen),
        test=float(sign * unseen),
        gap=float(chosen - unseen),
        nested=float(per_fold.mean()) if test_rotates else None,
        per_fold=tuple(per_fold.tolist()) if test_rotates else None,
    )


def mean_ranks(scores: Mapping[str, Sequence[float]], *, mode: str) -> Ranks:
    """Ranks within each benchmark, averaged over benchmarks: a description, not a test.

    scores: name -> one score per benchmark, in the same order of benchmarks.
    """
    from scipy.stats import rankdata

    table = _matrix(list(scores.values()))
    ranks = rankdata(-table if mode == "max" else table, axis=0).mean(axis=1)
    return Ranks(tuple(scores), tuple(float(rank) for rank in ranks), table.shape[1])


def linked_factors(params: Sequence[Mapping[str, Any]]) -> tuple[tuple[str, str], ...]:
    """Pairs of parameters that never change one without the other: named, not compared.

    params: searched path -> value of every configuration; a path that does not exist is absent. A
    pair is judged where both exist and both vary. Numbers of which every configuration has its own
    are linked only if they rise, or fall, together: so independent random draws are not.
    """
    paths = list(dict.fromkeys(path for one in params for path in one))
    return tuple(pair for pair in combinations(paths, 2) if _linked(params, *pair))


def identical_logs(logs: Mapping[str, ArrayLike]) -> tuple[tuple[str, ...], ...]:
    """Groups of configurations whose logged numbers agree to the last bit: one of them is a copy,
    or the parameter between them does nothing.

    logs: name -> its curve or scores, of any shape.
    """
    groups: dict[Any, list[str]] = {}
    for name, values in logs.items():
        numbers = np.asarray(values, dtype=np.float64)
        if numbers.size:
            groups.setdefault((numbers.shape, numbers.tobytes()), []).append(name)
    return tuple(tuple(names) for names in groups.values() if len(names) > 1)


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


def _matrix(values: Any) -> Array:
    matrix = np.asarray(values, dtype=np.float64)
    if matrix.ndim != 2 or not matrix.size or not np.isfinite(matrix).all():
        raise ValueError("a score for every configuration and fold")
    return matrix
