"""What a batch holds, and that the shared arrays stay as they are."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch

from harness.data.types import Array, FoldInputs, TrialData
from harness.training.batches import (
    evaluation_batch_size,
    examples_used,
    fold_source,
    gather,
    train_batches,
)
from tests.builders import CPU, make_trial_data


def data_with(inputs: Array, **changes: object) -> TrialData:
    """Trial data of these inputs."""
    return replace(make_trial_data(n=len(inputs), noise=0.1), inputs=(inputs,), **changes)


def gathered(data: TrialData, *indices: int) -> torch.Tensor:
    """A batch of the first fold."""
    return gather(fold_source(data, 0, CPU), torch.tensor(indices))


def test_images_kept_as_uint8_are_scaled() -> None:
    """0, 16 and 255 at scale 1/16."""
    images = np.tile(np.array([0, 16, 255], dtype=np.uint8), (9, 1))
    batch = gathered(data_with(images, input_scale=1 / 16), 3, 1)
    assert batch.dtype == torch.float32
    assert batch.tolist() == [[0.0, 1.0, 15.9375]] * 2


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "uint32", "int32", "int64"])
def test_integers_without_a_scale_are_int64_ids(dtype: str) -> None:
    """Whatever width they are stored in."""
    ids = np.arange(18, dtype=dtype).reshape(9, 2)
    batch = gathered(data_with(ids), 4)
    assert batch.dtype == torch.int64
    assert batch.tolist() == [[8, 9]]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_floats_are_float32(dtype: str) -> None:
    """Whatever width they are stored in."""
    values = np.linspace(0, 1, 18).astype(dtype).reshape(9, 2)
    assert gathered(data_with(values), 0).dtype == torch.float32


def test_normalisation_is_per_channel_and_after_the_scale() -> None:
    """(8 * 1/2 - 1) / 2 in one channel, (8 * 1/2 - 4) / 1 in the other."""
    images = np.full((9, 2, 3, 3), 8, dtype=np.uint8)
    mean, std = np.array([1, 4], dtype=np.float32), np.array([2, 1], dtype=np.float32)
    inputs = (FoldInputs(mean=mean, std=std),) * 2
    batch = gathered(data_with(images, input_scale=0.5, fold_inputs=inputs), 0)
    assert (batch[0, 0] == 1.5).all()
    assert (batch[0, 1] == 0.0).all()


def test_each_fold_reads_its_own_inputs() -> None:
    """Where fit made inputs for every fold, a fold's index names its array."""
    data = make_trial_data()
    ones = np.ones_like(data.inputs[0])
    changed = replace(
        data, inputs=(data.inputs[0], ones), fold_inputs=(FoldInputs(0), FoldInputs(1))
    )
    assert (gather(fold_source(changed, 1, CPU), torch.tensor([0])) == 1).all()


def test_a_batch_is_a_copy() -> None:
    """Writing into a batch reaches no one else, even where the array could be written."""
    values = np.zeros((9, 2), dtype=np.float32)
    gathered(data_with(values), 0, 1).fill_(7)
    assert not values.any()


def test_read_only_arrays_give_no_warning() -> None:
    """Arrays from the object store are read-only; that is intended."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fold_source(make_trial_data(), 0, CPU)


def test_batches_cover_the_order_with_their_own_targets() -> None:
    """Seven examples in batches of three: 3, 3 and 1, in order."""
    data = make_trial_data()
    source, order = fold_source(data, 0, CPU), torch.tensor([5, 3, 9, 0, 2, 7, 1])
    batches = list(train_batches(source, order, 3))
    assert [len(targets) for _, targets in batches] == [3, 3, 1]
    assert torch.equal(torch.cat([inputs for inputs, _ in batches]), gather(source, order))
    assert torch.cat([targets for _, targets in batches]).tolist() == data.targets[order].tolist()


def test_batches_do_not_depend_on_how_many_are_gathered_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A gather limit of one byte gathers batch by batch, and changes nothing."""
    source, order = fold_source(make_trial_data(), 0, CPU), torch.arange(10)
    together = [inputs for inputs, _ in train_batches(source, order, 4)]
    monkeypatch.setattr("harness.training.batches._GATHER_BYTES", 1)
    singly = [inputs for inputs, _ in train_batches(source, order, 4)]
    assert all(torch.equal(a, b) for a, b in zip(together, singly, strict=True))


@pytest.mark.parametrize(
    ("n", "batch_size", "used"), [(9, 4, 8), (10, 4, 10), (8, 4, 8), (1, 4, 1), (5, 1, 5)]
)
def test_a_last_batch_of_one_example_is_left_out(n: int, batch_size: int, used: int) -> None:
    """Unless it is the only batch, or every batch is one example."""
    assert examples_used(n, batch_size) == used


def test_evaluation_batches_are_bounded_by_bytes() -> None:
    """4 MiB hold 52,428 examples of 20 bytes, 7 clips of 144,000 samples."""
    source = fold_source(make_trial_data(), 0, CPU)
    assert evaluation_batch_size(source, 8) == 4 * 2**20 // 20
    clips = data_with(np.zeros((9, 1, 144_000), dtype=np.float32))
    assert evaluation_batch_size(fold_source(clips, 0, CPU), 2) == 7
    assert evaluation_batch_size(fold_source(clips, 0, CPU), 32) == 32
