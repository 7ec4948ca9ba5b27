"""Train batches, changed at random as `training.augmentation` asks.

What is drawn follows from the seed alone, on every device alike, and leaves torch's own random
state as it is: dropout is the same with and without augmentation.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from harness.config.sections import Augmentation, SpecAugment
from harness.data.types import Array
from harness.training.batches import FoldSource
from harness.training.transforms import (
    cropped,
    flipped,
    louder,
    masked,
    mixed,
    rotated,
    shifted,
)

Batch = tuple[Tensor, Tensor]


def augmented(
    batches: Iterable[Batch],
    augmentation: Augmentation,
    *,
    source: FoldSource,
    num_classes: int,
    seed: int,
) -> Iterator[Batch]:
    """Each batch with its inputs changed; shapes stay.

    Targets stay (batch,) classes, but with mixup they become (batch, num_classes) weights that
    sum to one. seed: of one fold's epoch.
    """
    draw = _Draw(np.random.default_rng(seed), source.device)
    for inputs, targets in batches:
        inputs = _changed(inputs, augmentation, draw, source)
        if augmentation.mixup is None:
            yield inputs, targets
        else:
            weights = F.one_hot(targets, num_classes).to(inputs.dtype)
            partners, shares = draw.mixture(len(targets), augmentation.mixup.alpha)
            yield mixed(inputs, partners, shares), mixed(weights, partners, shares)


def agreement(predicted: Tensor, targets: Tensor) -> Tensor:
    """How many of the predicted classes (n,) are right, as a scalar of float64.

    Where targets are weights (n, num_classes), a prediction counts with the weight of its class.
    """
    if targets.dim() == 1:
        return (predicted == targets).sum().double()
    return targets.double().gather(1, predicted.unsqueeze(1)).sum()


@dataclass(frozen=True)
class _Draw:
    """Random numbers of a batch, (n,) unless told otherwise, on the device."""

    random: np.random.Generator
    device: torch.device

    def uniform(self, low: float, high: float, *size: int) -> Tensor:
        return self._tensor(self.random.uniform(low, high, size).astype(np.float32))

    def integers(self, low: int, high: int, n: int) -> Tensor:
        """Both ends inclusive."""
        return self._tensor(self.random.integers(low, high, n, endpoint=True))

    def mixture(self, n: int, alpha: float) -> tuple[Tensor, Tensor]:
        """Partners, a permutation, and shares from Beta(alpha, alpha)."""
        shares = self.random.beta(alpha, alpha, n).astype(np.float32)
        return self._tensor(self.random.permutation(n)), self._tensor(shares)

    def _tensor(self, values: Array) -> Tensor:
        return torch.from_numpy(values).to(self.device)


def _changed(inputs: Tensor, given: Augmentation, draw: _Draw, source: FoldSource) -> Tensor:
    """All but mixup, in the order of the section's fields."""
    n = len(inputs)
    if given.time_shift is not None:
        most = int(given.time_shift.fraction * inputs.shape[-1])
        inputs = shifted(inputs, draw.integers(-most, most, n))
    if given.gain is not None:
        gain_db = draw.uniform(-given.gain.db, given.gain.db, n)
        inputs = louder(inputs, gain_db, mean=source.mean, std=source.std)
    if given.crop is not None:
        padding = given.crop.padding
        tops, lefts = (draw.integers(0, 2 * padding, n) for _ in range(2))
        inputs = cropped(inputs, tops, lefts, padding=padding)
    if given.flip is not None:
        inputs = flipped(inputs, draw.uniform(0, 1, n) < given.flip.probability)
    if given.rotation is not None:
        most_degrees = given.rotation.degrees
        inputs = rotated(inputs, draw.uniform(-most_degrees, most_degrees, n))
    if given.spec_augment is not None:
        inputs = _spec_augmented(inputs, given.spec_augment, draw)
    return inputs


def _spec_augmented(inputs: Tensor, given: SpecAugment, draw: _Draw) -> Tensor:
    masks = (
        (-1, given.time_masks, given.time_fraction),
        (-2, given.mel_masks, given.mel_fraction),
    )
    for axis, count, fraction in masks:
        if count and fraction:
            length = inputs.shape[axis]
            widths = draw.uniform(0, fraction * length, len(inputs), count)
            starts = draw.uniform(0, 1, len(inputs), count) * (length - widths)
            inputs = masked(inputs, starts, starts + widths, axis=axis)
    return inputs
