"""Everything random follows from hashes of seed, repeat, fold and epoch, and from nothing else."""

import random

import numpy as np
import torch

from harness.data.seeds import derive

__all__ = ["derive", "permutation", "seed_everything"]


def seed_everything(seed: int, device: torch.device) -> None:
    """Seed Python, NumPy and torch (CPU, and the accelerator where `device` is one)."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    if device.type == "cpu":
        torch.default_generator.manual_seed(seed)  # torch.manual_seed is ten times slower
    else:
        torch.manual_seed(seed)


def permutation(n: int, *, seed: int, repeat: int, fold: int, epoch: int) -> torch.Tensor:
    """(n,) int64 on the CPU: the order of one fold's train examples in one epoch."""
    generator = torch.Generator()
    generator.manual_seed(derive(seed, repeat, fold, epoch, "permutation"))
    return torch.randperm(n, generator=generator)
