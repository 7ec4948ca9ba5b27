"""The stored predictions of the configurations that a section looks at closely."""

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.report.benchmark_results import BenchmarkResults, Configuration
from harness.results.table_reader import probability_matrix

if TYPE_CHECKING:
    import pandas as pd

CLOSE = 3
Array = NDArray[Any]


class Pooled(NamedTuple):
    """The predictions of one configuration over all folds and repeats, for one role.

    role: test where there is one, else validation. targets, predicted: (n,) indices into `names`.
    probabilities: (n, classes), rows sum to one. once: whether each example occurs once.
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


def looked_at(results: BenchmarkResults, most: int = CLOSE) -> tuple[Configuration, ...]:
    """The best configurations and, where one is named, the baseline."""
    shown = results.complete[:most]
    baseline = results.baseline
    if baseline is None or not baseline.place or baseline in shown:
        return shown
    return (*shown[: most - 1], baseline)


def pooled(results: BenchmarkResults, one: Configuration) -> Pooled | None:
    """The predictions of a complete configuration; None where none are kept."""
    return None if not one.place else pool(results.predictions(one.trial_id), one)


def pool(rows: "pd.DataFrame", one: Configuration) -> Pooled | None:
    """Rows of `predictions` of one trial as arrays; None where there are none."""
    if rows.empty:
        return None
    role = "test" if (rows["role"] == "test").any() else "validation"
    chosen = rows[rows["role"] == role]
    probabilities = probability_matrix(chosen)
    return Pooled(
        one,
        role,
        class_names_of(one, probabilities.shape[1]),
        chosen["example_id"].to_numpy(dtype=str),
        chosen["target"].to_numpy(dtype=int),
        chosen["predicted"].to_numpy(dtype=int),
        probabilities,
    )


def class_names_of(one: Configuration, number: int | None = None) -> tuple[str, ...]:
    """As its row says; numbers where it names other than `number` classes."""
    names = tuple(str(name) for name in json.loads(one.row.get("class_names") or "[]"))
    return names if number in (None, len(names)) else tuple(map(str, range(number or 0)))


def pooled_text(found: Pooled) -> str:
    """What was pooled, and whether an example counts more than once."""
    text = f"{len(found.targets):,} {found.role} predictions of all folds pooled"
    if found.once:
        return text
    _, times = np.unique(found.example_ids, return_counts=True)
    each = "each" if (times > 1).all() else "some"
    return (f"{text}: {len(times):,} examples, {each} predicted by several folds or repeats, so "
            "the predictions are not independent")  # fmt: skip
