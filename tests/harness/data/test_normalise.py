"""Means and deviations per channel, of the train examples alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.data.normalise import channel_statistics, fold_scales, standardisation
from harness.errors import BenchError


def _fit(
    inputs: np.ndarray, train: list[int], scale: float | None = None
) -> tuple[np.ndarray, np.ndarray]:
    return standardisation(channel_statistics(inputs), np.array(train), input_scale=scale)


def test_channels_of_images_by_hand() -> None:
    """Two train images of 1 x 2 pixels: 1, 3 and 5, 7 have mean 4 and variance 5."""
    inputs = np.array([[[[1, 3]]], [[[5, 7]]], [[[100, 900]]]], dtype=np.float32)
    mean, std = _fit(inputs, [0, 1])
    assert mean.tolist() == [4.0]
    assert std.tolist() == [np.float32(np.sqrt(5))]


def test_features_are_normalised_one_by_one() -> None:
    """(n, features): 0, 2 and 10, 30 have means 1, 20 and deviations 1, 10."""
    mean, std = _fit(np.array([[0.0, 10.0], [2.0, 30.0]]), [0, 1])
    assert mean.tolist() == [1.0, 20.0]
    assert std.tolist() == [1.0, 10.0]
    assert mean.dtype == std.dtype == np.float32


def test_the_scale_comes_first() -> None:
    """Bytes 0 and 16 with scale 1/16 are 0 and 1: mean and deviation one half."""
    mean, std = _fit(np.array([[[0, 16]]], dtype=np.uint8), [0], scale=1 / 16)
    assert (mean.tolist(), std.tolist()) == ([0.5], [0.5])


@pytest.mark.parametrize("value", [0.0, 0.1, -123456.7])
def test_a_constant_channel_keeps_its_size(value: float) -> None:
    """Deviation 1, not the rounding error of a mean."""
    _, std = _fit(np.full((5, 1, 1000), value, dtype=np.float32), [0, 1, 2])
    assert std.tolist() == [1.0]


def test_a_far_mean_costs_no_digits() -> None:
    """Values around 10,000 with deviation 1: squares of the values would lose it."""
    noise = np.random.default_rng(0).normal(10_000, 1, size=(50, 2, 400)).astype(np.float32)
    _, std = _fit(noise, list(range(50)))
    assert np.allclose(std, noise.astype(np.float64).std(axis=(0, 2)), rtol=1e-6)


@settings(max_examples=50, deadline=None)
@given(data=st.data(), n=st.integers(2, 8), channels=st.integers(1, 3), length=st.integers(1, 5))
def test_equals_numpy_on_any_train_set(
    data: st.DataObject, n: int, channels: int, length: int
) -> None:
    """One pass for all folds gives what each fold alone would."""
    inputs = np.random.default_rng(n * channels).normal(size=(n, channels, length))
    train = data.draw(st.lists(st.integers(0, n - 1), min_size=1, unique=True))
    mean, std = _fit(inputs, train)
    expected = inputs[train].std(axis=(0, 2))
    assert np.allclose(mean, inputs[train].mean(axis=(0, 2)), atol=1e-6)
    assert np.allclose(std, np.where(expected < 1e-12, 1, expected), atol=1e-6)


def test_the_data_may_be_larger_than_a_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Row by row gives the same as all at once."""
    inputs = np.random.default_rng(1).normal(size=(7, 2, 3))
    whole = _fit(inputs, [0, 3, 6])
    monkeypatch.setattr("harness.data.normalise._CHUNK_BYTES", 1)
    assert all(np.array_equal(a, b) for a, b in zip(whole, _fit(inputs, [0, 3, 6]), strict=True))


def test_inputs_without_an_axis_are_refused() -> None:
    """(n,) has neither channels nor features."""
    with pytest.raises(BenchError, match=r"dataset\.normalize: standard needs inputs with"):
        fold_scales("standard", [np.zeros(3)], [], input_scale=None)
