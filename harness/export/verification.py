"""Check an exported folder against the tables: are the stored predictions made again?"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.data.types import Array
from harness.export.trained_trial import RefittedData, TrainedTrial
from harness.results.table_reader import probability_matrix, read_table

if TYPE_CHECKING:
    import pandas as pd

    from harness.export.predictor import Predictor  # imports torch

PER_FOLD = 16  # predictions, enough to meet a wrong scale, vocabulary or class order
TOLERANCE = 1e-3  # of a probability: other devices and precisions differ by less


@dataclass(frozen=True)
class PredictionCheck:
    """How well stored predictions were made again.

    Attributes:
        n: The number of predictions.
        largest: The largest absolute difference of a probability.
    """

    n: int
    largest: float

    @property
    def agrees(self) -> bool:
        """Whether the differences are those of rounding."""
        return self.largest <= TOLERANCE


def check_stored_predictions(
    model: "Predictor", trained: TrainedTrial, refitted: RefittedData
) -> PredictionCheck | None:
    """Make a few predictions of every fold again, and compare them with the stored ones.

    Returns:
        None if no predictions are stored.
    """
    differences = list(_differences(model, trained, refitted))
    if not differences:
        return None
    largest = max(of_fold.max() for of_fold in differences)
    return PredictionCheck(sum(map(len, differences)), float(largest))


def _differences(
    model: "Predictor", trained: TrainedTrial, refitted: RefittedData
) -> Iterator[Array]:
    """Yield absolute differences (n, classes) for each fold with stored predictions."""
    data = refitted.data
    rows = {example_id: row for row, example_id in enumerate(data.example_ids.tolist())}
    for number, fold in enumerate(model.facts["folds"]):
        stored = _stored_predictions(trained, fold["repeat"], fold["fold"])
        if stored.empty:
            continue
        index = refitted.index(fold["repeat"], fold["fold"])
        inputs = data.inputs[data.fold_inputs[index].inputs]
        examples = [rows[example_id] for example_id in stored["example_id"]]
        yield np.abs(model.of_fold(number, inputs[examples]) - probability_matrix(stored))


def _stored_predictions(trained: TrainedTrial, repeat: int, fold: int) -> "pd.DataFrame":
    """Read the first few predictions of a fold, of test examples if it has any."""
    filters: list[tuple[str, str, Any]] = [
        ("trial_id", "==", trained.trial_id),
        ("repeat", "==", repeat),
        ("fold", "==", fold),
    ]
    columns = ["role", "example_id", "probabilities"]
    stored = read_table(trained.source.folder, "predictions", columns=columns, filters=filters)
    tested = stored[stored["role"] == "test"]
    return (stored if tested.empty else tested).head(PER_FOLD)
