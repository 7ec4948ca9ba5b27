"""Vision Transformer (Dosovitskiy et al. 2021), sized as in report 004 on CIFAR-10."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def build(
    *,
    input_shape: tuple[int, ...],
    num_classes: int,
    patch_size: int = 4,
    patch_stride: int | None = None,
    num_heads: int = 4,
    width: int = 48,
    depth: int = 10,
    hidden_dim: int = 3072,
    dropout: float = 0.1,
    cls_position: Literal["first", "after_encoder", "none"] = "first",
    cls_layer: int | None = None,
) -> nn.Module:
    """Patches, a CLS token, learned positions and a pre-norm encoder.

    Shapes: images (batch, channels, height, width) of any size to logits (batch, num_classes).
    The defaults are report 004's base: 3,082,426 parameters for (3, 32, 32) and 10 classes.

    patch_size, patch_stride: pixels; a stride below the size makes patches overlap; None: no
        overlap. Patches must end exactly at the border.
    width: of a token (report 004: 3 * patch_size**2); hidden_dim: of the feed-forward layer.
    cls_position: first: CLS passes through the encoder; none: the mean of the patch tokens is
        classified instead; after_encoder: CLS is added after the encoder and never sees the
        image, so that chance is its best: the control of report 004, experiment 4-II.
    cls_layer: the encoder layer, from 1, whose CLS token is classified; None: the last. Layers
        after it could not matter and are not built.
    Raises ValueError where num_heads does not divide width, patches do not fit the image, or
        cls_layer names no layer.
    """
    stride = patch_size if patch_stride is None else patch_stride
    _check_sizes(
        patch_size=patch_size,
        patch_stride=stride,
        num_heads=num_heads,
        width=width,
        depth=depth,
        hidden_dim=hidden_dim,
    )
    _check_patches(input_shape, patch_size, stride)
    _check_heads(width, num_heads)
    _check_cls(cls_layer, depth, cls_position)
    blocks = [Block(width, num_heads, hidden_dim, dropout) for _ in range(cls_layer or depth)]
    embedding = Patches(input_shape, patch_size, stride, width)
    return ViT(embedding, blocks, num_classes, dropout, cls_position)


def attention(model: nn.Module, inputs: Tensor) -> Tensor:
    """What each token attends to: (batch, blocks, heads, tokens, tokens), rows sum to one.

    With `cls_position` first, token 0 is CLS; the others are patches, row by row.
    """
    x, weights = model.embed(inputs), []
    for block in model.blocks:
        weights.append(block.attention.weights(block.norm1(x)))  # (batch, heads, T, T)
        x = block(x)
    return torch.stack(weights, dim=1)


class ViT(nn.Module):
    """Letters in shapes: C channels, T tokens."""

    def __init__(
        self,
        patches: "Patches",
        blocks: list["Block"],
        num_classes: int,
        dropout: float,
        cls_position: str,
    ) -> None:
        super().__init__()
        width = patches.project.out_features
        self.cls_position = cls_position
        self.patches = patches
        if cls_position != "none":
            self.cls_token = nn.Parameter(torch.randn(1, 1, width))
        # Not the usual 0.02: small data would take epochs to tell the tokens apart.
        tokens = patches.count + (1 if cls_position == "first" else 0)
        self.position = nn.Parameter(torch.randn(1, tokens, width))
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(blocks)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, num_classes)

    def forward(self, inputs: Tensor) -> Tensor:
        """(batch, C, height, width) to logits (batch, num_classes)."""
        x = self.embed(inputs)  # (batch, T, width)
        for block in self.blocks:
            x = block(x)
        if self.cls_position == "none":
            return self.head(self.norm(x).mean(dim=1))
        if self.cls_position == "after_encoder":
            x = self._with_cls(x)
        return self.head(self.norm(x[:, 0]))

    def embed(self, inputs: Tensor) -> Tensor:
        """(batch, C, height, width) to (batch, T, width), positions added."""
        x = self.patches(inputs)
        if self.cls_position == "first":
            x = self._with_cls(x)
        return self.dropout(x + self.position)

    def _with_cls(self, x: Tensor) -> Tensor:
        return torch.cat([self.cls_token.expand(len(x), -1, -1), x], dim=1)


class Patches(nn.Module):
    """One dense layer shared by all patches: a convolution, written as a matrix product.

    Letters in shapes: rows R and columns S of patches, whose sides are P pixels.
    """

    def __init__(
        self, input_shape: tuple[int, ...], patch_size: int, stride: int, width: int
    ) -> None:
        super().__init__()
        channels, *sides = input_shape
        rows, columns = ((side - patch_size) // stride + 1 for side in sides)
        self.count = rows * columns
        self.patch_size, self.stride = patch_size, stride
        self.project = nn.Linear(channels * patch_size**2, width)

    def forward(self, images: Tensor) -> Tensor:
        """(batch, C, height, width) to (batch, count, width)."""
        size, stride = self.patch_size, self.stride
        pixels = images.unfold(2, size, stride).unfold(3, size, stride)  # (batch, C, R, S, P, P)
        pixels = pixels.permute(0, 2, 3, 1, 4, 5)  # (batch, R, S, C, P, P)
        return self.project(pixels.flatten(3).flatten(1, 2))


class Block(nn.Module):
    """x + attention(norm(x)), then x + feed_forward(norm(x))."""

    def __init__(self, width: int, num_heads: int, hidden_dim: int, dropout: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attention = Attention(width, num_heads)
        self.norm2 = nn.LayerNorm(width)
        self.feed_forward = nn.Sequential(
            nn.Linear(width, hidden_dim),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(hidden_dim, width),
            nn.Dropout(dropout),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(batch, T, width) to the same."""
        x = x + self.attention(self.norm1(x))
        return x + self.feed_forward(self.norm2(x))


