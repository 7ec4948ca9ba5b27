"""What so few folds can show: the smallest visible difference, and the repeats it would take."""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.report.formatting import number, plural
from harness.statistics.fold_tests import (
    ROPE,
    repeats_needed,
    smallest_detectable,
    smallest_sign_p,
    too_few_for_signs,
)

ALPHA = 0.05


class Power(NamedTuple):
    """Power of comparing one configuration with others on n fold scores each.

    detectable: the smallest true difference that a single comparison finds four times in five, at
    the median spread of the differences; of_all: the same after Holm's correction for all of them.
    repeats: how many would find a difference of 0.01; None where no number does.
    """

    n: int
    n_repeats: int
    n_comparisons: int
    detectable: float
    of_all: float
    repeats: int | None


def power(differences: NDArray[Any], *, size_ratio: float, n_repeats: int) -> Power | None:
    """The power of comparisons whose (comparisons, folds) differences are these.

    None for a single fold, or where no difference varies between folds.
    """
    rows = np.asarray(differences, dtype=float)
    rows = rows[np.isfinite(rows).all(axis=1)]
    if not rows.size or rows.shape[1] < 2:
        return None
    spreads, n = rows.std(axis=1, ddof=1), rows.shape[1]
    spread = float(np.median(spreads[spreads > 1e-12])) if (spreads > 1e-12).any() else 0.0
    if spread == 0:
        return None
    seen = [smallest_detectable(spread, n=n, test_train_ratio=size_ratio, alpha=alpha)
            for alpha in (ALPHA, ALPHA / len(rows))]  # fmt: skip
    repeats = repeats_needed(ROPE, spread, n_folds=n // n_repeats, test_train_ratio=size_ratio)
    return Power(n, n_repeats, len(rows), seen[0], seen[1], repeats)


def power_text(found: Power) -> str:
    """What can be seen, and what it would take to see one point."""
    text = (f"With {plural(found.n, 'score')} per configuration, a true difference of about "
            f"{number(found.detectable, 3)} is the smallest that a single comparison would find "
            "four times in five")  # fmt: skip
    if found.n_comparisons > 1 and math.isfinite(found.of_all):
        text += (f"; corrected for {found.n_comparisons:,} comparisons it is about "
                 f"{number(found.of_all, 3)}")  # fmt: skip
    return f"{text}. {_repeats_text(found)}"


def sign_text(n: int) -> str:
    """Why no sign, signed-rank or permutation test is made; empty where there are folds enough."""
    if n < 2 or not too_few_for_signs(n):
        return ""
    return (f"n too small for a sign, signed-rank or permutation test: {n} pairs can't give p "
            f"below {smallest_sign_p(n):.4g}.")  # fmt: skip


def _repeats_text(found: Power) -> str:
    if found.detectable <= ROPE:
        return f"That is enough to see a difference of {ROPE:g}."
    if found.repeats is None:
        return (f"No number of repeats would show a difference of {ROPE:g}, as the folds share "
                "their train examples: only more data would.")  # fmt: skip
    return (f"To see a difference of {ROPE:g} you would need about {found.repeats:,} repeats "
            f"(now {found.n_repeats}).")  # fmt: skip
