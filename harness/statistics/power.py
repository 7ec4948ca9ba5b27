"""What so few folds can show: the smallest visible difference, and the repeats it would take."""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.statistics.differences import ROPE
from harness.statistics.multiplicity import ALPHA

POWER = 0.8
MAX_REPEATS = 1000  # nobody trains more; beyond it the answer is "no number of repeats"
NO_SPREAD = 1e-12  # rounding of equal fractions


class Power(NamedTuple):
    """Power of comparing one configuration with others on n fold scores each.

    Attributes:
        n: Fold scores of each configuration.
        n_repeats: Repeats among them.
        n_comparisons: Comparisons made together.
        detectable: The smallest true difference that a single comparison finds four times in five,
            at the median spread of the differences.
        of_all: The same after Holm's correction for all of them.
        repeats: How many would find a difference of 0.01; None where no number does.
    """

    n: int
    n_repeats: int
    n_comparisons: int
    detectable: float
    of_all: float
    repeats: int | None


def power(differences: NDArray[Any], *, test_train_ratio: float, n_repeats: int) -> Power | None:
    """Compute the power of comparisons from their differences fold by fold.

    Args:
        differences: (comparisons, folds times repeats); rows with a hole are left out.
        test_train_ratio: Examples scored in a fold over examples trained on.
        n_repeats: Repeats among the columns.

    Returns:
        None for a single fold, or where no difference varies between folds.
    """
    rows = np.asarray(differences, dtype=float)
    rows = rows[np.isfinite(rows).all(axis=1)]
    if not rows.size or rows.shape[1] < 2:
        return None
    spreads, n = rows.std(axis=1, ddof=1), rows.shape[1]
    varying = spreads[spreads > NO_SPREAD]
    if not varying.size:
        return None
    spread = float(np.median(varying))
    single, of_all = (
        smallest_detectable(spread, n=n, test_train_ratio=test_train_ratio, alpha=alpha)
        for alpha in (ALPHA, ALPHA / len(rows))
    )
    repeats = repeats_needed(
        ROPE, spread, n_folds=n // n_repeats, test_train_ratio=test_train_ratio
    )
    return Power(n, n_repeats, len(rows), single, of_all, repeats)


def smallest_detectable(
    std: float,
    *,
    n: int,
    test_train_ratio: float,
    power: float = POWER,
    alpha: float = ALPHA,
) -> float:
    """Compute the smallest true difference that the corrected t-test finds with this power.

    Args:
        std: Standard deviation of the differences (ddof 1).
        n: Number of differences.
        test_train_ratio: Examples scored in a fold over examples trained on.
        power: Probability of finding the difference.
        alpha: Level of the two-sided test.

    Returns:
        Infinity for n below 2.
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
    """Count the repeats of n_folds folds that find this difference with this power.

    Args:
        difference: True mean difference.
        std: Standard deviation of the differences (ddof 1).
        n_folds: Folds of one repeat.
        test_train_ratio: Examples scored in a fold over examples trained on.
        power: Probability of finding the difference.
        alpha: Level of the two-sided test.

    Returns:
        None where 1,000 do not: as folds share train examples, the interval never shrinks below
        what test_train_ratio leaves.
    """

    def is_enough(repeats: int) -> bool:
        visible = smallest_detectable(
            std, n=repeats * n_folds, test_train_ratio=test_train_ratio, power=power, alpha=alpha
        )
        return visible <= abs(difference)

    if difference == 0 or not is_enough(MAX_REPEATS):
        return None
    low, high = 0, MAX_REPEATS
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if is_enough(middle) else (middle, high)
    return high


def smallest_sign_p(n: int) -> float:
    """Return the smallest two-sided p that a sign or permutation test of n pairs can give."""
    return min(1.0, 2.0 ** (1 - n))


def too_few_for_signs(n: int, alpha: float = ALPHA) -> bool:
    """Tell whether such a test could not reach alpha whatever the scores are."""
    return smallest_sign_p(n) > alpha
