"""Two trials on the same examples: right or wrong, example by example."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.results.table_reader import read_table
from harness.statistics.example_tests import (
    Bootstrap,
    Interval,
    McNemar,
    mcnemar,
    mean_by_example,
    paired_bootstrap,
    wilson,
)
from harness.statistics.fold_tests import ALPHA

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("trial_id", "repeat", "fold", "example_id", "group", "target", "predicted")


@dataclass(frozen=True)
class ItemComparison:
    """Accuracy of b minus a over the examples that both predicted.

    accuracy_a, accuracy_b: shares of those examples with Wilson intervals, each example a mean over
    its folds and repeats. mcnemar: of the first repeat; None, with a reason in why_no_mcnemar,
    where an example is predicted by several folds.
    """

    role: str
    accuracy_a: Interval
    accuracy_b: Interval
    difference: Bootstrap
    mcnemar: McNemar | None
    why_no_mcnemar: str | None
    grouped: bool
    n_left_out: int


def read_items(folder: Path, trial_ids: Collection[str], *, role: str) -> "pd.DataFrame":
    """The predictions of these trials for one role, without probabilities; may be empty."""
    filters = [("trial_id", "in", list(trial_ids) or [""]), ("role", "==", role)]
    return read_table(folder, "predictions", columns=COLUMNS, filters=filters)


def compare_items(
    a: "pd.DataFrame", b: "pd.DataFrame", *, role: str, confidence: float = 1 - ALPHA
) -> ItemComparison | str:
    """Compares two frames of predictions of one role, or says in words why that can't be.

    a, b: rows with repeat, fold, example_id, group, target, predicted.
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
    return ItemComparison(
        role=role,
        accuracy_a=wilson(scores_a.sum(), len(scores_a), confidence=confidence),
        accuracy_b=wilson(scores_b.sum(), len(scores_b), confidence=confidence),
        difference=paired_bootstrap(scores_a, scores_b, groups=groups, confidence=confidence),
        mcnemar=None if reason else mcnemar(*(_scores(_first_repeat(rows)) for rows in (a, b))),
        why_no_mcnemar=reason,
        grouped=groups is not None,
        n_left_out=n_left_out,
    )


def _scores(rows: "pd.DataFrame") -> "pd.Series[float]":
    """Share of right predictions of each example, sorted by example id."""
    import pandas as pd

    right = (rows["predicted"] == rows["target"]).to_numpy()
    ids, means = mean_by_example(rows["example_id"].to_numpy(dtype=str), right)
    return pd.Series(means, index=ids)


def _targets(rows: "pd.DataFrame") -> "pd.Series[int]":
    targets: pd.Series[int] = rows.drop_duplicates("example_id").set_index("example_id")["target"]
    return targets.sort_index()


def _groups(rows: "pd.DataFrame") -> "pd.Series[str] | None":
    """The group of each example, sorted by example id; None where no group has two."""
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
