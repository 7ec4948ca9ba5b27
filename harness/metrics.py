"""The metrics: what a benchmark file may name, how each is computed, and which way is better.

To add one, write a function here and declare it with `@metric`: targets (n,) int and probabilities
(n, num_classes) in, a float out, nan where it is undefined. Nothing else knows the metrics: the
check of a file, the columns of the tables and the report all read `METRICS`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from harness.errors import BenchError, nearest

Array = NDArray[Any]
Mode = Literal["max", "min"]
Function = Callable[[Array, Array], float]


@dataclass(frozen=True)
class Metric:
    """One metric.

    Attributes:
        name: As files and columns have it.
        mode: `max` where more is better, else `min`.
        function: (targets, probabilities) -> value.
        title: As a reader of the report knows it.
        needs_probabilities: Whether the most probable class alone is not enough.
        is_fraction: Whether all values lie between 0 and 1.
    """

    name: str
    mode: Mode
    function: Function
    title: str
    needs_probabilities: bool = False
    is_fraction: bool = True


_metrics: dict[str, Metric] = {}
METRICS: Mapping[str, Metric] = MappingProxyType(_metrics)


def metric(
    *,
    mode: Mode,
    title: str | None = None,
    needs_probabilities: bool = False,
    is_fraction: bool = True,
) -> Callable[[Function], Function]:
    """Declare a function as the metric of its name.

    Args:
        mode: `max` where more is better, else `min`.
        title: As a reader of the report knows it; the name with spaces by default.
        needs_probabilities: Whether the most probable class alone is not enough.
        is_fraction: Whether all values lie between 0 and 1.
    """

    def declare(function: Function) -> Function:
        name = function.__name__
        _metrics[name] = Metric(
            name=name,
            mode=mode,
            function=function,
            title=title or name.replace("_", " "),
            needs_probabilities=needs_probabilities,
            is_fraction=is_fraction,
        )
        return function

    return declare


def find(name: str) -> Metric:
    """Return the metric of that name.

    Raises:
        BenchError: There is none; the text names the nearest one.
    """
    if name not in METRICS:
        guess = nearest(name, list(METRICS))
        hint = f"; did you mean {guess!r}?" if guess else f"; there are {', '.join(METRICS)}"
        raise BenchError(f"no metric {name!r}{hint}")
    return METRICS[name]


def is_fraction(name: str) -> bool:
    """Return whether a metric's values lie between 0 and 1; of `loss`, a column too, they don't."""
    return METRICS[name].is_fraction if name in METRICS else name != "loss"


def compute(names: Sequence[str], targets: Array, probabilities: Array) -> dict[str, float]:
    """Compute metrics over all rows at once.

    Args:
        names: The metrics.
        targets: (n,) int in 0 .. num_classes - 1.
        probabilities: (n, num_classes); rows sum to one.

    Returns:
        Metric name -> value.

    Raises:
        BenchError: A metric is unknown.
    """
    return {name: find(name).function(targets, probabilities) for name in names}


def better(mode: str, a: float, b: float) -> bool:
    """Return whether a is strictly better than b; nan is worse than any number."""
    if np.isnan(a) or np.isnan(b):
        return bool(np.isnan(b) and not np.isnan(a))
    return bool(a > b) if mode == "max" else bool(a < b)


def confusion(targets: Array, probabilities: Array) -> Array:
    """Count (true class, predicted class); of equal probabilities the first class is predicted.

    Returns:
        (num_classes, num_classes) int.
    """
    num_classes = probabilities.shape[1]
    cells = np.asarray(targets) * num_classes + probabilities.argmax(axis=1)
    return np.bincount(cells, minlength=num_classes**2).reshape(num_classes, num_classes)


@metric(mode="max")
def accuracy(targets: Array, probabilities: Array) -> float:
    """Share of examples whose most probable class is the true one."""
    if len(targets) == 0:
        return float("nan")
    return float(np.count_nonzero(probabilities.argmax(axis=1) == targets) / len(targets))


@metric(mode="max")
def balanced_accuracy(targets: Array, probabilities: Array) -> float:
    """Mean recall over the classes that occur among the targets."""
    counts = confusion(targets, probabilities)
    return _mean(_recalls(counts)[counts.sum(axis=1) > 0])


@metric(mode="max", title="macro F1")
def macro_f1(targets: Array, probabilities: Array) -> float:
    """Mean F1 over the classes that occur among targets or predictions."""
    counts = confusion(targets, probabilities)
    return _mean(_f1s(counts)[_occurring(counts)])


@metric(mode="max", title="weighted F1")
def weighted_f1(targets: Array, probabilities: Array) -> float:
    """Mean F1 over the classes, weighted by how often each is the target."""
    counts = confusion(targets, probabilities)
    support = counts.sum(axis=1)
    return _ratio(np.dot(_f1s(counts), support), support.sum())


@metric(mode="max")
def macro_precision(targets: Array, probabilities: Array) -> float:
    """Mean precision over occurring classes; 0 for a class that is never predicted."""
    counts = confusion(targets, probabilities)
    return _mean(_divided(counts.diagonal(), counts.sum(axis=0))[_occurring(counts)])


@metric(mode="max")
def macro_recall(targets: Array, probabilities: Array) -> float:
    """Mean recall over occurring classes; 0 for a class that is predicted but never a target."""
    counts = confusion(targets, probabilities)
    return _mean(_recalls(counts)[_occurring(counts)])


@metric(mode="max", title="ROC AUC", needs_probabilities=True)
def roc_auc(targets: Array, probabilities: Array) -> float:
    """Mean area under the one-versus-rest ROC curve over the classes that occur as targets.

    nan where fewer than two classes occur.
    """
    present = np.unique(targets)
    if len(present) < 2:
        return float("nan")
    return _mean(np.array([_area(targets == label, probabilities[:, label]) for label in present]))


@metric(mode="min", needs_probabilities=True, is_fraction=False)
def log_loss(targets: Array, probabilities: Array) -> float:
    """Mean negative log probability of the true class, clipped by the type's resolution."""
    smallest = float(np.finfo(probabilities.dtype).eps)
    chosen = probabilities[np.arange(len(targets)), targets].clip(smallest, 1 - smallest)
    return _mean(-np.log(chosen, dtype=np.float64))


def _area(positive: Array, scores: Array) -> float:
    """Probability that a positive scores above a negative, ties half (Mann and Whitney 1947)."""
    positives, negatives = scores[positive], np.sort(scores[~positive])
    ranks = sum(np.searchsorted(negatives, positives, side) for side in ("left", "right"))
    return float(np.sum(ranks) / (2 * len(positives) * len(negatives)))


def _recalls(counts: Array) -> Array:
    return _divided(counts.diagonal(), counts.sum(axis=1))


def _f1s(counts: Array) -> Array:
    return _divided(2 * counts.diagonal(), counts.sum(axis=0) + counts.sum(axis=1))


def _occurring(counts: Array) -> Array:
    return np.asarray(counts.sum(axis=0) + counts.sum(axis=1) > 0)


def _divided(above: Array, below: Array) -> Array:
    return above / np.maximum(below, 1)  # where nothing is below, nothing is above


def _ratio(above: float, below: float) -> float:
    return float(above / below) if below else float("nan")


def _mean(values: Array) -> float:
    return float(values.mean()) if values.size else float("nan")
