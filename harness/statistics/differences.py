"""Differences of scores fold by fold, with interval, test and posterior.

Scores of cross-validation folds are not independent: any two folds share most train examples. Every
interval here widens the variance for that (Nadeau and Bengio 2003).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from harness.statistics.multiplicity import ALPHA, holm

ROPE = 0.01  # a point of accuracy: what users call the same
_ROUNDING = 1e-12  # differences of equal fractions; a spread below it is none


@dataclass(frozen=True)
class RopeProbabilities:
    """Posterior probabilities that the mean difference lies left of, within and right of ±rope."""

    p_left: float
    p_rope: float
    p_right: float
    rope: float


@dataclass(frozen=True)
class Difference:
    """How much higher one configuration scores than another, over folds and repeats.

    Attributes:
        mean: Mean difference; NaN where a fold has no score.
        n: Number of differences, or of the smaller side's scores where they are not paired.
        low: Lower bound of the interval; None where there is one fold, or no test.
        high: Upper bound of the interval; None as for `low`.
        p: Two-sided p-value of no difference; None as for `low`.
        t: Student's t that `p` comes from; None as for `low`.
        degrees_of_freedom: Degrees of freedom of that t.
        std: Standard deviation of the differences (ddof 1), pooled where they are not paired.
        variance_factor: What `std` squared is multiplied by for shared train examples.
        paired: Whether both were scored on the same examples, fold by fold.
        posterior: Result of the Bayesian test; None unless paired on two folds or more.
        p_holm: `p` adjusted for all comparisons made together; None for a single comparison.
    """

    mean: float
    n: int
    low: float | None = None
    high: float | None = None
    p: float | None = None
    t: float | None = None
    degrees_of_freedom: float = 0.0
    std: float = 0.0
    variance_factor: float = math.nan
    paired: bool = True
    posterior: RopeProbabilities | None = None
    p_holm: float | None = None

    @property
    def is_clear(self) -> bool:
        """Whether the two can be told apart after Holm's correction."""
        return self.p_holm is not None and self.p_holm < ALPHA


def paired_difference(
    scores: ArrayLike,
    reference: ArrayLike,
    *,
    test_train_ratio: float,
    rope: float = ROPE,
    confidence: float = 1 - ALPHA,
) -> Difference:
    """Subtract the scores of a reference from those of the same folds, with every test.

    Args:
        scores: (n,) scores, one for each fold and repeat.
        reference: (n,) scores of the same folds in the same order.
        test_train_ratio: See `corrected_t`.
        rope: Half width of the region of practical equivalence, in the metric's own unit.
        confidence: Of the interval.

    Returns:
        Scores minus reference; a mean of NaN, and nothing else, where a score is missing.
    """
    gaps = np.asarray(scores, dtype=np.float64) - np.asarray(reference, dtype=np.float64)
    if not gaps.size or not np.isfinite(gaps).all():
        return Difference(math.nan, gaps.size)
    difference = corrected_t(gaps, test_train_ratio=test_train_ratio, confidence=confidence)
    if gaps.size < 2:
        return difference
    posterior = correlated_t(gaps, test_train_ratio=test_train_ratio, rope=rope)
    return replace(difference, posterior=posterior)


def untested_difference(scores: ArrayLike, reference: ArrayLike) -> Difference:
    """Subtract the mean of a reference that was scored on other examples, without a test.

    Args:
        scores: (n,) scores, one for each fold and repeat.
        reference: (m,) scores of other examples.

    Returns:
        Mean minus mean; NaN where a score is missing.
    """
    means = [np.asarray(side, dtype=np.float64) for side in (scores, reference)]
    n = min(side.size for side in means)
    gap = float(np.mean(means[0]) - np.mean(means[1])) if n else math.nan
    return Difference(gap if math.isfinite(gap) else math.nan, n, paired=False)


def adjusted(differences: Sequence[Difference]) -> list[Difference]:
    """Fill `p_holm` of differences that are looked at together.

    What is not paired, or has no test, is no part of the family.
    """
    p_values = holm([each.p if each.paired else None for each in differences])
    return [replace(each, p_holm=p) for each, p in zip(differences, p_values, strict=True)]


def corrected_t(
    values: ArrayLike, *, test_train_ratio: float, confidence: float = 1 - ALPHA
) -> Difference:
    """Run the corrected resampled t-test (Nadeau and Bengio 2003).

    Args:
        values: (n,) differences of two configurations, or the scores of one, whose interval alone
            means something then; one for each fold and repeat.
        test_train_ratio: Examples scored in a fold over examples trained on, such as 1/4 of five
            folds. The variance factor is 1/n + test_train_ratio.
        confidence: Of the interval.

    Raises:
        ValueError: A value is missing.
    """
    numbers = _finite(values)
    factor = 1 / len(numbers) + test_train_ratio
    mean, std = _mean_std(numbers)
    return _difference(
        mean,
        std * math.sqrt(factor),
        std=std,
        factor=factor,
        degrees_of_freedom=len(numbers) - 1,
        n=len(numbers),
        confidence=confidence,
    )


