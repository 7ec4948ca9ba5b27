"""What choosing does to numbers: the winner's optimism, ranks, and copies."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[Any]
DESCRIPTIVE = "descriptive: benchmarks are no sample of anything, so no test is made"


@dataclass(frozen=True)
class Optimism:
    """How much better the winner looks on what chose it than on what did not.

    Attributes:
        winner: Index of the configuration.
        n_tried: Number of configurations.
        validation: The winner's mean on validation.
        test: The winner's mean on test.
        gap: Validation minus test, or the reverse for a loss: positive is optimistic.
        nested: Mean over folds of the test score of the configuration that the fold's own
            validation chose, an estimate of the whole procedure; None where the test does not
            rotate.
        per_fold: The scores that `nested` is the mean of.
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
    """Measure the optimism of the best of n configurations, chosen by mean validation score.

    Args:
        validation: (n_configurations, n_folds) scores.
        test: (n_configurations, n_folds) scores of the same folds in the same order.
        mode: `max` or `min`, the metric's direction.
        test_rotates: Whether each fold tests a part of its own.

    Raises:
        ValueError: A score is missing.
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
    """Rank within each benchmark and average over benchmarks: a description, not a test.

    Args:
        scores: Name -> one score for each benchmark, in the same order of benchmarks.
        mode: `max` or `min`, the metric's direction.
    """
    from scipy.stats import rankdata

    table = _matrix(list(scores.values()))
    ranks = rankdata(-table if mode == "max" else table, axis=0).mean(axis=1)
    return Ranks(tuple(scores), tuple(float(rank) for rank in ranks), table.shape[1])


def identical_logs(logs: Mapping[str, ArrayLike]) -> tuple[tuple[str, ...], ...]:
    """Group configurations whose logged numbers agree to the last bit.

    One of them is a copy, or the parameter between them does nothing.

    Args:
        logs: Name -> its curve or scores, of any shape.
    """
    groups: dict[Any, list[str]] = {}
    for name, values in logs.items():
        numbers = np.asarray(values, dtype=np.float64)
        if numbers.size:
            groups.setdefault((numbers.shape, numbers.tobytes()), []).append(name)
    return tuple(tuple(names) for names in groups.values() if len(names) > 1)


def _matrix(values: Any) -> Array:
    matrix = np.asarray(values, dtype=np.float64)
    if matrix.ndim != 2 or not matrix.size or not np.isfinite(matrix).all():
        raise ValueError("a score for every configuration and fold")
    return matrix
