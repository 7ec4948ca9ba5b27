"""The transformer of report 002 on raw audio (ESC-10): the channels of a convolution are tokens."""

from math import log
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

MIN_SAMPLES = 41  # the shortest signal of which the convolutions leave a sample


def build(
    *,
    input_shape: tuple[int, ...],
    num_classes: int,
    num_heads: int = 1,
    key_dim: int = 64,
    width: int = 32,
    num_tokens: int = 16,
    depth: int = 2,
    dropout: float = 0.1,
    output: Literal["logits", "softmax"] = "logits",
) -> nn.Module:
    """Convolutions make num_tokens channels of width samples; a CLS token of zeros reads them.

    Shapes: (batch, channels, samples) to logits (batch, num_classes). The defaults are the
    report's best: 29,658 parameters for (1, 144000) and 10 classes. All convolutions run over the
    whole signal: 144,000 samples need 0.3 GB an example.

    num_heads: each projects tokens by itself to queries and keys of key_dim and values of width,
        so that more heads are more parameters and need not divide width (report 002: n_heads).
    key_dim, width, num_tokens, depth: report 002 calls them dk, dv, features_length, num_blocks.
    dropout: share of whole channels that are dropped after the first convolution.
    output: softmax is how report 002 ends the network, before a loss that takes a softmax again:
        for 10 classes the loss can't fall below 1.461, and gradients are small.
    Raises ValueError where input_shape is not (channels, samples), has too few samples, or width
        is odd.
    """
    _check(input_shape, num_heads=num_heads, key_dim=key_dim, width=width,
           num_tokens=num_tokens, depth=depth)  # fmt: skip
    blocks = [Block(num_heads, key_dim, width, num_tokens + 1) for _ in range(depth)]
    head: list[nn.Module] = [nn.Linear(width, num_classes)]
    if output == "softmax":
        head.append(nn.Softmax(dim=1))
    features = _features(input_shape[0], num_tokens, width, dropout)
    return ChannelTransformer(features, nn.Sequential(*blocks), nn.Sequential(*head))


class ChannelTransformer(nn.Module):
    """Letters in shapes: C channels, L samples, T tokens with CLS."""

    def __init__(self, features: nn.Module, blocks: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.features = features
        self.blocks = blocks
        self.head = head

    def forward(self, inputs: Tensor) -> Tensor:
        """(batch, C, L) to logits (batch, num_classes)."""
        tokens = F.pad(self.features(inputs), (0, 0, 1, 0))  # (batch, T, width), zeros first
        return self.head(self.blocks(tokens)[:, 0])


class Block(nn.Module):
    """Position, attention and one dense layer, each of the last two with residual and norm."""

    def __init__(self, num_heads: int, key_dim: int, width: int, tokens: int) -> None:
        super().__init__()
        self.register_buffer("code", sinusoidal_code(tokens, width), persistent=False)
        self.attention = HeadAttention(num_heads, key_dim, width)
        self.norm1 = nn.LayerNorm(width)
        self.dense = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, T, width) to the same."""
        x = x + self.code  # in every block again, as published
        x = self.norm1(x + self.attention(x))
        return self.norm2(x + self.dense(x))


class HeadAttention(nn.Module):
    """Attention between tokens; every head has values of the whole width."""

    def __init__(self, num_heads: int, key_dim: int, width: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.sizes = [key_dim, key_dim, width]
        # The heads' own matrices side by side: one product, and initialised as they would be.
        self.qkv = nn.Linear(width, num_heads * sum(self.sizes))
        self.out = nn.Linear(num_heads * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, T, width) to the same."""
        heads = self.qkv(x).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
        q, k, v = heads.split(self.sizes, dim=-1)  # each (batch, heads, T, key_dim or width)
        mixed = F.scaled_dot_product_attention(q, k, v)  # (batch, heads, T, width)
        return self.out(mixed.transpose(1, 2).flatten(start_dim=2))


def sinusoidal_code(tokens: int, width: int) -> Tensor:
    """(tokens, width): sine in even places, cosine in odd ones (Vaswani et al. 2017, 3.5)."""
    position = torch.arange(tokens).unsqueeze(1)  # (tokens, 1)
    rate = torch.exp(torch.arange(0, width, 2) * (-log(10_000.0) / width))  # (width / 2,)
    angle = position * rate  # (tokens, width / 2)
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(start_dim=1)


def _features(channels: int, num_tokens: int, width: int, dropout: float) -> nn.Module:
    """(batch, channels, L) to (batch, num_tokens, width)."""
    return nn.Sequential(
        nn.Conv1d(channels, 32, kernel_size=11),
        nn.ReLU(),
        nn.Dropout1d(dropout),
        nn.Conv1d(32, 32, kernel_size=9),
        nn.ReLU(),
        nn.MaxPool1d(16, stride=1),
        nn.BatchNorm1d(32, affine=False),
        nn.Conv1d(32, 32, kernel_size=3),
        nn.ReLU(),
        nn.MaxPool1d(4, stride=1),
        nn.Conv1d(32, num_tokens, kernel_size=3),
        nn.AdaptiveAvgPool1d(width),
        nn.BatchNorm1d(num_tokens, affine=False),
    )


def _check(input_shape: tuple[int, ...], **sizes: int) -> None:
    for name, value in sizes.items():
        if value < 1:
            raise ValueError(f"{name} must be at least 1, not {value}")
    if len(input_shape) != 2:
        raise ValueError(
            f"conv1d_channel_transformer takes inputs (channels, samples), not {tuple(input_shape)}"
        )
    if input_shape[1] < MIN_SAMPLES:
        raise ValueError(f"{input_shape[1]} samples are too few: use {MIN_SAMPLES} or more")
    if sizes["width"] % 2:
        raise ValueError(
            f"width {sizes['width']} is odd: the position code takes sine and cosine in pairs"
        )
