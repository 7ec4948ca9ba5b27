"""The exported folder against the tables: are the stored predictions made again?"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.export.refit import Learned
from harness.export.trial_selection import Trained
from harness.results.table_reader import probability_matrix, read_table

if TYPE_CHECKING:
    import pandas as pd

    from harness.export.predictor import Predictor

PER_FOLD = 16
CLOSE = 1e-3  # other devices and precisions differ by less


@dataclass(frozen=True)
class Check:
    """n: predictions made again; largest: absolute difference of a probability."""

    n: int
    largest: float

    @property
    def agrees(self) -> bool:
        """Whether the differences are those of rounding."""
        return self.largest <= CLOSE


def check_stored(model: "Predictor", trained: Trained, learned: Learned) -> Check | None:
    """A few predictions of every fold made again from its inputs; None where none are kept."""
    differences = list(_differences(model, trained, learned))
    if not differences:
        return None
    return Check(sum(map(len, differences)), float(max(one.max() for one in differences)))


def _differences(
    model: "Predictor", trained: Trained, learned: Learned
) -> "Iterator[np.ndarray[Any, Any]]":
    """For each fold with predictions: absolute differences (n, classes)."""
    data = learned.data
    rows = {name: row for row, name in enumerate(data.example_ids.tolist())}
    for number, fold in enumerate(model.facts["folds"]):
        stored = _stored(trained, fold["repeat"], fold["fold"])
        if stored.empty:
            continue
        index = learned.index(fold["repeat"], fold["fold"])
        inputs = data.inputs[data.fold_inputs[index].inputs]
        chosen = [rows[name] for name in stored["example_id"]]
        yield np.abs(model.of_fold(number, inputs[chosen]) - probability_matrix(stored))


def _stored(trained: Trained, repeat: int, fold: int) -> "pd.DataFrame":
    """The first few predictions of a fold, of test examples where it has any."""
    where: list[tuple[str, str, Any]] = [
        ("trial_id", "==", trained.trial_id),
        ("repeat", "==", repeat),
        ("fold", "==", fold),
    ]
    columns = ["role", "example_id", "probabilities"]
    found = read_table(trained.source.folder, "predictions", columns=columns, filters=where)
    tested = found[found["role"] == "test"]
    return (found if tested.empty else tested).head(PER_FOLD)
