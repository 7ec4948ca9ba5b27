"""Two models on the same examples: right or wrong, example by example.

Whole groups are drawn where there are groups.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.statistics.intervals import Interval, wilson
from harness.statistics.multiplicity import ALPHA

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[Any]
N_RESAMPLES = 2000  # the bounds are then known to 3 % of the half width (standard error)


@dataclass(frozen=True)
class McNemar:
    """Result of the exact test of two models on the same examples.

    Attributes:
        only_a: Number of examples that a alone has right.
        only_b: Number of examples that b alone has right.
        p: Two-sided p-value.
    """

    only_a: int
    only_b: int
    p: float


@dataclass(frozen=True)
class Bootstrap:
    """Mean difference over examples with a percentile interval.

    Attributes:
        mean: b minus a.
        low: Lower bound of the interval.
        high: Upper bound of the interval.
        n_examples: Number of examples.
        n_units: Number of groups, or of examples without groups, that are drawn.
    """

    mean: float
    low: float
    high: float
    n_examples: int
    n_units: int


@dataclass(frozen=True)
class ExampleComparison:
    """Accuracy of b minus a over the examples that both predicted.

    Attributes:
        role: `test` or `validation`.
        accuracy_a: Share of those examples that a has right with Wilson's interval, each example a
            mean over its folds and repeats.
        accuracy_b: The same of b.
        difference: b minus a by paired bootstrap.
        mcnemar: McNemar's test of the first repeat; None where an example is predicted by several
            folds.
        why_no_mcnemar: Why there is none, in words.
        grouped: Whether examples are drawn in groups.
        n_left_out: Number of examples that only one of them predicted.
    """

    role: str
    accuracy_a: Interval
    accuracy_b: Interval
    difference: Bootstrap
    mcnemar: McNemar | None
    why_no_mcnemar: str | None
    grouped: bool
    n_left_out: int


def compare_examples(
    a: "pd.DataFrame", b: "pd.DataFrame", *, role: str, confidence: float = 1 - ALPHA
) -> ExampleComparison | str:
    """Compare two frames of predictions of one role.

    Args:
        a: Rows of the baseline with repeat, fold, example_id, group, target, predicted.
        b: Rows of the other trial.
        role: `test` or `validation`.
        confidence: Of the intervals.

    Returns:
        Why that can't be, in words, where it can't.
    """
    if a.empty or b.empty:
        return "no predictions are stored"
    shared = set(a["example_id"]) & set(b["example_id"])
    if not shared:
        return "they have no example in common"
    n_left_out = len(set(a["example_id"]) | set(b["example_id"])) - len(shared)
    a, b = (rows[rows["example_id"].isin(list(shared))] for rows in (a, b))
    if not _targets(a).equals(_targets(b)):
        return "the true classes of the same examples differ"
    scores_a, scores_b = _scores(a), _scores(b)
    groups = _groups(a)
    reason = _why_no_mcnemar(a, b)
    return ExampleComparison(
        role=role,
        accuracy_a=wilson(scores_a.sum(), len(scores_a), confidence=confidence),
        accuracy_b=wilson(scores_b.sum(), len(scores_b), confidence=confidence),
        difference=paired_bootstrap(scores_a, scores_b, groups=groups, confidence=confidence),
        mcnemar=None if reason else mcnemar(*(_scores(_first_repeat(rows)) for rows in (a, b))),
        why_no_mcnemar=reason,
        grouped=groups is not None,
        n_left_out=n_left_out,
    )


def mcnemar(correct_a: ArrayLike, correct_b: ArrayLike) -> McNemar:
    """Run the exact (binomial) McNemar test.

    Args:
        correct_a: (n,) bool, whether a has each example right; independent examples, each once.
        correct_b: (n,) bool, the same examples in the same order.
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
    """Subtract scores_a from scores_b over examples, which are drawn with replacement.

    Args:
        scores_a: (n,) scores of the examples, such as 1 for right and 0 for wrong, or means over
            folds.
        scores_b: (n,) scores of the same examples in the same order.
        groups: (n,) names; members of a group are drawn together.
        confidence: Of the interval.
        n_resamples: Number of draws.
        seed: Of the draws; the interval is the same every time.
    """
    a, b = _pair(scores_a, scores_b)
    sums, counts = _by_group(b - a, groups)
    means = _resampled_means(sums, counts, n_resamples=n_resamples, seed=seed)
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Bootstrap(float(np.mean(b - a)), float(low), float(high), len(a), len(sums))


def mean_by_example(example_ids: ArrayLike, scores: ArrayLike) -> tuple[Array, Array]:
    """Average the scores of each example over folds and repeats.

    Where all folds share one test part, an example is scored once a fold: those scores are one
    observation, not several.

    Returns:
        The distinct example ids, sorted, and their mean scores.
    """
    ids, inverse = np.unique(np.asarray(example_ids), return_inverse=True)
    totals = np.bincount(inverse, weights=np.asarray(scores, dtype=np.float64))
    return ids, totals / np.bincount(inverse)


def _scores(rows: "pd.DataFrame") -> "pd.Series[float]":
    """Compute the share of right predictions of each example, sorted by example id."""
    import pandas as pd

    right = (rows["predicted"] == rows["target"]).to_numpy()
    ids, means = mean_by_example(rows["example_id"].to_numpy(dtype=str), right)
    return pd.Series(means, index=ids)


def _targets(rows: "pd.DataFrame") -> "pd.Series[int]":
    targets: pd.Series[int] = rows.drop_duplicates("example_id").set_index("example_id")["target"]
    return targets.sort_index()


def _groups(rows: "pd.DataFrame") -> "pd.Series[str] | None":
    """Return the group of each example, sorted by example id; None where no group has two."""
    by_example = rows.drop_duplicates("example_id").set_index("example_id")["group"].sort_index()
    if by_example.isna().any() or by_example.is_unique:
        return None
    return by_example


def _first_repeat(rows: "pd.DataFrame") -> "pd.DataFrame":
    first: pd.DataFrame = rows.loc[rows["repeat"] == rows["repeat"].min()]
    return first


def _why_no_mcnemar(a: "pd.DataFrame", b: "pd.DataFrame") -> str | None:
    firsts = [_first_repeat(rows)["example_id"] for rows in (a, b)]
    if not all(ids.is_unique for ids in firsts):
        return "all folds share the same examples"
    if set(firsts[0]) != set(firsts[1]):
        return "their first repeats hold other examples"
    return None


def _by_group(differences: Array, groups: ArrayLike | None) -> tuple[Array, Array]:
    """Sum and count the differences of every unit that is drawn."""
    if groups is None:
        return differences, np.ones(len(differences))
    _, inverse = np.unique(np.asarray(groups).astype(str), return_inverse=True)
    return np.bincount(inverse, weights=differences), np.bincount(inverse).astype(np.float64)


def _resampled_means(sums: Array, counts: Array, *, n_resamples: int, seed: int) -> Array:
    """Average as many units as there are, drawn with replacement, n_resamples times.

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
