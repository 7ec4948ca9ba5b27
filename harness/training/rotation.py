"""Turning images by quarter turns: the task of rotation pretraining."""

from collections.abc import Sequence

import torch
from torch import Tensor

from harness.training.seeds import derive

TURNS = 4  # 0, 90, 180 and 270 degrees, counter-clockwise


def turned(images: Tensor, turns: Tensor) -> Tensor:
    """(batch, channels, size, size): image i turned by `turns[i]` times 90 degrees."""
    result = torch.empty_like(images)
    for quarter in range(TURNS):
        chosen = turns == quarter
        result[chosen] = torch.rot90(images[chosen], quarter, dims=(2, 3))
    return result


def all_turns(images: Tensor) -> Tensor:
    """(4, batch, channels, size, size): every image in all four rotations."""
    return torch.stack([torch.rot90(images, quarter, dims=(2, 3)) for quarter in range(TURNS)])


def drawn_turns(n: int, *, seed: int, epoch: int, per_epoch: bool) -> Tensor:
    """(n,) int64 on the CPU: the turn of each image in an epoch; the same in all unless per_epoch.

    Drawn independently, each of the four with the same chance.
    """
    generator = torch.Generator()
    generator.manual_seed(derive(seed, "turns", epoch if per_epoch else 0))
    return torch.randint(TURNS, (n,), generator=generator)


def rotation_grid(images: Sequence[Tensor] | Tensor) -> Tensor:
    """(channels, n * size, 4 * size): one row per image, its four rotations side by side.

    images: n of (channels, size, size). To look at, or to save, what the task shows a model.
    """
    rows = [torch.cat(list(one), dim=2) for one in all_turns(torch.stack(list(images))).unbind(1)]
    return torch.cat(rows, dim=1)
