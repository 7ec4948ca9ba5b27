"""Comparing scores fold by fold, and how large a difference so few folds could have shown.

Scores of cross-validation folds are not independent: any two folds share most train examples. Every
interval here widens the variance for that (Nadeau and Bengio 2003).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

ALPHA = 0.05
POWER = 0.8
ROPE = 0.01
MAX_REPEATS = 1000
_ROUNDING = 1e-12  # differences of equal fractions; a spread below it is none


@dataclass(frozen=True)
class CorrectedT:
    """A mean over folds and repeats with its interval.

    std: of the n values, ddof 1; variance_factor: what its square is multiplied by.
    t, p: two-sided, of the mean being zero; p is nan where there is a single value, whose interval
    is the whole line.
    """

    mean: float
    low: float
    high: float
    std: float
    variance_factor: float
    degrees_of_freedom: float
    t: float
    p: float
    n: int


@dataclass(frozen=True)
class RopeProbabilities:
    """Posterior probabilities that the mean difference lies left of, within and right of ±rope."""

    p_left: float
    p_rope: float
    p_right: float
    rope: float


def corrected_t(
    values: ArrayLike, *, test_train_ratio: float, confidence: float = 1 - ALPHA
) -> CorrectedT:
    """The corrected resampled t-test and its interval (Nadeau and Bengio 2003).

    values: (n,) differences of two configurations, or the scores of one; one per fold and repeat.
    test_train_ratio: examples scored in a fold over examples trained on, such as 1/4 of five folds.
    The variance factor is 1/n + test_train_ratio. Raises ValueError where a value is missing.
    """
    numbers = _finite(values)
    factor = 1 / len(numbers) + test_train_ratio
    mean, std = _mean_std(numbers)
    return _t_interval(
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
) -> CorrectedT:
    """b minus a where their folds differ: Welch's test with each variance corrected.

    ratio_a, ratio_b: scored over trained examples of each side; std is the pooled root mean square.
    """
    of_a, of_b = _finite(a), _finite(b)
    (mean_a, std_a), (mean_b, std_b) = _mean_std(of_a), _mean_std(of_b)
    factor_a, factor_b = 1 / len(of_a) + ratio_a, 1 / len(of_b) + ratio_b
    squares = (std_a**2 * factor_a, std_b**2 * factor_b)
    total, smallest = sum(squares), min(len(of_a), len(of_b))
    spread = sum(s**2 / (n - 1) for s, n in zip(squares, (len(of_a), len(of_b)), strict=True) if s)
    return _t_interval(
        mean_b - mean_a,
        math.sqrt(total),
        std=math.sqrt((std_a**2 + std_b**2) / 2),
        factor=factor_a + factor_b,
        degrees_of_freedom=total**2 / spread if spread and smallest > 1 else smallest - 1,
        n=smallest,
        confidence=confidence,
    )


def correlated_t(
    differences: ArrayLike, *, test_train_ratio: float, rope: float = ROPE
) -> RopeProbabilities:
    """The Bayesian correlated t-test (Corani and Benavoli 2015).

    differences: (n,) b minus a, one per fold and repeat, n at least 2.
    rope: half width of the region of practical equivalence, in the metric's own unit.
    """
    numbers = _finite(differences)
    if len(numbers) < 2 or rope < 0:
        raise ValueError("the correlated t-test needs two differences and a rope of at least 0")
    mean, std = _mean_std(numbers)
    scale = std * math.sqrt(1 / len(numbers) + test_train_ratio)
    left = _t_below(-rope - mean, scale, len(numbers) - 1)
    right = _t_below(mean - rope, scale, len(numbers) - 1)
    return RopeProbabilities(left, max(0.0, 1 - left - right), right, rope)


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """The p-values adjusted for their number, in the same order (Holm 1979)."""
    n = len(p_values)
    adjusted, largest = [0.0] * n, 0.0
    for place, index in enumerate(sorted(range(n), key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, (n - place) * p_values[index]))
        adjusted[index] = largest
    return tuple(adjusted)


def smallest_sign_p(n: int) -> float:
    """The smallest two-sided p that a sign, signed-rank or permutation test of n pairs can give."""
    return min(1.0, 2.0 ** (1 - n))


def too_few_for_signs(n: int, alpha: float = ALPHA) -> bool:
    """Whether such a test could not reach alpha whatever the scores are: n too small."""
    return smallest_sign_p(n) > alpha


def smallest_detectable(
    std: float,
    *,
    n: int,
    test_train_ratio: float,
    power: float = POWER,
    alpha: float = ALPHA,
) -> float:
    """The smallest true difference that the corrected t-test of n values finds with this power.

    std: of the differences, ddof 1. Infinite for n below 2.
    """
    if n < 2:
        return math.inf
    from scipy.special import nctdtrinc, stdtrit

    critical = float(stdtrit(n - 1, 1 - alpha / 2))
    shift = float(nctdtrinc(n - 1, 1 - power, critical))
    return shift * std * math.sqrt(1 / n + test_train_ratio)


def repeats_needed(
    difference: float,
    std: float,
    *,
    n_folds: int,
    test_train_ratio: float,
    power: float = POWER,
    alpha: float = ALPHA,
) -> int | None:
    """How many repeats of n_folds folds find this difference with this power.

    None where 1,000 do not: as folds share train examples, the interval never shrinks below what
    test_train_ratio leaves.
    """

    def found(repeats: int) -> bool:
        seen = smallest_detectable(
            std, n=repeats * n_folds, test_train_ratio=test_train_ratio, power=power, alpha=alpha
        )
        return seen <= abs(difference)

    if difference == 0 or not found(MAX_REPEATS):
        return None
    low, high = 0, MAX_REPEATS
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if found(middle) else (middle, high)
    return high


def _t_interval(
    mean: float,
    standard_error: float,
    *,
    std: float,
    factor: float,
    degrees_of_freedom: float,
    n: int,
    confidence: float,
) -> CorrectedT:
    if degrees_of_freedom <= 0:
        low, high, t, p = -math.inf, math.inf, math.nan, math.nan
    else:
        from scipy.special import stdtrit

        half = float(stdtrit(degrees_of_freedom, (1 + confidence) / 2)) * standard_error
        low, high, t = mean - half, mean + half, _t(mean, standard_error)
        p = 2 * _t_below(-abs(mean), standard_error, degrees_of_freedom) if mean else 1.0
    return CorrectedT(mean, low, high, std, factor, degrees_of_freedom, t, p, n)


def _t(mean: float, standard_error: float) -> float:
    if standard_error == 0:
        return math.copysign(math.inf, mean) if mean else 0.0
    return mean / standard_error


def _t_below(distance: float, scale: float, degrees_of_freedom: float) -> float:
    """Probability that a Student t of this scale lies below `distance`; without spread, a step."""
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
