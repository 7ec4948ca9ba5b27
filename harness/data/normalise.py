"""Zero mean and unit variance per channel, learned from the train examples of one fold."""

from dataclasses import dataclass

import numpy as np

from harness.data.values import Array
from harness.errors import BenchError

_CHUNK_BYTES = 1 << 26
_EPSILON = float(np.finfo(np.float32).eps)


@dataclass(frozen=True, eq=False)
class ChannelStatistics:
    """Of each example and channel: mean and sum of squared deviations, both (n, channels).

    n_values: values of one channel in one example. Folds share one pass over the data.
    """

    means: Array
    squares: Array
    n_values: int


def channel_statistics(inputs: Array) -> ChannelStatistics:
    """One float64 pass over inputs (n, channels, ...) or (n, features).

    Raises BenchError for inputs (n,), which have no axis to normalise along.
    """
    if inputs.ndim < 2:
        raise BenchError("dataset.normalize: standard needs inputs with a channel or feature axis")
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
    """(mean, std), each (channels,) float32, of the train examples after `input_scale`.

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
