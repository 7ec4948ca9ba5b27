"""The transformer encoder on a convolutional base of reports 000 and 001, on raw audio (ESC-10)."""

from math import log, sqrt
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# kernel, stride, padding of each block; a max pool of 2 follows every convolution
CONVOLUTIONS = ((7, 2, 2), (5, 2, 2), (3, 2, 2))
ATTENTION_BLOCKS = 4  # in one encoder block; the report's text says two, its parameter count four


def build(
    *,
    input_shape: tuple[int, ...],
    num_classes: int,
    num_heads: int = 4,
    hidden_dim: int = 1024,
    width: int = 16,
    depth: int = 1,
    dropout: float = 0.1,
    attention: Literal["token", "published"] = "token",
) -> nn.Module:
    """Convolutions cut the signal into tokens; a CLS token reads them through an encoder.

    Shapes: (batch, channels, samples) to logits (batch, num_classes). The defaults have the
    published sizes: 2,251 tokens and 50,842 parameters for (1, 144000) and 10 classes, whatever
    num_heads is.

    attention: both kinds have the same parameters, so no count can tell them apart.
        token: softmax(Q K^T / sqrt(head width)) V between tokens, and the usual layer norm. The
            default, because it is what the report describes and what a reader expects.
        published: what ran for the report's numbers. Scores are taken between the heads of one
            token and the softmax runs along the sequence, so tokens never attend to each other;
            a ReLU also follows the second dense layer, and layer norms divide by the unbiased
            standard deviation + 1e-5 and shift by 1 at the start.
    hidden_dim: width of the feed-forward layer; depth: encoder blocks of four attention blocks.
    Raises ValueError where num_heads does not divide width, width is odd, or there is no sample
        left for a token.
    """
    _check(input_shape, num_heads=num_heads, hidden_dim=hidden_dim, width=width, depth=depth)
    published = attention == "published"
    attend = PublishedAttention if published else TokenAttention
    norm = PublishedNorm if published else nn.LayerNorm
    layers: list[nn.Module] = []
    for _ in range(depth):
        layers += [
            Residual(attend(width, num_heads), norm(width), dropout)
            for _ in range(ATTENTION_BLOCKS)
        ]
        feed_forward = _feed_forward(width, hidden_dim, last_relu=published)
        layers.append(Residual(feed_forward, norm(width), dropout))
    return Conv1dTransformer(input_shape, num_classes, width, dropout, nn.Sequential(*layers))


class Conv1dTransformer(nn.Module):
    """Letters in shapes: C channels, L samples, T tokens with CLS."""

    def __init__(
        self,
        input_shape: tuple[int, ...],
        num_classes: int,
        width: int,
        dropout: float,
        encoder: nn.Module,
    ) -> None:
        super().__init__()
        plan = zip((input_shape[0], 64, 32), (64, 32, width), CONVOLUTIONS, strict=True)
        self.blocks = nn.Sequential(*(_conv_block(*block) for block in plan))
        self.cls_token = nn.Parameter(torch.randn(1, 1, width))
        code = sinusoidal_code(output_length(input_shape[1]) + 1, width)
        self.register_buffer("code", code, persistent=False)
        self.dropout = nn.Dropout(dropout)
        self.encoder = encoder
        self.head = nn.Linear(width, num_classes)

    def forward(self, inputs: Tensor) -> Tensor:
        """(batch, C, L) to logits (batch, num_classes)."""
        tokens = self.encoder(self.embed(inputs))  # (batch, T, width)
        return self.head(tokens[:, 0])

    def embed(self, inputs: Tensor) -> Tensor:
        """(batch, C, L) to (batch, T, width): CLS first, position added."""
        tokens = self.blocks(inputs).transpose(1, 2)  # (batch, T - 1, width)
        cls = self.cls_token.expand(len(tokens), -1, -1)
        return self.dropout(torch.cat([cls, tokens], dim=1) + self.code)


