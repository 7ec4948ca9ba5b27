"""Every configuration against one reference, on the same folds."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.report.fold_matching import same_folds
from harness.report.formatting import number
from harness.report.power_analysis import ALPHA, Power, power
from harness.report.study import Configuration, Study
from harness.statistics.intervals import Difference, difference, holm


class Against(NamedTuple):
    """One configuration minus the reference. p_holm: adjusted over all comparisons.

    paired: whether both were scored on the same examples; else there is the difference alone.
    """

    configuration: Configuration
    difference: Difference
    p_holm: float | None
    paired: bool = True

    @property
    def clear(self) -> bool:
        """Whether the two can be told apart after Holm's correction."""
        return self.p_holm is not None and self.p_holm < ALPHA


class Comparisons(NamedTuple):
    """All comparisons with one reference, in order of place; n: fold scores of each."""

    baseline: Configuration
    split: str
    rows: tuple[Against, ...]
    n: int
    power: Power | None


def compare_all(study: Study, reference: Configuration | None) -> Comparisons | None:
    """Each other complete configuration against the reference; None without one or the other."""
    if reference is None or len(study.complete) < 2:
        return None
    split = study.compared_split
    ratio = study.size_ratio(split)
    wide = study.scores(f"{split}_{study.objective}")
    scores = dict(zip(wide.index, wide.to_numpy(dtype=float), strict=True))
    others = [one for one in study.complete if one is not reference]
    same = same_folds(study)
    paired = [same(one, reference) for one in others]
    ours = scores[reference.trial_id]
    found = [_difference(scores[one.trial_id], ours, ratio, paired=is_paired)
             for one, is_paired in zip(others, paired, strict=True)]  # fmt: skip
    rows = tuple(map(Against, others, found, adjusted([one.p_value for one in found]), paired))
    kept = np.array([scores[one.configuration.trial_id] - ours for one in rows if one.paired])
    n_repeats = len({repeat for repeat, _ in study.shared_folds}) or 1
    able = power(kept, size_ratio=ratio, n_repeats=n_repeats) if kept.size else None
    return Comparisons(reference, split, rows, len(ours), able)


def adjusted(p_values: list[float | None]) -> list[float | None]:
    """Holm's adjusted p-values; None stays None and is not counted."""
    known = [index for index, p in enumerate(p_values) if p is not None]
    found: list[float | None] = [None] * len(p_values)
    for index, p in zip(known, holm([p_values[i] or 0.0 for i in known]), strict=True):
        found[index] = p
    return found


def p_text(p: float | None) -> str:
    """Three digits, `< 0.001` below them."""
    return "< 0.001" if p is not None and p < 0.0005 else number(p, 3)


def _difference(
    ours: NDArray[Any], reference: NDArray[Any], ratio: float, *, paired: bool
) -> Difference:
    if paired:
        return difference(ours, reference, ratio)
    gap = float(np.mean(ours) - np.mean(reference)) if ours.size else np.nan
    return Difference(gap if np.isfinite(gap) else None)
