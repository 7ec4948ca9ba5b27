"""Everything random follows from hashes of seed, repeat, fold and epoch, and from nothing else."""

import random
from typing import Any

import numpy as np
import torch

from harness.random_state import derive

__all__ = ["derive", "generator_state", "numpy_state", "permutation", "seed_everything"]


def seed_everything(seed: int, device: torch.device) -> None:
    """Seed Python, NumPy and torch (CPU, and the accelerator where `device` is one)."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    if device.type == "cpu":
        torch.default_generator.manual_seed(seed)  # torch.manual_seed is ten times slower
    else:
        torch.manual_seed(seed)


def permutation(n: int, *, seed: int, repeat: int, fold: int, epoch: int) -> torch.Tensor:
    """Return (n,) int64 on the CPU: the order of one fold's train examples in one epoch."""
    generator = torch.Generator()
    generator.manual_seed(derive(seed, repeat, fold, epoch, "permutation"))
    return torch.randperm(n, generator=generator)


def numpy_state() -> tuple[bytes, int]:
    """Return where NumPy's global generator stands: its numbers, and the place of the next."""
    _, numbers, position, *_ = np.random.get_state(legacy=True)
    return np.asarray(numbers).tobytes(), int(position)


def generator_state(value: Any) -> Any:
    """Return where a generator of torch, NumPy or Python stands; None of anything else."""
    if isinstance(value, torch.Generator):
        return value.get_state().numpy().tobytes()
    if isinstance(value, np.random.Generator):
        return repr(value.bit_generator.state)
    if isinstance(value, np.random.RandomState):
        return repr(value.get_state())
    return value.getstate() if isinstance(value, random.Random) else None
