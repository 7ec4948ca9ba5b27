"""Train batches, changed at random as `training.augmentation` asks.

What is drawn follows from the seed alone, on every device alike, and leaves torch's own random
state as it is: dropout is the same with and without augmentation. The changes themselves are pure
functions, which are given what was drawn; batches are (batch, channels, samples) or (batch,
channels, height, width), of a spectrogram the axes are mel bands and frames. Nothing is changed in
place.
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

Batch = tuple[Tensor, Tensor]


def augmented(
    batches: Iterable[Batch],
    augmentation: Augmentation,
    *,
    source: FoldSource,
    num_classes: int,
    seed: int,
) -> Iterator[Batch]:
    """Yield each batch with its inputs changed; shapes stay.

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
    """Return how many of the predicted classes (n,) are right, as a scalar of float64.

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
        """Return integers, both ends inclusive."""
        return self._tensor(self.random.integers(low, high, n, endpoint=True))

    def mixture(self, n: int, alpha: float) -> tuple[Tensor, Tensor]:
        """Return partners, a permutation, and shares from Beta(alpha, alpha)."""
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


def shifted(inputs: Tensor, steps: Tensor) -> Tensor:
    """Roll the last axis to the right by `steps` (batch,) int64; the end enters at the start."""
    length = inputs.shape[-1]
    positions = (torch.arange(length, device=inputs.device) - steps.unsqueeze(1)) % length
    return inputs.gather(-1, _spread(positions, inputs).expand_as(inputs))


def louder(
    inputs: Tensor, gain_db: Tensor, *, mean: Tensor | None = None, std: Tensor | None = None
) -> Tensor:
    """Return waveforms times 10^(dB/20), spectrograms in decibels plus dB; gain_db is (batch,).

    mean, std: of the normalisation that the inputs went through; the gain is that of the values
    before it.
    """
    gain_db = gain_db.view(-1, *(1,) * (inputs.dim() - 1))
    if inputs.dim() == 4:
        return inputs + (gain_db if std is None else gain_db / std)
    factor = 10 ** (gain_db / 20)
    if mean is None or std is None:
        return inputs * factor
    return inputs * factor + (factor - 1) * mean / std


def cropped(images: Tensor, tops: Tensor, lefts: Tensor, *, padding: int) -> Tensor:
    """Return a window of the image's own size from the image with a border of zeros.

    tops, lefts: (batch,) int64, 0 to 2 * padding; `padding` is the image as it was.
    """
    height, width = images.shape[-2:]
    padded = F.pad(images, (padding, padding, padding, padding))
    columns = lefts.unsqueeze(1) + torch.arange(width, device=images.device)
    rows = tops.unsqueeze(1) + torch.arange(height, device=images.device)
    wide = padded.shape[-2]
    narrow = padded.gather(3, columns[:, None, None, :].expand(-1, images.shape[1], wide, -1))
    return narrow.gather(2, rows[:, None, :, None].expand(-1, images.shape[1], -1, width))


def flipped(images: Tensor, chosen: Tensor) -> Tensor:
    """Left and right exchanged where `chosen` (batch,) bool."""
    return torch.where(chosen.view(-1, 1, 1, 1), images.flip(-1), images)


def rotated(images: Tensor, degrees: Tensor) -> Tensor:
    """Turn counter-clockwise about the centre by `degrees` (batch,); corners become zero."""
    height, width = images.shape[-2:]
    cos, sin = torch.cos(torch.deg2rad(degrees)), torch.sin(torch.deg2rad(degrees))
    zero = torch.zeros_like(cos)
    # a sampling grid counts both axes from -1 to 1, whatever the image's shape
    first = torch.stack((cos, -sin * height / width, zero), dim=1)
    second = torch.stack((sin * width / height, cos, zero), dim=1)
    matrices = torch.stack((first, second), dim=1).to(images.dtype)
    grid = F.affine_grid(matrices, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="zeros", align_corners=False)


def masked(inputs: Tensor, starts: Tensor, ends: Tensor, *, axis: int) -> Tensor:
    """Replace stretches of one axis by the example's mean.

    starts, ends: (batch, masks); position i is masked where start <= i < end. axis: -1 or -2.
    """
    positions = torch.arange(inputs.shape[axis], device=inputs.device)
    inside = (positions >= starts.unsqueeze(2)) & (positions < ends.unsqueeze(2))
    mask = _spread(inside.any(1), inputs) if axis == -1 else inside.any(1)[:, None, :, None]
    mean = inputs.mean(dim=tuple(range(1, inputs.dim())), keepdim=True)
    return torch.where(mask, mean, inputs)


def mixed(values: Tensor, partners: Tensor, shares: Tensor) -> Tensor:
    """Return share * own + (1 - share) * partner's, of inputs or of targets (batch, num_classes).

    partners: (batch,) int64, indices into the batch; shares: (batch,) from 0 to 1.
    """
    own = shares.view(-1, *(1,) * (values.dim() - 1))
    return own * values + (1 - own) * values.index_select(0, partners)


def _spread(per_position: Tensor, inputs: Tensor) -> Tensor:
    """(batch, length) as (batch, 1, ..., length)."""
    ones = (1,) * (inputs.dim() - 2)
    return per_position.view(per_position.shape[0], *ones, per_position.shape[1])
