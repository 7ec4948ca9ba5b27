"""Two rows of one trial: the same numbers, or by how much they differ and what else does."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.results.table_reader import read_table

if TYPE_CHECKING:
    import pandas as pd

_PLACE = ["repeat", "fold"]
_TIMES = ("fit_time_s", "predict_time_s", "epoch_time_s")


@dataclass(frozen=True)
class Sameness:
    """How far two trials' rows agree.

    n_folds, n_predictions: compared. scores: column of `folds` -> largest absolute difference of
    a fold, only where there is one. n_changed: predictions with another class.
    probability_difference: the largest of any class of any example.
    first_epoch: the first whose loss or score differs; None where none does.
    unequal: what can't be compared, in words, such as other folds.
    """

    n_folds: int
    n_predictions: int
    scores: Mapping[str, float]
    n_changed: int = 0
    probability_difference: float = 0.0
    first_epoch: int | None = None
    unequal: tuple[str, ...] = ()

    @property
    def same(self) -> bool:
        """Whether every number is the same, to the last bit."""
        exact = not self.scores and not self.n_changed and not self.probability_difference
        return exact and self.first_epoch is None and not self.unequal


def compare_rows(before: tuple[Path, str], after: tuple[Path, str]) -> Sameness:
    """The rows of two trials, each a results folder and a trial id, number by number.

    Times are left out. Columns that only one of them has are not compared.
    """
    folds = [_rows(one, "folds") for one in (before, after)]
    if unequal := _other_folds(*folds):
        return Sameness(len(folds[0]), 0, {}, unequal=unequal)
    predictions = [_rows(one, "predictions") for one in (before, after)]
    epochs = [_rows(one, "epochs") for one in (before, after)]
    n_changed, difference, n = _compared_predictions(*predictions)
    return Sameness(
        n_folds=len(folds[0]),
        n_predictions=n,
        scores=_score_differences(*folds),
        n_changed=n_changed,
        probability_difference=difference,
        first_epoch=_first_epoch(*epochs),
    )


def what_changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """What two trials rows say of their making that differs: versions, device, execution, commit;
    and what either of them left in its process or its model's file.

    Data and code are told by the fingerprints, which the caller can put into words.
    """
    old, new = (json.loads(row.get("versions") or "{}") for row in (before, after))
    names = sorted(name for name in {*old, *new} if old.get(name) != new.get(name))
    lines = [f"{name} {old.get(name, 'none')} -> {new.get(name, 'none')}" for name in names]
    for column, words in (("device", "device"), ("fold_execution", "folds trained as")):
        a, b = before.get(column), after.get(column)
        if a and b and a != b:
            lines.append(f"{words}: {a} -> {b}")
    for row, whose in ((before, "the row's trial"), (after, "the rerun")):
        lines += [f"{whose} {text}" for text in _not_alone(row.get("findings") or "")]
    return lines


def _not_alone(findings: str) -> list[str]:
    """What a trial changed for its process, and what its model's file keeps, in words."""
    codes = [code.partition(":") for code in findings.split(",")]
    said = {"changed_process": "changed its process", "changed_names": "kept something in its file"}
    named = {
        words: [name for code, _, name in codes if code == kind] for kind, words in said.items()
    }
    return [f"{words}: {', '.join(names)}" for words, names in named.items() if names]


def trial_row(folder: Path, trial_id: str) -> dict[str, Any]:
    """A trial's row in `trials`, nulls as None."""
    rows = read_table(folder, "trials", filters=[("trial_id", "==", trial_id)])
    row = rows.iloc[0].to_dict()
    return {str(name): None if value != value else value for name, value in row.items()}


def _rows(trial: tuple[Path, str], table: str) -> "pd.DataFrame":
    folder, trial_id = trial
    return read_table(folder, table, filters=[("trial_id", "==", trial_id)])


def _other_folds(before: "pd.DataFrame", after: "pd.DataFrame") -> tuple[str, ...]:
    a, b = (frame.set_index(_PLACE)["split_hash"].sort_index() for frame in (before, after))
    if not a.index.equals(b.index):
        return (f"{len(a)} folds before, {len(b)} now",)
    changed = [str(place) for place in a.index if a[place] != b[place]]
    return (f"other examples in (repeat, fold) {', '.join(changed)}",) if changed else ()


def _score_differences(before: "pd.DataFrame", after: "pd.DataFrame") -> dict[str, float]:
    a, b = (frame.set_index(_PLACE).sort_index() for frame in (before, after))
    shared = [str(name) for name in a.columns if name in b.columns and name not in _TIMES]
    scored = [name for name in shared if name.split("_")[0] in ("train", "val", "test")]
    numbers = [name for name in [*scored, "best_epoch"] if name != "test_part" and name in shared]
    largest = {name: float((a[name] - b[name]).abs().max()) for name in numbers}
    return {name: value for name, value in largest.items() if value > 0}


def _compared_predictions(before: "pd.DataFrame", after: "pd.DataFrame") -> tuple[int, float, int]:
    """Predictions of another class, the largest difference of a probability, how many compared."""
    import numpy as np

    keys = [*_PLACE, "role", "example_id"]
    both = before.merge(after, on=keys, suffixes=("_before", "_after"))
    if both.empty:
        return 0, 0.0, 0
    a, b = (np.stack(list(both[f"probabilities_{end}"])) for end in ("before", "after"))
    changed = int((both["predicted_before"] != both["predicted_after"]).sum())
    return changed, float(np.abs(a - b).max()), len(both)


def _first_epoch(before: "pd.DataFrame", after: "pd.DataFrame") -> int | None:
    keys = [*_PLACE, "epoch"]
    curves = [frame[frame["stage"] == "training"] for frame in (before, after)]
    both = curves[0].merge(curves[1], on=keys, suffixes=("_before", "_after"))
    names = [name.removesuffix("_before") for name in both.columns if name.endswith("_before")]
    numbers = [name for name in names if name.startswith(("train_", "val_")) or name == "lr"]
    differs = [
        (both[f"{name}_before"] != both[f"{name}_after"])
        & ~(both[f"{name}_before"].isna() & both[f"{name}_after"].isna())
        for name in numbers
    ]
    rows = [both["epoch"][mask] for mask in differs if mask.any()]
    return min((int(epochs.min()) for epochs in rows), default=None)
