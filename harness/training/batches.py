"""Data where it is trained: tensors that lie still, batches that are gathered from them.

The arrays are shared by every trial of a node; nothing here writes into them. `gather` copies,
so whatever a model does to its batch stays in that batch.
"""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from harness.data.types import Array, FoldInputs, TrialData

_MIB = 2**20
_GATHER_BYTES = 64 * _MIB
_EVALUATION_BYTES_CPU = 4 * _MIB
_EVALUATION_BYTES_GPU = 16 * _MIB

# The data of the last trial on an accelerator: moving it again for every trial would be slow.
_on_device: dict[tuple[str, str], tuple[tuple[Tensor, ...], Tensor]] = {}


@dataclass(frozen=True, eq=False)
class FoldSource:
    """The inputs and targets of one fold.

    inputs: (n, *input_shape), all examples as stored, on `device` where they fit; targets: (n,).
    input_scale, mean, std: how stored values become what the model receives.
    """

    inputs: Tensor
    targets: Tensor
    device: torch.device
    input_scale: float | None
    mean: Tensor | None
    std: Tensor | None

    @property
    def example_bytes(self) -> int:
        """Bytes of one example as the model receives it."""
        width = 4 if self.inputs.is_floating_point() or self.input_scale is not None else 8
        return width * max(1, self.inputs[0].numel())


def fold_source(data: TrialData, index: int, device: torch.device) -> FoldSource:
    """Return the data of one fold of `data.folds`, resident on the device if it fits."""
    return _source(data, data.fold_inputs[index], device)


def pretraining_source(data: TrialData, device: torch.device) -> FoldSource:
    """Return the data as pretraining receives it: normalised for it, with targets nobody reads."""
    assert data.pretraining is not None
    return _source(data, data.pretraining.inputs, device)


def _source(data: TrialData, fold: FoldInputs, device: torch.device) -> FoldSource:
    inputs, targets = _resident(data, device)
    channels = (-1,) + (1,) * (len(data.input_shape) - 1)
    return FoldSource(
        inputs=inputs[fold.inputs],
        targets=targets,
        device=device,
        input_scale=data.input_scale,
        mean=None if fold.mean is None else torch.tensor(fold.mean, device=device).view(channels),
        std=None if fold.std is None else torch.tensor(fold.std, device=device).view(channels),
    )


def gather(source: FoldSource, indices: Tensor) -> Tensor:
    """Return a fresh batch (len(indices), *input_shape) as the model receives it.

    Floats become float32; integers int64 ids, or float32 times `input_scale` where that is set.
    """
    inputs = source.inputs
    batch = inputs.index_select(0, indices.to(inputs.device)).to(source.device)
    if not batch.is_floating_point() and source.input_scale is None:
        return batch.long()
    batch = batch.float()
    if source.input_scale is not None:
        batch = batch.mul_(source.input_scale)
    if source.mean is not None and source.std is not None:
        batch = batch.sub_(source.mean).div_(source.std)
    return batch


def train_batches(
    source: FoldSource, order: Tensor, batch_size: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield (inputs, targets) of each batch of an epoch, gathered several batches at a time."""
    batches_at_once = max(1, _GATHER_BYTES // (source.example_bytes * batch_size))
    for chunk in torch.split(order, batches_at_once * batch_size):
        inputs, targets = gather(source, chunk), source.targets.index_select(0, chunk)
        yield from zip(
            torch.split(inputs, batch_size), torch.split(targets, batch_size), strict=True
        )


def examples_used(n: int, batch_size: int) -> int:
    """Return how many of an epoch's n examples are trained on.

    The last batch may be smaller than the others, but a last batch of one example is left out:
    BatchNorm cannot train on it.
    """
    return n - 1 if n % batch_size == 1 and n > 1 else n


def evaluation_batch_size(source: FoldSource, batch_size: int) -> int:
    """As many examples as a few MiB hold, at least the training's batch."""
    n_bytes = _EVALUATION_BYTES_CPU if source.device.type == "cpu" else _EVALUATION_BYTES_GPU
    return max(batch_size, n_bytes // source.example_bytes)


def as_tensor(array: Array) -> Tensor:
    """Return the array as a tensor, not copied; unsigned types torch cannot index are widened."""
    if array.dtype.kind == "u" and array.dtype.itemsize > 1:
        array = array.astype(np.int64)
    with warnings.catch_warnings():
        # shared arrays are read-only, and stay unwritten
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(array)


def _resident(data: TrialData, device: torch.device) -> tuple[tuple[Tensor, ...], Tensor]:
    if device.type == "cpu":
        return tuple(as_tensor(array) for array in data.inputs), as_tensor(data.targets)
    key = (data.fingerprint, str(device))
    if key not in _on_device or not data.fingerprint:
        _on_device.clear()
        _on_device[key] = _move(data, device)
    return _on_device[key]


def _move(data: TrialData, device: torch.device) -> tuple[tuple[Tensor, ...], Tensor]:
    """The targets on the device; the inputs too if they take at most half its free memory."""
    inputs = tuple(as_tensor(array) for array in data.inputs)
    free_bytes, _ = torch.cuda.mem_get_info(device)
    if sum(array.nbytes for array in data.inputs) <= free_bytes // 2:
        inputs = tuple(tensor.to(device) for tensor in inputs)
    return inputs, as_tensor(data.targets).to(device)
