"""`dataset.normalize`: what it does to the inputs, learned from a fold's train examples."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.data.types import Array, Fold
from harness.errors import BenchError

_CHUNK_BYTES = 1 << 26  # bytes in work at a time: 64 MB in addition to the data
_EPSILON = float(np.finfo(np.float32).eps)


@dataclass(frozen=True, eq=False)
class ChannelStatistics:
    """Of each example and channel: mean and sum of squared deviations, both (n, channels).

    n_values: values of one channel in one example. Folds share one pass over the data.
    """

    means: Array
    squares: Array
    n_values: int


def fold_scales(
    normalize: str, inputs: Sequence[Array], folds: Sequence[Fold], *, input_scale: float | None
) -> list[tuple[Array, Array]] | None:
    """Return (mean, std), each (channels,) float32, of every fold; None where inputs stay.

    Args:
        normalize: `none`, `standard`, or `unit`, which takes values 0..1 to -1..1 and learns
            nothing.
        inputs: Each fold's own, often the same array.
        folds: As many as inputs.
        input_scale: As `Examples.input_scale`.

    Raises:
        BenchError: Inputs are token ids, or have no channel or feature axis.
    """
    if normalize == "none":
        return None
    if input_scale is None and any(array.dtype.kind in "iu" for array in inputs):
        text = f"dataset.normalize: {normalize} is for numbers; this dataset gives token ids"
        raise BenchError(text)
    if any(array.ndim < 2 for array in inputs):
        text = f"dataset.normalize: {normalize} needs inputs with a channel or feature axis"
        raise BenchError(text)
    if normalize == "unit":
        halves = np.full(inputs[0].shape[1], 0.5, dtype=np.float32)
        return [(halves, halves)] * len(folds)
    distinct = {id(array): array for array in inputs}  # folds often share one array
    statistics = {key: channel_statistics(array) for key, array in distinct.items()}
    return [
        standardisation(statistics[id(array)], fold.train, input_scale=input_scale)
        for array, fold in zip(inputs, folds, strict=True)
    ]


def channel_statistics(inputs: Array) -> ChannelStatistics:
    """Summarise inputs (n, channels, ...) or (n, features) in one float64 pass."""
    n, channels = inputs.shape[:2]
    means, squares = np.empty((n, channels)), np.empty((n, channels))
    per_example = max(1, inputs[0].size * 8)
    step = max(1, _CHUNK_BYTES // per_example)
    for start in range(0, n, step):
        rows = slice(start, start + step)
        values = inputs[rows].astype(np.float64).reshape(-1, channels, inputs[0, 0].size)
        means[rows] = values.mean(axis=2)
        values -= means[rows, :, np.newaxis]
        squares[rows] = np.einsum("ncv,ncv->nc", values, values)
    return ChannelStatistics(means, squares, inputs[0, 0].size)


def standardisation(
    statistics: ChannelStatistics, train: Array, *, input_scale: float | None
) -> tuple[Array, Array]:
    """Return (mean, std), each (channels,) float32, of the train examples after `input_scale`.

    The population's std (ddof 0), as scikit-learn's StandardScaler; 1 where a channel is constant.
    """
    means, squares = statistics.means[train], statistics.squares[train]
    mean = means.mean(axis=0)
    between = ((means - mean) ** 2).sum(axis=0) * statistics.n_values
    variance = (squares.sum(axis=0) + between) / (len(train) * statistics.n_values)
    std = np.sqrt(variance)
    scale = 1.0 if input_scale is None else input_scale
    constant = std <= _EPSILON * np.abs(mean)
    scaled = np.where(constant, 1.0, std * abs(scale))
    return (mean * scale).astype(np.float32), scaled.astype(np.float32)
