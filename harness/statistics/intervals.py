"""Intervals and tests of fold scores as the sections use them, from `fold_tests`."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.statistics.fold_tests import CorrectedT, corrected_t, correlated_t, holm

__all__ = ["Difference", "Estimate", "difference", "estimate", "estimates", "holm"]
Array = NDArray[Any]


class Estimate(NamedTuple):
    """A mean and its 95 % interval; no interval for one value, nothing where a value is missing."""

    mean: float | None
    low: float | None = None
    high: float | None = None


class Difference(NamedTuple):
    """Mean difference of paired fold scores, its 95 % interval and two-sided p.

    p_lower, p_same, p_higher: posterior probabilities left of, within and right of +-0.01.
    None where there is one fold, or a score is missing.
    """

    mean: float | None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    p_lower: float | None = None
    p_same: float | None = None
    p_higher: float | None = None


def estimates(scores: Array, size_ratio: float) -> list[Estimate]:
    """One estimate for each row of scores (configurations, folds).

    size_ratio: evaluated examples per train example, mean over folds.
    """
    return [estimate(row, size_ratio) for row in scores]


def estimate(scores: Sequence[float] | Array, size_ratio: float) -> Estimate:
    """The estimate of one configuration from its (folds,) scores, corrected t."""
    values = np.asarray(scores, float)
    if not values.size or not np.isfinite(values).all():
        return Estimate(None)
    found = corrected_t(values, test_train_ratio=size_ratio)
    return Estimate(found.mean, *_bounds(found))


def difference(ours: Array, reference: Array, size_ratio: float) -> Difference:
    """Ours minus reference, from scores of the same folds in the same order."""
    paired = np.asarray(ours, float) - np.asarray(reference, float)
    if not paired.size or not np.isfinite(paired).all():
        return Difference(None)
    found = corrected_t(paired, test_train_ratio=size_ratio)
    if len(paired) < 2:
        return Difference(found.mean)
    posterior = correlated_t(paired, test_train_ratio=size_ratio)
    return Difference(found.mean, *_bounds(found), found.p,
                      posterior.p_left, posterior.p_rope, posterior.p_right)  # fmt: skip


def _bounds(found: CorrectedT) -> tuple[float | None, float | None]:
    if not math.isfinite(found.low):
        return None, None
    return found.low, found.high
