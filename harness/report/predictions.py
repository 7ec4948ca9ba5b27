"""The stored predictions of the configurations that a section looks at closely."""

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.report.benchmark_results import BenchmarkResults, Configuration
from harness.results.table_reader import probability_matrix

if TYPE_CHECKING:
    import pandas as pd

SHOWN = 3  # configurations whose predictions a section shows
Array = NDArray[Any]


class PooledPredictions(NamedTuple):
    """The predictions of one configuration over all folds and repeats, for one role.

    Attributes:
        configuration: Whose predictions they are.
        role: `test` if there are test predictions, else `validation`.
        names: The classes.
        example_ids: (n,) texts.
        targets: (n,) indices into `names`.
        predicted: (n,) indices into `names`.
        probabilities: (n, classes), rows sum to one.
    """

    configuration: Configuration
    role: str
    names: tuple[str, ...]
    example_ids: Array
    targets: Array
    predicted: Array
    probabilities: Array

    @property
    def once(self) -> bool:
        """Whether every example occurs once, so that predictions are independent."""
        return len(np.unique(self.example_ids)) == len(self.example_ids)


def best_and_baseline(results: BenchmarkResults, most: int = SHOWN) -> tuple[Configuration, ...]:
    """Return the best configurations, the baseline among them if one is named."""
    shown = results.complete[:most]
    baseline = results.baseline
    if baseline is None or not baseline.place or baseline in shown:
        return shown
    return (*shown[: most - 1], baseline)


def pooled(results: BenchmarkResults, configuration: Configuration) -> PooledPredictions | None:
    """Read the predictions of a complete configuration; None if none are kept."""
    if not configuration.place:
        return None
    return pool(results.predictions(configuration.trial_id), configuration)


def pool(rows: "pd.DataFrame", configuration: Configuration) -> PooledPredictions | None:
    """Return one trial's rows of `predictions` as arrays; None if there are none."""
    if rows.empty:
        return None
    role = "test" if (rows["role"] == "test").any() else "validation"
    chosen = rows[rows["role"] == role]
    probabilities = probability_matrix(chosen)
    return PooledPredictions(
        configuration,
        role,
        class_names_of(configuration, probabilities.shape[1]),
        chosen["example_id"].to_numpy(dtype=str),
        chosen["target"].to_numpy(dtype=int),
        chosen["predicted"].to_numpy(dtype=int),
        probabilities,
    )


def class_names_of(configuration: Configuration, number: int | None = None) -> tuple[str, ...]:
    """Return the classes of its row; plain numbers if these are not `number` names."""
    names = tuple(str(name) for name in json.loads(configuration.row.get("class_names") or "[]"))
    return names if number in (None, len(names)) else tuple(map(str, range(number or 0)))


def pooled_text(predictions: PooledPredictions) -> str:
    """Say what was pooled, and whether an example counts more than once."""
    text = f"{len(predictions.targets):,} {predictions.role} predictions of all folds pooled"
    if predictions.once:
        return text
    _, times = np.unique(predictions.example_ids, return_counts=True)
    each = "each" if (times > 1).all() else "some"
    return (
        f"{text}: {len(times):,} examples, {each} predicted by several folds or repeats, so "
        "the predictions are not independent"
    )
