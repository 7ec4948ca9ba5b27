"""Two trials on the same folds: which scores may be compared, and what their difference is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Literal

from harness.errors import BenchError
from harness.statistics.differences import (
    ROPE,
    Difference,
    paired_difference,
    unpaired_corrected_t,
)
from harness.statistics.multiplicity import ALPHA
from harness.statistics.power import repeats_needed, smallest_detectable

Row = Mapping[str, Any]
Rows = Sequence[Row]
Role = Literal["test", "validation"]


@dataclass(frozen=True)
class FoldComparison:
    """b minus a over folds and repeats.

    Attributes:
        metric: Name of the metric.
        role: Which scores were compared.
        why_role: Why those, in words.
        unpaired: Why the folds could not be paired, in words; None where they are.
        n_folds: Folds of a repeat that were compared, of the smaller side if unpaired.
        n_repeats: Repeats that were compared.
        mean_a: Mean score of a on them.
        mean_b: Mean score of b on them.
        difference: b minus a.
        detectable: The smallest difference found with 80 % power; None unless paired on two folds.
        repeats: How many of so many folds find the difference seen; None as for `detectable`, or
            where no number does.
    """

    metric: str
    role: Role
    why_role: str
    unpaired: str | None
    n_folds: int
    n_repeats: int
    mean_a: float
    mean_b: float
    difference: Difference
    detectable: float | None = None
    repeats: int | None = None

    @property
    def n(self) -> int:
        """Number of fold scores that the interval rests on."""
        return self.difference.n

    @property
    def counted(self) -> str:
        """`4 folds`, `4 folds x 3 repeats`."""
        repeats = f" x {self.n_repeats} repeats" if self.n_repeats > 1 else ""
        return f"{self.n_folds} fold{'s' if self.n_folds > 1 else ''}{repeats}"


def compare_folds(
    rows_a: Rows,
    rows_b: Rows,
    *,
    metric: str,
    other_data: str | None = None,
    rope: float = ROPE,
    confidence: float = 1 - ALPHA,
) -> FoldComparison:
    """Compare two trials by their rows of `folds`.

    Args:
        rows_a: Rows of the baseline.
        rows_b: Rows of the other trial.
        metric: Name of the metric.
        other_data: Why the data are not the same, where they are not: then nothing is paired.
        rope: Half width of what counts as no difference, in the metric's unit.
        confidence: Of the interval.

    Raises:
        BenchError: A fold has no score.
    """
    role, why = scored_role(rows_a, rows_b)
    shared = shared_folds(rows_a, rows_b)
    unpaired = other_data or _why_unpaired(rows_a, rows_b, shared)
    if unpaired:
        return _unpaired(
            rows_a,
            rows_b,
            metric=metric,
            role=role,
            why=why,
            unpaired=unpaired,
            confidence=confidence,
        )
    return _paired(shared, metric=metric, role=role, why=why, rope=rope, confidence=confidence)


def rotates(*trials: Rows) -> bool:
    """Tell whether every trial tests each example once a repeat: only then test scores compare.

    Args:
        *trials: For each trial its rows of `folds`, of which `repeat` and `test_part` are read.

    Returns:
        False where a trial has one fold a repeat, tests a part twice or has no test part, and
        where there is no trial.
    """
    return bool(trials) and all(_rotates(rows) for rows in trials)


def scored_role(*trials: Rows) -> tuple[Role, str]:
    """Decide which scores of folds are compared, and say why in words."""
    if rotates(*trials):
        return "test", "the test part rotates and chose nothing"
    if any(rotates(rows) for rows in trials):
        return "validation", "the test part rotates in only one of them"
    if any(row.get("n_test") for rows in trials for row in rows):
        return "validation", "the test part does not rotate, its folds would share examples"
    return "validation", "there is no test part"


def shared_folds(rows_a: Rows, rows_b: Rows) -> list[tuple[Row, Row]]:
    """Join the rows of both on repeat and fold where the index sets are the same, in order."""
    of_b = {_key(row): row for row in rows_b}
    pairs = [(row, of_b[_key(row)]) for row in rows_a if _key(row) in of_b]
    return [pair for pair in pairs if pair[0]["split_hash"] == pair[1]["split_hash"]]


def fold_scores(rows: Rows, metric: str, role: Role) -> list[float]:
    """Read the scores of these rows.

    Raises:
        BenchError: One is null, or the column is missing.
    """
    column = f"{'val' if role == 'validation' else role}_{metric}"
    scores = [row.get(column) for row in rows]
    found = [float(score) for score in scores if score is not None and score == score]
    if len(found) < len(rows) or not rows:
        raise BenchError(f"{len(rows) - len(found)} of {len(rows)} folds have no {column}")
    return found


def scored_train_ratio(rows: Rows, role: Role) -> float:
    """Divide the mean number of examples scored by that of examples trained on.

    Raises:
        BenchError: A row does not say its sizes.
    """
    scored, trained = ([row.get(name) or 0 for row in rows] for name in (f"n_{role}", "n_train"))
    if not all((*scored, *trained)):
        raise BenchError(f"a fold's row does not say its sizes: n_{role}, n_train")
    return fmean(scored) / fmean(trained)


def _paired(
    pairs: Sequence[tuple[Row, Row]],
    *,
    metric: str,
    role: Role,
    why: str,
    rope: float,
    confidence: float,
) -> FoldComparison:
    rows = [a for a, _ in pairs]
    scores_a = fold_scores(rows, metric, role)
    scores_b = fold_scores([b for _, b in pairs], metric, role)
    ratio = scored_train_ratio(rows, role)
    difference = paired_difference(
        scores_b, scores_a, test_train_ratio=ratio, rope=rope, confidence=confidence
    )
    n, n_repeats = len(rows), len({row["repeat"] for row in rows})
    detectable = repeats = None
    if n > 1:
        detectable = smallest_detectable(difference.std, n=n, test_train_ratio=ratio)
        repeats = repeats_needed(
            difference.mean, difference.std, n_folds=n // n_repeats, test_train_ratio=ratio
        )
    return FoldComparison(
        metric,
        role,
        why,
        None,
        n // n_repeats,
        n_repeats,
        mean_a=fmean(scores_a),
        mean_b=fmean(scores_b),
        difference=difference,
        detectable=detectable,
        repeats=repeats,
    )


def _unpaired(
    rows_a: Rows,
    rows_b: Rows,
    *,
    metric: str,
    role: Role,
    why: str,
    unpaired: str,
    confidence: float,
) -> FoldComparison:
    scores_a, scores_b = fold_scores(rows_a, metric, role), fold_scores(rows_b, metric, role)
    smaller = min(rows_a, rows_b, key=len)
    n_repeats = len({row["repeat"] for row in smaller})
    return FoldComparison(
        metric,
        role,
        why,
        unpaired,
        len(smaller) // n_repeats,
        n_repeats,
        mean_a=fmean(scores_a),
        mean_b=fmean(scores_b),
        difference=unpaired_corrected_t(
            scores_a,
            scores_b,
            ratio_a=scored_train_ratio(rows_a, role),
            ratio_b=scored_train_ratio(rows_b, role),
            confidence=confidence,
        ),
    )


def _rotates(rows: Rows) -> bool:
    tests = [(row["repeat"], row.get("test_part")) for row in rows]
    repeats = {repeat for repeat, _ in tests}
    known = all(part is not None and part == part for _, part in tests)  # a frame's null is NaN
    return known and len(set(tests)) == len(tests) > len(repeats)


def _why_unpaired(rows_a: Rows, rows_b: Rows, shared: Sequence[tuple[Row, Row]]) -> str | None:
    keys = {_key(row) for row in rows_a} & {_key(row) for row in rows_b}
    if not shared:
        return "no fold holds the same examples in both"
    if len(shared) < len(keys):
        return f"only {len(shared)} of {len(keys)} folds hold the same examples in both"
    repeats = [[row["repeat"] for row in rows] for rows in (rows_a, rows_b)]
    first = shared[0][0]["repeat"]
    if repeats[0].count(first) != repeats[1].count(first):
        return f"{repeats[0].count(first)} folds against {repeats[1].count(first)}"
    return None


def _key(row: Row) -> tuple[int, int]:
    return row["repeat"], row["fold"]
