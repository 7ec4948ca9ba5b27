"""A small convolutional network for log-mel spectrograms; images it takes just as well."""

import torch
from torch import Tensor, nn

WIDEST = 8  # no block is wider than this many times the first


def build(
    *,
    input_shape: tuple[int, ...],
    num_classes: int,
    width: int = 16,
    depth: int = 4,
    dropout: float = 0.0,
) -> nn.Module:
    """Convolution blocks and global pooling: (batch, channels, mel bands, frames) to logits.

    depth blocks of a 3 x 3 convolution, a max pool of 2, batch normalisation and ReLU; the first
    has `width` channels, each further one twice as many, up to 8 * width. What is left is averaged
    over mel bands, and over frames both averaged and maximised, so any number of frames will do.

    dropout: before the last layer.
    Raises ValueError where input_shape is not (channels, mel bands, frames) or too small.
    """
    _check(input_shape, width, depth)
    model = LogMelCnn(input_shape[0], num_classes, width, depth, dropout)
    return model.to(memory_format=torch.channels_last)  # a third faster on a CPU


class LogMelCnn(nn.Module):
    """Letters in shapes: C channels, M mel bands, T frames, D the last block's width."""

    def __init__(
        self, in_channels: int, num_classes: int, width: int, depth: int, dropout: float
    ) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        for index in range(depth):
            channels = width * min(2**index, WIDEST)
            blocks.append(Block(in_channels, channels))
            in_channels = channels
        self.blocks = nn.Sequential(*blocks)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(in_channels, num_classes)

    def forward(self, inputs: Tensor) -> Tensor:
        """(batch, C, M, T) to logits (batch, num_classes)."""
        x = self.blocks(inputs).mean(dim=2)  # (batch, D, T / 2^depth)
        x = x.mean(dim=2) + x.amax(dim=2)  # (batch, D): how it sounds, and how it sounds at most
        return self.head(self.dropout(x))


class Block(nn.Module):
    """Convolution, max pool, batch normalisation, ReLU."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        # the normalisation after it has a bias of its own
        self.conv = nn.Conv2d(in_channels, channels, kernel_size=3, padding=1, bias=False)
        self.pool = nn.MaxPool2d(2)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, in_channels, M, T) to (batch, channels, M / 2, T / 2)."""
        return self.norm(self.pool(self.conv(x))).relu()


def _check(input_shape: tuple[int, ...], width: int, depth: int) -> None:
    if len(input_shape) != 3:
        raise ValueError(
            f"logmel_cnn takes inputs (channels, mel bands, frames), not {tuple(input_shape)}"
        )
    if width < 1 or depth < 1:
        raise ValueError(f"width and depth must be at least 1, not {width} and {depth}")
    if min(input_shape[1:]) < 2**depth:
        raise ValueError(
            f"depth {depth} halves {input_shape[1]} mel bands x {input_shape[2]} frames to nothing"
        )