def unpaired_corrected_t(
    a: ArrayLike, b: ArrayLike, *, ratio_a: float, ratio_b: float, confidence: float = 1 - ALPHA
) -> Difference:
    """Compare b with a where their folds differ: Welch's test with each variance corrected.

    Args:
        a: (n,) scores of one configuration, one for each fold and repeat.
        b: (m,) scores of the other.
        ratio_a: Scored over trained examples of a's folds.
        ratio_b: Scored over trained examples of b's folds.
        confidence: Of the interval.

    Returns:
        b minus a; `std` is the pooled root mean square.

    Raises:
        ValueError: A score is missing.
    """
    of_a, of_b = _finite(a), _finite(b)
    (mean_a, std_a), (mean_b, std_b) = _mean_std(of_a), _mean_std(of_b)
    factor_a, factor_b = 1 / len(of_a) + ratio_a, 1 / len(of_b) + ratio_b
    squares = (std_a**2 * factor_a, std_b**2 * factor_b)
    total, smallest = sum(squares), min(len(of_a), len(of_b))
    spread = sum(s**2 / (n - 1) for s, n in zip(squares, (len(of_a), len(of_b)), strict=True) if s)
    difference = _difference(
        mean_b - mean_a,
        math.sqrt(total),
        std=math.sqrt((std_a**2 + std_b**2) / 2),
        factor=factor_a + factor_b,
        degrees_of_freedom=total**2 / spread if spread and smallest > 1 else smallest - 1,
        n=smallest,
        confidence=confidence,
    )
    return replace(difference, paired=False)


def correlated_t(
    differences: ArrayLike, *, test_train_ratio: float, rope: float = ROPE
) -> RopeProbabilities:
    """Run the Bayesian correlated t-test (Corani and Benavoli 2015).

    Args:
        differences: (n,) b minus a, one for each fold and repeat, n at least 2.
        test_train_ratio: See `corrected_t`.
        rope: Half width of the region of practical equivalence, in the metric's own unit.

    Raises:
        ValueError: There are fewer than two differences, one is missing, or the rope is negative.
    """
    numbers = _finite(differences)
    if len(numbers) < 2 or rope < 0:
        raise ValueError("the correlated t-test needs two differences and a rope of at least 0")
    mean, std = _mean_std(numbers)
    scale = std * math.sqrt(1 / len(numbers) + test_train_ratio)
    left = _t_below(-rope - mean, scale, len(numbers) - 1)
    right = _t_below(mean - rope, scale, len(numbers) - 1)
    return RopeProbabilities(left, max(0.0, 1 - left - right), right, rope)


def _difference(
    mean: float,
    standard_error: float,
    *,
    std: float,
    factor: float,
    degrees_of_freedom: float,
    n: int,
    confidence: float,
) -> Difference:
    found = Difference(
        mean, n, degrees_of_freedom=degrees_of_freedom, std=std, variance_factor=factor
    )
    if degrees_of_freedom <= 0:
        return found
    # Not scipy.stats: it takes three times as long to load, and a report starts with this.
    from scipy.special import stdtrit

    half = float(stdtrit(degrees_of_freedom, (1 + confidence) / 2)) * standard_error
    return replace(
        found,
        low=mean - half,
        high=mean + half,
        t=_t(mean, standard_error),
        p=2 * _t_below(-abs(mean), standard_error, degrees_of_freedom) if mean else 1.0,
    )


def _t(mean: float, standard_error: float) -> float:
    if standard_error == 0:
        return math.copysign(math.inf, mean) if mean else 0.0
    return mean / standard_error


def _t_below(distance: float, scale: float, degrees_of_freedom: float) -> float:
    """Return the probability that a Student t of this scale lies below `distance`.

    Without spread it is a step.
    """
    if scale == 0:
        return float(distance > 0)
    from scipy.special import stdtr

    return float(stdtr(degrees_of_freedom, distance / scale))


def _mean_std(numbers: Sequence[float]) -> tuple[float, float]:
    mean = math.fsum(numbers) / len(numbers)
    squares = math.fsum((number - mean) ** 2 for number in numbers)
    std = math.sqrt(squares / (len(numbers) - 1)) if len(numbers) > 1 else 0.0
    return (0.0 if abs(mean) < _ROUNDING else mean), (0.0 if std < _ROUNDING else std)


def _finite(values: ArrayLike) -> list[float]:
    numbers = [float(value) for value in np.asarray(values, dtype=np.float64).ravel()]
    if not numbers or not all(map(math.isfinite, numbers)):
        raise ValueError("every fold needs a score")
    return numbers
