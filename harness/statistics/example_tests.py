"""Comparing predictions example by example; whole groups are drawn where there are groups."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.statistics.fold_tests import ALPHA

Array = NDArray[Any]
N_RESAMPLES = 2000


@dataclass(frozen=True)
class McNemar:
    """The exact test of two models on the same examples.

    only_a, only_b: how many examples only that one has right; p: two-sided.
    """

    only_a: int
    only_b: int
    p: float


@dataclass(frozen=True)
class Bootstrap:
    """The mean over examples with a percentile interval; n_units: the groups or examples drawn."""

    mean: float
    low: float
    high: float
    n_examples: int
    n_units: int


@dataclass(frozen=True)
class Interval:
    """A share and the interval around it."""

    mean: float
    low: float
    high: float


def mcnemar(correct_a: ArrayLike, correct_b: ArrayLike) -> McNemar:
    """The exact (binomial) McNemar test.

    correct_a, correct_b: (n,) bool, the same independent examples in the same order, each once.
    """
    a, b = _pair(correct_a, correct_b)
    only_a, only_b = int(np.sum((a == 1) & (b == 0))), int(np.sum((b == 1) & (a == 0)))
    from scipy.special import bdtr

    p = 2 * float(bdtr(min(only_a, only_b), only_a + only_b, 0.5)) if only_a + only_b else 1.0
    return McNemar(only_a, only_b, min(1.0, p))


def paired_bootstrap(
    scores_a: ArrayLike,
    scores_b: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    confidence: float = 1 - ALPHA,
    n_resamples: int = N_RESAMPLES,
    seed: int = 0,
) -> Bootstrap:
    """The mean of scores_b minus scores_a over examples, which are drawn with replacement.

    scores_a, scores_b: (n,) per-example scores, such as 1 for right and 0 for wrong, or means over
    folds. groups: (n,); members of a group are drawn together.
    """
    a, b = _pair(scores_a, scores_b)
    sums, counts = _by_group(b - a, groups)
    means = _resampled_means(sums, counts, n_resamples=n_resamples, seed=seed)
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Bootstrap(float(np.mean(b - a)), float(low), float(high), len(a), len(sums))


def mean_by_example(example_ids: ArrayLike, scores: ArrayLike) -> tuple[Array, Array]:
    """The distinct example ids, sorted, and the mean score of each over folds and repeats.

    Where all folds share one test part, an example is scored once a fold: those scores are one
    observation, not several.
    """
    ids, inverse = np.unique(np.asarray(example_ids), return_inverse=True)
    totals = np.bincount(inverse, weights=np.asarray(scores, dtype=np.float64))
    return ids, totals / np.bincount(inverse)


def wilson(successes: float, n: int, *, confidence: float = 1 - ALPHA) -> Interval:
    """Wilson's score interval of a share of n independent examples, such as accuracy."""
    if n < 1 or not 0 <= successes <= n:
        raise ValueError("a share needs between 0 and n successes of n examples")
    from scipy.special import ndtri

    share, z2 = successes / n, float(ndtri((1 + confidence) / 2)) ** 2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = float(np.sqrt(z2 * (share * (1 - share) / n + z2 / (4 * n**2)))) / (1 + z2 / n)
    return Interval(share, max(0.0, centre - half), min(1.0, centre + half))


def count_behind(accuracy: float, n: int, *, decimals: int = 4) -> int | None:
    """How many of n examples are right at an accuracy that was rounded to so many decimals.

    None where no whole number of examples gives it: the accuracy is then no share of n.
    """
    count = round(accuracy * n)
    rounding = 0.5 * 10.0**-decimals
    return count if abs(count / n - accuracy) <= rounding * (1 + 1e-9) else None


def _by_group(differences: Array, groups: ArrayLike | None) -> tuple[Array, Array]:
    """Sum and number of the differences of every unit that is drawn."""
    if groups is None:
        return differences, np.ones(len(differences))
    _, inverse = np.unique(np.asarray(groups).astype(str), return_inverse=True)
    return np.bincount(inverse, weights=differences), np.bincount(inverse).astype(np.float64)


def _resampled_means(sums: Array, counts: Array, *, n_resamples: int, seed: int) -> Array:
    """(n_resamples,) means over as many units as there are, drawn with replacement.

    Equal units are drawn together, so ten thousand right-or-wrong examples cost what three do.
    """
    units, weights = np.unique(np.stack([sums, counts]), axis=1, return_counts=True)
    random = np.random.default_rng(seed)
    drawn = random.multinomial(len(sums), weights / weights.sum(), size=n_resamples)
    return np.asarray((drawn @ units[0]) / (drawn @ units[1]))


def _pair(a: ArrayLike, b: ArrayLike) -> tuple[Array, Array]:
    of_a, of_b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if of_a.ndim != 1 or of_a.shape != of_b.shape or not of_a.size:
        raise ValueError(f"scores of the same examples, found {of_a.shape} and {of_b.shape}")
    return of_a, of_b
