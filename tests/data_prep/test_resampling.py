"""Rates without a common factor need no more memory, and give what torchaudio gives."""

import tracemalloc

import numpy as np
import pytest
import torch
from torchaudio.functional import resample

from data_prep.resampling import LARGEST_KERNEL, kernel_values, resampled, resampled_in_blocks

CUSTOMARY_HZ = (8000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 64_000)


def sine(frequency_hz: float, rate_hz: int, samples: int) -> np.ndarray:
    return np.sin(2 * np.pi * frequency_hz * np.arange(samples) / rate_hz).astype(np.float32)


@pytest.mark.parametrize("rates", [(44_100, 16_000), (8000, 44_100), (48_000, 16_000)])
def test_customary_rates_keep_torchaudio_s_samples_to_the_bit(rates: tuple[int, int]) -> None:
    """Its filters are small."""
    waveform = np.random.default_rng(0).normal(size=2000).astype(np.float32)

    expected = resample(torch.from_numpy(waveform), *rates).numpy()

    assert np.array_equal(resampled(waveform, *rates), expected)


def test_all_pairs_of_customary_rates_are_below_the_limit() -> None:
    """11,025 to 64,000 Hz is the largest: 2,560 filters of 441 values and 7 on either side."""
    of_pairs = [kernel_values(a, b) for a in CUSTOMARY_HZ for b in CUSTOMARY_HZ]

    assert max(of_pairs) == 2560 * (441 + 14) < LARGEST_KERNEL
    assert kernel_values(4001, 4000) == 4000 * (4001 + 14) > LARGEST_KERNEL


@pytest.mark.parametrize("rates", [(401, 400), (400, 401), (1601, 791), (48_000, 16_000)])
def test_blocks_give_what_torchaudio_gives(rates: tuple[int, int]) -> None:
    """Of double precision, but for the rounding of the result."""
    waveform = np.random.default_rng(0).normal(size=777).astype(np.float32)

    expected = resample(torch.from_numpy(waveform).double(), *rates).numpy()

    np.testing.assert_allclose(resampled_in_blocks(waveform, *rates), expected, atol=3e-7)


@pytest.mark.parametrize("rates", [(4001, 4000), (11_127, 8000), (16_000, 7919)])
def test_a_sine_stays_a_sine(rates: tuple[int, int]) -> None:
    """Of the same frequency and height, within the ripple of the filter."""
    old, new = rates
    made = resampled(sine(440, old, old), *rates)

    assert len(made) == new
    np.testing.assert_allclose(made[50:-50], sine(440, new, new)[50:-50], atol=2e-3)


def test_what_the_new_rate_cannot_hold_is_gone() -> None:
    """6 kHz at a rate of 7,919 Hz would come back as 1,919 Hz."""
    made = resampled(sine(6000, 16_000, 16_000), 16_000, 7919)

    assert np.abs(made[50:-50]).max() < 5e-3


def test_memory_is_bounded() -> None:
    """Filters of 4,001 to 4,000 Hz are 16 million values, 128 MB, at once."""
    waveform = sine(440, 4001, 4001)
    tracemalloc.start()
    resampled(waveform, 4001, 4000)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak_bytes < 32 * 2**20