class TokenAttention(nn.Module):
    """Multi-head attention between tokens, by the memory-saving kernel."""

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, T, width) to the same."""
        heads = self.qkv(x).unflatten(-1, (3, self.num_heads, -1))  # (batch, T, 3, heads, head)
        q, k, v = heads.permute(2, 0, 3, 1, 4).unbind(0)  # each (batch, heads, T, head)
        mixed = F.scaled_dot_product_attention(q, k, v)
        return self.out(mixed.transpose(1, 2).flatten(start_dim=2))


class PublishedAttention(nn.Module):
    """Heads attend to heads inside one token; tokens meet only in the softmax denominator."""

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, T, width) to the same."""
        heads = self.qkv(x).unflatten(-1, (3, self.num_heads, -1))  # (batch, T, 3, heads, head)
        q, k, v = heads.unbind(2)  # each (batch, T, heads, head)
        scores = q @ k.transpose(-2, -1) / sqrt(q.shape[-1])  # (batch, T, heads, heads)
        mixed = scores.softmax(dim=1) @ v  # (batch, T, heads, head)
        return self.out(mixed.flatten(start_dim=2))


class Residual(nn.Module):
    """norm(x + dropout(layer(x))): post-norm, as published."""

    def __init__(self, layer: nn.Module, norm: nn.Module, dropout: float) -> None:
        super().__init__()
        self.layer = layer
        self.norm = norm
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, T, width) to the same."""
        return self.norm(x + self.dropout(self.layer(x)))


class PublishedNorm(nn.Module):
    """Layer norm by the unbiased standard deviation + 1e-5, with a shift that starts at 1."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """(..., width) to the same."""
        centred = x - x.mean(dim=-1, keepdim=True)
        return self.weight * centred / (x.std(dim=-1, keepdim=True) + 1e-5) + self.bias


def sinusoidal_code(tokens: int, width: int) -> Tensor:
    """(tokens, width): sine in even places, cosine in odd ones (Vaswani et al. 2017, 3.5)."""
    position = torch.arange(tokens).unsqueeze(1)  # (tokens, 1)
    rate = torch.exp(torch.arange(0, width, 2) * (-log(10_000.0) / width))  # (width / 2,)
    angle = position * rate  # (tokens, width / 2)
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(start_dim=1)


def output_length(length: int) -> int:
    """Tokens that `length` samples give, without CLS: 2250 of 144,000; 0 where they are too few."""
    for kernel, stride, padding in CONVOLUTIONS:
        length = max(0, (length + 2 * padding - kernel) // stride + 1) // 2
    return length


def _conv_block(in_channels: int, channels: int, geometry: tuple[int, int, int]) -> nn.Module:
    kernel, stride, padding = geometry
    conv = nn.Conv1d(in_channels, channels, kernel, stride=stride, padding=padding)
    return nn.Sequential(conv, nn.MaxPool1d(2), nn.ReLU())  # equals ReLU first, half the work


def _feed_forward(width: int, hidden_dim: int, *, last_relu: bool) -> nn.Module:
    layers = [nn.Linear(width, hidden_dim), nn.ReLU(), nn.Linear(hidden_dim, width)]
    return nn.Sequential(*layers, *([nn.ReLU()] if last_relu else []))


def _check(input_shape: tuple[int, ...], **sizes: int) -> None:
    for name, value in sizes.items():
        if value < 1:
            raise ValueError(f"{name} must be at least 1, not {value}")
    if len(input_shape) != 2:
        raise ValueError(
            f"conv1d_transformer takes inputs (channels, samples), not {tuple(input_shape)}"
        )
    if output_length(input_shape[1]) < 1:
        shortest = next(length for length in range(1, 1000) if output_length(length) >= 1)
        raise ValueError(f"{input_shape[1]} samples are too few: use {shortest} or more")
    width, num_heads = sizes["width"], sizes["num_heads"]
    if width % 2:
        raise ValueError(f"width {width} is odd: the position code takes sine and cosine in pairs")
    if width % num_heads:
        works = ", ".join(str(n) for n in range(1, width + 1) if width % n == 0)
        raise ValueError(
            f"num_heads {num_heads} does not divide width {width}; num_heads that do: {works}"
        )