class Attention(nn.Module):
    """Multi-head attention between tokens, by the memory-saving kernel."""

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, T, width) to the same."""
        mixed = F.scaled_dot_product_attention(*self._heads(x))  # (batch, heads, T, head)
        return self.out(mixed.transpose(1, 2).flatten(start_dim=2))

    def weights(self, x: Tensor) -> Tensor:
        """(batch, T, width) to (batch, heads, T, T): what the kernel keeps to itself."""
        q, k, _ = self._heads(x)
        return (q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5).softmax(dim=-1)

    def _heads(self, x: Tensor) -> tuple[Tensor, ...]:
        heads = self.qkv(x).unflatten(-1, (3, self.num_heads, -1))  # (batch, T, 3, heads, head)
        return heads.permute(2, 0, 3, 1, 4).unbind(0)  # each (batch, heads, T, head)


def _check_sizes(**sizes: int) -> None:
    for name, value in sizes.items():
        if value < 1:
            raise ValueError(f"{name} must be at least 1, not {value}")


def _check_patches(input_shape: tuple[int, ...], patch_size: int, stride: int) -> None:
    if len(input_shape) != 3:
        raise ValueError(f"vit takes images (channels, height, width), not {tuple(input_shape)}")
    height, width = input_shape[1:]

    def fits(size: int, step: int) -> bool:
        return all(size <= side and (side - size) % step == 0 for side in (height, width))

    if fits(patch_size, stride):
        return
    image = f"{height} x {width} image"
    sides = range(1, min(height, width) + 1)
    if stride == patch_size:
        works = ", ".join(str(size) for size in sides if fits(size, size))
        raise ValueError(
            f"patch_size {patch_size} does not divide the {image}; patch_size that does: {works}"
        )
    works = ", ".join(str(step) for step in sides if fits(patch_size, step)) or "none"
    raise ValueError(
        f"patches of {patch_size} every {stride} pixels do not end at the border of the {image}; "
        f"patch_stride that does: {works}"
    )


def _check_heads(width: int, num_heads: int) -> None:
    if width % num_heads:
        works = ", ".join(str(n) for n in range(1, width + 1) if width % n == 0)
        raise ValueError(
            f"num_heads {num_heads} does not divide width {width}; num_heads that do: {works}"
        )


def _check_cls(cls_layer: int | None, depth: int, cls_position: str) -> None:
    if cls_layer is None:
        return
    if cls_position != "first":
        raise ValueError(f"cls_layer needs cls_position first, not {cls_position}")
    if not 1 <= cls_layer <= depth:
        raise ValueError(f"cls_layer {cls_layer} is no layer; allowed: 1 to {depth}")
