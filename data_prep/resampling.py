"""One rate to another, in memory that the rates can't blow up.

torchaudio keeps one filter for every position that a sample of the new rate can have between two
of the old: for rates without a common factor these are gigabytes. Such rates get the same filter,
a sinc under a Hann window, computed for the samples of one block at a time.
"""

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

# Values of torchaudio's filters, which take some 20 bytes each while they are made: 40 MB. All
# pairs of customary rates (8, 11.025, 12, 16, 22.05, 24, 32, 44.1, 48, 64, 88.2, 96, 192 kHz) need
# fewer, 1,164,800 at most; 4,001 to 4,000 Hz needs 16 million.
LARGEST_KERNEL = 1 << 21
BLOCK_VALUES = 1 << 18  # of filters at a time: 2 MB
ZERO_CROSSINGS, ROLLOFF = 6, 0.99  # of the sinc, and where it cuts: torchaudio's defaults


def resampled(waveform: "np.ndarray", found_hz: int, rate_hz: int) -> "np.ndarray":
    """(samples,) float32 at `rate_hz`: torchaudio's to the bit where its filters are small, else
    the same filter's but for rounding.
    """
    import torch
    from torchaudio.functional import resample

    if kernel_values(found_hz, rate_hz) <= LARGEST_KERNEL:
        return resample(torch.from_numpy(waveform), found_hz, rate_hz).numpy()
    return resampled_in_blocks(waveform, found_hz, rate_hz)


def kernel_values(found_hz: int, rate_hz: int) -> int:
    """How many values torchaudio's filters for these rates have."""
    common = math.gcd(found_hz, rate_hz)
    old, new = found_hz // common, rate_hz // common
    return new * (2 * _width(found_hz, rate_hz) + old)


def resampled_in_blocks(waveform: "np.ndarray", found_hz: int, rate_hz: int) -> "np.ndarray":
    """(samples,) float32: each new sample is the sum of its neighbours under the window."""
    import numpy as np

    width = _width(found_hz, rate_hz)
    cutoff = ROLLOFF * min(found_hz, rate_hz) / found_hz  # of the old Nyquist frequency
    padded = np.pad(waveform.astype(np.float64), (width, width + 1))
    neighbours = np.arange(-width, width + 1)
    made = np.empty(math.ceil(len(waveform) * rate_hz / found_hz), dtype=np.float32)
    step = max(1, BLOCK_VALUES // len(neighbours))
    for start in range(0, len(made), step):
        # whole numbers: a float of the place would lose digits of the distance
        scaled = np.arange(start, min(start + step, len(made)), dtype=np.int64) * found_hz
        nearest, rest = scaled // rate_hz, scaled % rate_hz
        distance = (neighbours - (rest / rate_hz)[:, np.newaxis]) * cutoff
        distance = distance.clip(-ZERO_CROSSINGS, ZERO_CROSSINGS)
        window = np.cos(distance * (np.pi / ZERO_CROSSINGS / 2)) ** 2
        weights = np.sinc(distance) * window * cutoff
        values = padded[nearest[:, np.newaxis] + (neighbours + width)]
        made[start : start + step] = (weights * values).sum(axis=1)
    return made


def _width(found_hz: int, rate_hz: int) -> int:
    """How many samples of the old rate count on either side."""
    return math.ceil(ZERO_CROSSINGS * found_hz / (ROLLOFF * min(found_hz, rate_hz)))
