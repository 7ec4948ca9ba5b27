"""Intervals and tests of fold scores, by Nadeau and Bengio's corrected resampled t."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
CONFIDENCE = 0.95


class Estimate(NamedTuple):
    """A mean and its 95 % interval; no interval for one value, nothing where a value is missing."""

    mean: float | None
    low: float | None = None
    high: float | None = None


class Difference(NamedTuple):
    """Mean difference of paired fold scores, its 95 % interval and two-sided p; None for one."""

    mean: float
    low: float | None
    high: float | None
    p_value: float | None


def estimates(scores: Array, size_ratio: float) -> list[Estimate]:
    """One estimate for each row of scores (configurations, folds).

    size_ratio: evaluated examples per train example; folds share train examples, so the variance
    of their mean is (1 / folds + size_ratio) times that of a score.
    """
    means, halves = _means_and_halves(scores, size_ratio)
    return [_estimate(mean, half) for mean, half in zip(means, halves, strict=True)]


def estimate(scores: Sequence[float] | Array, size_ratio: float) -> Estimate:
    """The estimate of one configuration from its (folds,) scores."""
    return estimates(np.asarray(scores, float)[None, :], size_ratio)[0]


def difference(ours: Array, reference: Array, size_ratio: float) -> Difference:
    """Ours minus reference, from scores of the same folds in the same order."""
    paired = np.asarray(ours, float) - np.asarray(reference, float)
    (mean,), (half,) = _means_and_halves(paired[None, :], size_ratio)
    if not math.isfinite(half):
        return Difference(float(mean), None, None, None)
    return Difference(float(mean), float(mean - half), float(mean + half),
                      _p_value(float(mean), float(half), len(paired)))  # fmt: skip


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values, in the order given."""
    order = np.argsort(p_values, kind="stable")
    scaled = np.asarray(p_values)[order] * np.arange(len(p_values), 0, -1)
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(np.maximum.accumulate(scaled), 1.0)
    return [float(value) for value in adjusted]


def wilson(successes: float, examples: int) -> Estimate:
    """A proportion of independent examples with Wilson's 95 % score interval."""
    if examples < 1:
        return Estimate(None)
    share, z2 = successes / examples, 1.959963984540054**2
    centre = (share + z2 / (2 * examples)) / (1 + z2 / examples)
    spread = math.sqrt(z2 * (share * (1 - share) / examples + z2 / (4 * examples**2)))
    half = spread / (1 + z2 / examples)
    return Estimate(share, centre - half, centre + half)


def _means_and_halves(scores: Array, size_ratio: float) -> tuple[Array, Array]:
    from scipy.special import stdtrit

    folds = scores.shape[1]
    means = scores.mean(axis=1) if folds else np.full(len(scores), np.nan)
    if folds < 2:
        return means, np.full(len(scores), np.nan)
    spread = scores.std(axis=1, ddof=1) * math.sqrt(1 / folds + size_ratio)
    return means, spread * float(stdtrit(folds - 1, (1 + CONFIDENCE) / 2))


def _p_value(mean: float, half: float, folds: int) -> float:
    from scipy.special import stdtr, stdtrit

    if half == 0:
        return 1.0 if mean == 0 else 0.0
    t = abs(mean) / half * float(stdtrit(folds - 1, (1 + CONFIDENCE) / 2))
    return float(2 * stdtr(folds - 1, -t))


def _estimate(mean: float, half: float) -> Estimate:
    if not math.isfinite(mean):
        return Estimate(None)
    if not math.isfinite(half):
        return Estimate(float(mean))
    return Estimate(float(mean), float(mean - half), float(mean + half))
