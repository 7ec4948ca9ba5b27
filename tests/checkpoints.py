"""Checkpoints without a training behind them."""

import zlib
from typing import Any

import numpy as np

from harness.training.checkpoint import Checkpoint, Header, Setting, setting_of

SETTING = setting_of("0" * 16, device="cpu", repeats=(1,))


def make_checkpoint(
    trial_id: str, *, epoch: int = 1, epochs: int = 30, attempt: int = 1, **changes: Any
) -> Checkpoint:
    """Bytes that stand for a trial after an epoch; changes: of its setting."""
    setting = Setting(**{**vars(SETTING), "owner": trial_id, **changes})
    payload = np.arange(1000, dtype=np.int64).view(np.uint8)
    return Checkpoint(Header(setting, epoch, epochs, attempt), payload, zlib.crc32(payload.data))
