"""Checkpoints without a training behind them."""

import zlib
from typing import Any

import numpy as np

from harness.training.checkpoint_format import About, Packed, Setting

SETTING = Setting(
    trial_id="a",
    repeats=(1,),
    execution="loop",
    device="cpu",
    diagnostics="none",
    torch="2",
    format=1,
)


def packed(
    trial_id: str, *, epoch: int = 1, epochs: int = 30, attempt: int = 1, **changes: Any
) -> Packed:
    """Bytes that stand for a trial after an epoch; changes: of its setting."""
    setting = Setting(**{**vars(SETTING), "trial_id": trial_id, **changes})
    payload = np.arange(1000, dtype=np.int64).view(np.uint8)
    return Packed(About(setting, epoch, epochs, attempt), payload, zlib.crc32(payload.data))
