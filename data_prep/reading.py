"""A file or a text from anywhere, made what a dataset gives its models: for models in use.

No number of a benchmark depends on it: what datasets train on is read by their own `load`.
"""

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from data_prep.examples import DataError

if TYPE_CHECKING:
    import numpy as np


def picture(path: Path, *, size: int, channels: int) -> "np.ndarray":
    """(channels, size, size) uint8: upright, the shorter side resized, the middle cut out.

    Raises DataError for a file that is no picture, and what Pillow raises for a damaged one.
    """
    from PIL import UnidentifiedImageError

    from data_prep.image_folder import read_image

    try:
        return read_image(path, size=size, channels=channels)
    except UnidentifiedImageError:
        raise DataError("not an image") from None


def sound(path: Path, *, rate_hz: int, seconds: float) -> "np.ndarray":
    """(rate_hz * seconds,) float32 in -1..1: mono, cut at its end or followed by silence.

    Raises DataError for a file that can't be decoded or holds nothing.
    """
    import numpy as np

    from data_prep.audio_folder import read_sound

    samples = round(rate_hz * seconds)
    heard = read_sound(path, rate_hz=rate_hz, seconds=seconds)[:samples]
    waveform = np.zeros(samples, dtype=np.float32)
    waveform[: len(heard)] = heard
    return waveform


def token_ids(text: str, *, token_names: tuple[str, ...], max_tokens: int) -> "np.ndarray":
    """(max_tokens,) ids as `vocabulary.encode` gives them. Raises DataError without a word."""
    import numpy as np

    from data_prep.vocabulary import tokenise

    tokens, numbers = tokenise(text)[:max_tokens], _numbers(token_names)
    if not tokens:
        raise DataError("no word in it")
    ids = np.zeros(max_tokens, dtype=np.int64)
    ids[: len(tokens)] = [numbers.get(token, 1) for token in tokens]
    return ids


def without_overlap(inputs: "np.ndarray", n_frames: int) -> "np.ndarray":
    """(n, 1, samples) of half-overlapping frames in a row, as the clips that they were cut from."""
    import numpy as np

    frames = inputs.reshape(len(inputs), n_frames, -1)
    half = frames.shape[2] // 2
    halves = frames[:, :, :half].reshape(len(inputs), -1)
    return np.concatenate([halves, frames[:, -1, half:]], axis=1)[:, np.newaxis]


@lru_cache(maxsize=64)
def _numbers(token_names: tuple[str, ...]) -> dict[str, int]:
    """Made once for each fold's vocabulary, not for each text."""
    return {token: number for number, token in enumerate(token_names) if number > 1}
