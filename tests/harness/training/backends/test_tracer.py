"""What is written down of a computation."""

import pytest
import torch

from harness.training.backends.tracer import NotRecordable, recorded


def test_operations_stand_in_their_order_with_what_they_read_and_made() -> None:
    x = torch.ones(2, 3)
    recording = recorded(lambda tensors: [(tensors[0] + 1).t(), None], [x])
    added, turned = recording.operations
    assert added.read() == [x]
    assert turned.read() == added.made()
    assert recording.outputs == [*turned.made(), None]


@pytest.mark.parametrize("write", [lambda x: x.add_(1), lambda x: torch.add(x, 1, out=x)])
def test_what_writes_says_so(write) -> None:
    """Whatever it gives."""
    x = torch.zeros(4)
    recording = recorded(lambda tensors: [write(tensors[0][:2])], [x])
    assert [one.writes for one in recording.operations] == [False, True]


def test_sparse_tensors_are_refused() -> None:
    with pytest.raises(NotRecordable, match="sparse"):
        recorded(lambda tensors: [tensors[0].to_sparse()], [torch.eye(3)])


def test_the_memory_of_a_recording_is_that_of_its_tensors() -> None:
    """1,000 floats in, 1,000 out, and a view that costs nothing."""
    recording = recorded(lambda tensors: [(tensors[0] + 1).view(10, 100)], [torch.zeros(1000)])
    assert recording.n_bytes() == 8000
