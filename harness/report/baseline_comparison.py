"""Every configuration against one reference, on the same folds; and what that could show."""

import math
from typing import NamedTuple

import numpy as np

from harness.report.benchmark_results import BenchmarkResults, Configuration
from harness.report.fold_matching import same_folds
from harness.report.formatting import number, plural
from harness.statistics.differences import (
    ROPE,
    Difference,
    adjusted,
    paired_difference,
    untested_difference,
)
from harness.statistics.power import Power, power, smallest_sign_p, too_few_for_signs


class Against(NamedTuple):
    """One configuration minus the reference; p is adjusted over all comparisons."""

    configuration: Configuration
    difference: Difference


class Comparisons(NamedTuple):
    """All comparisons with one reference, in order of place; n: fold scores of each."""

    baseline: Configuration
    split: str
    rows: tuple[Against, ...]
    n: int
    power: Power | None


def compare_all(results: BenchmarkResults, reference: Configuration | None) -> Comparisons | None:
    """Compare each other complete configuration with the reference.

    Returns:
        None without a reference, or where nothing else is complete.
    """
    if reference is None or len(results.complete) < 2:
        return None
    split = results.compared_split
    ratio = results.size_ratio(split)
    wide = results.scores(f"{split}_{results.objective}")
    scores = dict(zip(wide.index, wide.to_numpy(dtype=float), strict=True))
    ours = scores[reference.trial_id]
    others = [other for other in results.complete if other is not reference]
    is_same = same_folds(results)
    differences = adjusted([
        paired_difference(scores[other.trial_id], ours, test_train_ratio=ratio)
        if is_same(other, reference)
        else untested_difference(scores[other.trial_id], ours)
        for other in others
    ])  # fmt: skip
    rows = tuple(map(Against, others, differences))
    gaps = np.array([scores[row.configuration.trial_id] - ours
                     for row in rows if row.difference.paired])  # fmt: skip
    n_repeats = len({repeat for repeat, _ in results.shared_folds}) or 1
    able = power(gaps, test_train_ratio=ratio, n_repeats=n_repeats) if gaps.size else None
    return Comparisons(reference, split, rows, len(ours), able)


def power_text(able: Power) -> str:
    """Say what can be seen, and what it would take to see one point."""
    text = (
        f"With {plural(able.n, 'score')} per configuration, a true difference of about "
        f"{number(able.detectable, 3)} is the smallest that a single comparison would find "
        "four times in five"
    )
    if able.n_comparisons > 1 and math.isfinite(able.of_all):
        text += (
            f"; corrected for {able.n_comparisons:,} comparisons it is about "
            f"{number(able.of_all, 3)}"
        )
    return f"{text}. {_repeats_text(able)}"


def sign_text(n: int) -> str:
    """Say why no sign, signed-rank or permutation test is made; empty for folds enough."""
    if n < 2 or not too_few_for_signs(n):
        return ""
    return (
        f"n too small for a sign, signed-rank or permutation test: {n} pairs can't give p "
        f"below {smallest_sign_p(n):.4g}."
    )


def _repeats_text(able: Power) -> str:
    if able.detectable <= ROPE:
        return f"That is enough to see a difference of {ROPE:g}."
    if able.repeats is None:
        return (
            f"No number of repeats would show a difference of {ROPE:g}, as the folds share "
            "their train examples: only more data would."
        )
    return (
        f"To see a difference of {ROPE:g} you would need about {able.repeats:,} repeats "
        f"(now {able.n_repeats})."
    )
