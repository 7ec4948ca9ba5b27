"""Arrays that all trials read, before and after one."""

import pytest

from harness.training import shared_arrays
from harness.training.batches import as_tensor
from tests.builders import make_trial_data


def test_small_arrays_are_put_back() -> None:
    """Every byte of them."""
    data = make_trial_data()
    known, before = shared_arrays.shared_arrays(data), data.inputs[0].copy()
    as_tensor(data.inputs[0])[3].zero_()

    assert known.restore() == ("inputs 0",)
    assert (data.inputs[0] == before).all()
    assert known.restore() == ()


def test_large_arrays_are_known_by_a_checksum(monkeypatch: pytest.MonkeyPatch) -> None:
    """That they changed is seen; what they were is not known."""
    monkeypatch.setattr(shared_arrays, "COPIED_BYTES", 100)
    monkeypatch.setattr(shared_arrays, "_PIECE_BYTES", 64)
    data = make_trial_data(seed=1)
    known = shared_arrays.shared_arrays(data)
    assert known.restore() == ()
    as_tensor(data.targets)[-1] += 1

    assert known.restore() == ("targets",)
    assert known.restore() == ("targets",)
