"""Waveforms become log-mel spectrograms, once, on the driver, before anything is trained."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np

from data_prep.examples import Description, Examples
from harness.config.sections import FrontEnd
from harness.data.cache import cached_examples
from harness.data.types import Array
from harness.errors import BenchError

FRONT_END_VERSION = 1  # raised when the same settings would give other numbers
_CHUNK_BYTES = 1 << 26  # bytes in work at a time: 64 MB in addition to the data


def described(description: Description, front_end: FrontEnd | None) -> Description:
    """Return a dataset's description once its inputs went through the front end. Needs no torch.

    Raises:
        ValueError: The front end can't take such inputs.
    """
    if front_end is None:
        return description
    shape = front_end_shape(front_end, description)
    return replace(description, input_shape=shape, storage_dtype="float32")


def front_end_shape(front_end: FrontEnd, description: Description) -> tuple[int, int, int]:
    """Return (channels, n_mels, frames) of one example.

    Raises:
        ValueError: The front end can't take such inputs.
    """
    shape = description.input_shape
    if len(shape) != 2 or description.input_dtype != "float32":
        raise ValueError(
            f"{front_end.name} takes waveforms (channels, samples); "
            f"the inputs are {tuple(shape)} of {description.input_dtype}"
        )
    rate_hz = sample_rate_hz(front_end, description)
    if front_end.f_max is not None and front_end.f_max > rate_hz / 2:
        raise ValueError(f"f_max is {front_end.f_max:g}, above half of the rate, {rate_hz} Hz")
    channels, samples = shape
    if samples < front_end.n_fft:
        raise ValueError(f"n_fft is {front_end.n_fft}, longer than the {samples} samples")
    if empty := _empty_bands(front_end, rate_hz):
        raise ValueError(
            f"{empty} of {front_end.n_mels} mel bands hold no frequency: "
            "use fewer n_mels or a larger n_fft"
        )
    return channels, front_end.n_mels, samples // front_end.hop + 1


def sample_rate_hz(front_end: FrontEnd, description: Description) -> int:
    """Return the rate of the waveforms.

    Raises:
        ValueError: Neither the dataset nor the file gives it, or they differ.
    """
    own, given = description.sample_rate_hz, front_end.rate_hz
    if own is None and given is None:
        raise ValueError("the dataset does not say its rate: give rate_hz")
    if own is not None and given not in (None, own):
        raise ValueError(f"rate_hz is {given}, the dataset's waveforms have {own}: leave it out")
    return own or given or 0


def through_front_end(
    examples: Examples, description: Description, front_end: FrontEnd, *, key: str, cache_dir: Path
) -> tuple[Examples, Description, str]:
    """Return examples, description and key behind the front end; the arrays are kept in the cache.

    Args:
        examples: Waveforms.
        description: Of the dataset.
        front_end: The section of the file.
        key: Of the waveforms as they are cached.
        cache_dir: The folder of prepared arrays.

    Raises:
        BenchError: The front end can't take them.
    """
    import torchaudio

    try:
        trained, rate_hz = described(description, front_end), sample_rate_hz(front_end, description)
    except ValueError as error:
        raise BenchError(f"dataset.front_end: {error}") from error
    settings = front_end.model_dump(mode="json")
    names = [key, settings, rate_hz, FRONT_END_VERSION, torchaudio.__version__]
    new_key = json.dumps(names, sort_keys=True)

    def made() -> Examples:
        scale = 1.0 if examples.input_scale is None else examples.input_scale
        inputs = log_mel(examples.inputs, front_end, rate_hz=rate_hz, input_scale=scale)
        return replace(examples, inputs=inputs, input_scale=None)

    return cached_examples(new_key, made, cache_dir), trained, new_key


def log_mel(
    waveforms: Array, front_end: FrontEnd, *, rate_hz: int, input_scale: float = 1.0
) -> Array:
    """Turn (n, channels, samples) into (n, channels, n_mels, frames) float32, in decibels.

    Frame k is centred on sample k * hop, the signal's ends are mirrored. Each example is computed
    for itself, so that no neighbour changes its numbers.
    """
    import torch
    from torchaudio.transforms import AmplitudeToDB, MelSpectrogram

    spectrogram = MelSpectrogram(
        sample_rate=rate_hz,
        n_fft=front_end.n_fft,
        hop_length=front_end.hop,
        n_mels=front_end.n_mels,
        f_min=front_end.f_min,
        f_max=front_end.f_max,
    )
    decibels = AmplitudeToDB("power", top_db=front_end.top_db)
    n, channels, samples = waveforms.shape
    frames = samples // front_end.hop + 1
    made = np.empty((n, channels, front_end.n_mels, frames), dtype=np.float32)
    step = max(1, _CHUNK_BYTES // (channels * frames * front_end.n_fft * 4))
    for start in range(0, n, step):
        chunk = waveforms[start : start + step].astype(np.float32) * np.float32(input_scale)
        made[start : start + step] = decibels(spectrogram(torch.from_numpy(chunk))).numpy()
    return made


def _empty_bands(front_end: FrontEnd, rate_hz: int) -> int:
    """Count the mel bands that hold no frequency of the transform between their edges."""
    low, high = _mel(front_end.f_min), _mel(front_end.f_max or rate_hz / 2)
    step = (high - low) / (front_end.n_mels + 1)
    edges = [_hz(low + index * step) for index in range(front_end.n_mels + 2)]
    width = rate_hz / front_end.n_fft  # Hz between neighbouring frequencies
    return sum(
        math.floor(start / width) + 1 > math.ceil(end / width) - 1
        for start, end in zip(edges, edges[2:], strict=False)
    )


def _mel(hz: float) -> float:
    return 2595 * math.log10(1 + hz / 700)


def _hz(mel: float) -> float:
    return float(700 * (10 ** (mel / 2595) - 1))
