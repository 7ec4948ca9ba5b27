"""A waveform as a person takes it in: its course, its spectrogram, and something to play."""

import io
import math
from typing import Any

import numpy as np

from harness.data.image_preview import data_uri, palette_png
from harness.data.types import Array

RATE_HZ = 16_000
LONGEST_S = 6.0
COLUMNS = 120
BANDS = 64
WINDOW = 512  # samples; 256 frequencies in 64 bands
RANGE_DB = 80.0
LEVELS = 16
COMPRESSION = 0.99  # of 1: about 16 kbit/s, enough to know a sound by
# from quiet to loud; readable by those who can't tell red from green
COLOURS = ((0, 32, 76), (65, 77, 107), (124, 123, 120), (187, 174, 111), (255, 234, 70))


def sound(waveform: Array, *, rate_hz: int) -> dict[str, Any]:
    """The beginning of a mono waveform (samples,) as JSON values.

    peaks: lowest and highest value of each of the columns, -100 to 100 for -1 to 1. seconds: how
    much is kept. spectrogram: an image, 0 to 8 kHz upwards, 80 dB. sound: MP3, None where the
    installed libsndfile can't write it.
    """
    kept = _resampled(waveform[: math.ceil(LONGEST_S * rate_hz)], rate_hz)
    kept = np.clip(kept, -1, 1)
    return {
        "peaks": peaks(kept),
        "seconds": round(len(kept) / RATE_HZ, 2),
        "spectrogram": palette_png(_levels(spectrogram(kept)), _palette()),
        "sound": _mp3(kept),
    }


def peaks(waveform: Array, columns: int = COLUMNS) -> list[int]:
    """Lowest, highest, lowest, highest … of equal stretches, as percent of full scale."""
    stretches = np.array_split(waveform, min(columns, len(waveform)))
    ends = [end for one in stretches for end in (float(one.min()), float(one.max()))]
    return [round(100 * end) for end in ends]


def spectrogram(waveform: Array) -> Array:
    """(bands, columns) in 0..1: decibels below the loudest, the highest band first."""
    padded = np.pad(waveform, (0, max(0, WINDOW - len(waveform))))
    starts = np.linspace(0, len(padded) - WINDOW, COLUMNS).astype(int)
    frames = np.stack([padded[start : start + WINDOW] for start in starts]) * np.hanning(WINDOW)
    power = np.abs(np.fft.rfft(frames, axis=1))[:, 1:] ** 2
    bands = power.reshape(COLUMNS, BANDS, -1).max(axis=2).T[::-1]
    decibels = 10 * np.log10(np.maximum(bands, 1e-12) / max(float(bands.max()), 1e-12))
    values: Array = np.clip(1 + decibels / RANGE_DB, 0, 1)
    return values


def _levels(values: Array) -> Array:
    """0..1 as numbers of the palette: few distinct colours make a small file."""
    levels: Array = np.round(values * (LEVELS - 1)).astype(np.uint8)
    return levels


def _palette() -> Array:
    """(levels, 3) uint8."""
    stops, wanted = np.linspace(0, 1, len(COLOURS)), np.linspace(0, 1, LEVELS)
    parts = [np.interp(wanted, stops, [one[i] for one in COLOURS]) for i in range(3)]
    palette: Array = np.stack(parts, axis=1).round().astype(np.uint8)
    return palette


def _resampled(waveform: Array, rate_hz: int) -> Array:
    if rate_hz == RATE_HZ:
        return waveform
    from scipy.signal import resample_poly

    common = math.gcd(rate_hz, RATE_HZ)
    resampled: Array = resample_poly(waveform, RATE_HZ // common, rate_hz // common)
    return resampled


def _mp3(waveform: Array) -> str | None:
    import soundfile

    if "MP3" not in soundfile.available_formats():
        return None
    buffer = io.BytesIO()
    soundfile.write(buffer, waveform.astype(np.float32), RATE_HZ, format="MP3",
                    compression_level=COMPRESSION)  # fmt: skip
    return data_uri("audio/mpeg", buffer.getvalue())
