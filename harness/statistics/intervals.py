"""Intervals of one mean: of scores over folds, of a share over examples."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.statistics.differences import corrected_t
from harness.statistics.multiplicity import ALPHA

Array = NDArray[Any]


class Estimate(NamedTuple):
    """A mean and its 95 % interval; no interval for one value, nothing where a value is missing."""

    mean: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Interval:
    """A share and the interval around it."""

    mean: float
    low: float
    high: float


def estimates(scores: Array, test_train_ratio: float) -> list[Estimate]:
    """Estimate the mean of every row of (configurations, folds) scores."""
    return [estimate(row, test_train_ratio) for row in scores]


def estimate(scores: Sequence[float] | Array, test_train_ratio: float) -> Estimate:
    """Estimate the mean of one configuration with the interval of the corrected t.

    Args:
        scores: (folds,) scores.
        test_train_ratio: Evaluated examples per train example, mean over folds.
    """
    values = np.asarray(scores, float)
    if not values.size or not np.isfinite(values).all():
        return Estimate(None)
    mean = corrected_t(values, test_train_ratio=test_train_ratio)
    return Estimate(mean.mean, mean.low, mean.high)


def wilson(successes: float, n: int, *, confidence: float = 1 - ALPHA) -> Interval:
    """Compute Wilson's score interval of a share of independent examples, such as accuracy.

    SciPy's `binomtest(...).proportion_ci` takes whole counts alone and loads scipy.stats.

    Args:
        successes: From 0 to n; a fraction where each example is a mean over folds or repeats.
        n: Number of examples.
        confidence: Of the interval.

    Raises:
        ValueError: There are more successes than examples, or none to count.
    """
    if n < 1 or not 0 <= successes <= n:
        raise ValueError("a share needs between 0 and n successes of n examples")
    from scipy.special import ndtri

    share, z2 = successes / n, float(ndtri((1 + confidence) / 2)) ** 2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = float(np.sqrt(z2 * (share * (1 - share) / n + z2 / (4 * n**2)))) / (1 + z2 / n)
    return Interval(share, max(0.0, centre - half), min(1.0, centre + half))


def count_behind(accuracy: float, n: int, *, decimals: int = 4) -> int | None:
    """Count how many of n examples are right at an accuracy rounded to so many decimals.

    Returns:
        None where no whole number of examples gives it: the accuracy is then no share of n.
    """
    count = round(accuracy * n)
    rounding = 0.5 * 10.0**-decimals
    return count if abs(count / n - accuracy) <= rounding * (1 + 1e-9) else None
