"""Changes of a batch as pure functions: what is random is drawn before and given as tensors.

Batches are (batch, channels, samples) or (batch, channels, height, width); of a spectrogram the
axes are mel bands and frames. Nothing is changed in place.
"""

import torch
from torch import Tensor
from torch.nn import functional as F


def shifted(inputs: Tensor, steps: Tensor) -> Tensor:
    """The last axis rolled to the right by `steps` (batch,) int64; the end enters at the start."""
    length = inputs.shape[-1]
    positions = (torch.arange(length, device=inputs.device) - steps.unsqueeze(1)) % length
    return inputs.gather(-1, _spread(positions, inputs).expand_as(inputs))


def louder(
    inputs: Tensor, gain_db: Tensor, *, mean: Tensor | None = None, std: Tensor | None = None
) -> Tensor:
    """Waveforms times 10^(dB/20), spectrograms in decibels plus dB; gain_db is (batch,).

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
    """A window of the image's own size from the image with a border of zeros.

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
    """Turned counter-clockwise about the centre by `degrees` (batch,); corners become zero."""
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
    """Stretches of one axis replaced by the example's mean.

    starts, ends: (batch, masks); position i is masked where start <= i < end. axis: -1 or -2.
    """
    positions = torch.arange(inputs.shape[axis], device=inputs.device)
    inside = (positions >= starts.unsqueeze(2)) & (positions < ends.unsqueeze(2))
    mask = _spread(inside.any(1), inputs) if axis == -1 else inside.any(1)[:, None, :, None]
    mean = inputs.mean(dim=tuple(range(1, inputs.dim())), keepdim=True)
    return torch.where(mask, mean, inputs)


def mixed(values: Tensor, partners: Tensor, shares: Tensor) -> Tensor:
    """share * own + (1 - share) * partner's, for inputs and for targets (batch, num_classes).

    partners: (batch,) int64, indices into the batch; shares: (batch,) from 0 to 1.
    """
    own = shares.view(-1, *(1,) * (values.dim() - 1))
    return own * values + (1 - own) * values.index_select(0, partners)


def _spread(per_position: Tensor, inputs: Tensor) -> Tensor:
    """(batch, length) as (batch, 1, ..., length)."""
    ones = (1,) * (inputs.dim() - 2)
    return per_position.view(per_position.shape[0], *ones, per_position.shape[1])
