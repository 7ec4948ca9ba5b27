"""A transformer encoder that classifies texts from token ids, and shows what it attends to."""

from math import sqrt
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

PADDING = 0  # the id that stands for no token
INITIAL_STD = 0.02  # of learned vectors; torch's 1.0 takes Adam epochs to move


def build(
    *,
    input_shape: tuple[int, ...],
    num_classes: int,
    vocabulary_size: int = 1000,
    embedding: list | None = None,
    tune_embedding: bool = True,
    width: int = 128,
    depth: int = 2,
    num_heads: int = 4,
    hidden_dim: int = 256,
    dropout: float = 0.1,
    token_dropout: float = 0.0,
    pool: Literal["mean", "cls"] = "mean",
) -> nn.Module:
    """Token vectors plus learned positions, `depth` encoder blocks (norm first), one linear head.

    Shapes: ids (batch, tokens), 0 where a text has ended, to logits (batch, num_classes).

    vocabulary_size, embedding: given by the dataset. embedding: a matrix (vocabulary_size,
        embedding_dim) to start from, mapped to `width` by a dense layer; None: learned vectors.
    tune_embedding: whether a given matrix is trained further; learned vectors always are.
    dropout: of token vectors, and of what attention and feed-forward add to them.
    token_dropout: share of tokens whose whole vector is hidden in training, position left, so that
        no single word decides.
    pool: what the head reads: the mean over real tokens, or a CLS token put before them.
    Raises ValueError for inputs that are no ids (tokens,), and where num_heads does not divide
        width.
    """
    _check(input_shape, width=width, depth=depth, num_heads=num_heads, hidden_dim=hidden_dim)
    blocks = [Block(width, num_heads, hidden_dim, dropout) for _ in range(depth)]
    return TextTransformer(
        TokenVectors(vocabulary_size, width, embedding, tune_embedding),
        nn.ModuleList(blocks),
        n_tokens=input_shape[0],
        width=width,
        num_classes=num_classes,
        dropout=dropout,
        token_dropout=token_dropout,
        pool=pool,
    )


def attention(model: nn.Module, inputs: Tensor) -> Tensor:
    """Attention weights (batch, blocks, heads, T, T) of ids (batch, tokens); rows sum to one.

    Row i says what token i attends to. T is tokens, plus one for CLS, which stands first. No token
    attends to padding: those columns are exactly 0 (but in a text without any token).
    """
    assert isinstance(model, TextTransformer)
    x, is_real = model.embed(inputs)
    weights = []
    for block in model.blocks:
        weights.append(block.attend.weights(block.norm_attend(x), is_real))
        x = block(x, is_real)
    return torch.stack(weights, dim=1)


class TextTransformer(nn.Module):
    """T tokens, with CLS where `pool` is cls."""

    def __init__(
        self,
        vectors: nn.Module,
        blocks: nn.ModuleList,
        *,
        n_tokens: int,
        width: int,
        num_classes: int,
        dropout: float,
        token_dropout: float,
        pool: str,
    ) -> None:
        super().__init__()
        self.vectors = vectors
        self.positions = nn.Parameter(INITIAL_STD * torch.randn(n_tokens, width))
        if pool == "cls":
            self.cls_token = nn.Parameter(INITIAL_STD * torch.randn(1, 1, width))
        self.pool = pool
        self.dropout = nn.Dropout(dropout)
        self.token_dropout = nn.Dropout(token_dropout)
        self.blocks = blocks
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, num_classes)

    def forward(self, ids: Tensor) -> Tensor:
        """(batch, tokens) to logits (batch, num_classes)."""
        x, is_real = self.embed(ids)
        for block in self.blocks:
            x = block(x, is_real)
        x = self.norm(x)  # (batch, T, width)
        if self.pool == "cls":
            return self.head(x[:, 0])
        share = is_real.to(x.dtype).unsqueeze(-1)  # (batch, T, 1)
        return self.head((x * share).sum(dim=1) / share.sum(dim=1).clamp(min=1))

    def embed(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """Token vectors with positions (batch, T, width), and which are no padding (batch, T)."""
        x = self.vectors(ids)
        x = x * self.token_dropout(torch.ones_like(x[..., :1])) + self.positions
        is_real = ids != PADDING
        if self.pool == "cls":
            cls = self.cls_token.expand(len(ids), -1, -1)
            x = torch.cat([cls, x], dim=1)
            is_real = torch.cat([torch.ones_like(is_real[:, :1]), is_real], dim=1)
        return self.dropout(x), is_real


class TokenVectors(nn.Module):
    """A vector of `width` for each id: learned, or a given matrix behind a dense layer."""

    def __init__(
        self, vocabulary_size: int, width: int, matrix: Any | None, tune_matrix: bool
    ) -> None:
        super().__init__()
        if matrix is None:
            first = INITIAL_STD * torch.randn(vocabulary_size, width)
            self.table = nn.Embedding(vocabulary_size, width, padding_idx=PADDING, _weight=first)
            self.project: nn.Module = nn.Identity()
            return
        given = torch.tensor(np.asarray(matrix), dtype=torch.float32)
        self.table = nn.Embedding(*given.shape, padding_idx=PADDING)
        self.table.weight = nn.Parameter(given, requires_grad=tune_matrix)
        self.project = nn.Linear(given.shape[1], width)

    def forward(self, ids: Tensor) -> Tensor:
        """(batch, tokens) to (batch, tokens, width)."""
        return self.project(self.table(ids))


class Block(nn.Module):
    """Attention between the tokens of a text, then a feed-forward layer on each."""

    def __init__(self, width: int, num_heads: int, hidden_dim: int, dropout: float) -> None:
        super().__init__()
        self.norm_attend = nn.LayerNorm(width)
        self.attend = Attention(width, num_heads)
        self.feed_forward = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, hidden_dim),
            nn.GELU(),
            nn.Linear(hidden_dim, width),
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, is_real: Tensor) -> Tensor:
        """(batch, T, width) to the same; is_real: (batch, T)."""
        x = x + self.dropout(self.attend(self.norm_attend(x), is_real))
        return x + self.dropout(self.feed_forward(x))


class Attention(nn.Module):
    """Multi-head self-attention by plain products, so that its weights can be looked at."""

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, is_real: Tensor) -> Tensor:
        """(batch, T, width) to the same."""
        q, k, v = self._heads(x)
        mixed = _softmax(q, k, is_real) @ v  # (batch, heads, T, head width)
        return self.out(mixed.transpose(1, 2).flatten(start_dim=2))

    def weights(self, x: Tensor, is_real: Tensor) -> Tensor:
        """(batch, heads, T, T)."""
        q, k, _ = self._heads(x)
        return _softmax(q, k, is_real)

    def _heads(self, x: Tensor) -> tuple[Tensor, ...]:
        """Queries, keys and values, each (batch, heads, T, head width)."""
        heads = self.qkv(x).unflatten(-1, (3, self.num_heads, -1))
        return heads.permute(2, 0, 3, 1, 4).unbind(0)


def _softmax(q: Tensor, k: Tensor, is_real: Tensor) -> Tensor:
    """Weights over the real keys; finite, so that a text without tokens gives no nan."""
    scores = q @ k.transpose(-2, -1) / sqrt(q.shape[-1])
    lowest = torch.finfo(scores.dtype).min
    return scores.masked_fill(~is_real[:, None, None, :], lowest).softmax(dim=-1)


def _check(input_shape: tuple[int, ...], **sizes: int) -> None:
    if len(input_shape) != 1:
        raise ValueError(f"text_transformer takes token ids (tokens,), not {tuple(input_shape)}")
    for name, value in sizes.items():
        if value < 1:
            raise ValueError(f"{name} must be at least 1, not {value}")
    width, num_heads = sizes["width"], sizes["num_heads"]
    if width % num_heads:
        works = ", ".join(str(n) for n in range(1, width + 1) if width % n == 0)
        raise ValueError(
            f"num_heads {num_heads} does not divide width {width}; num_heads that do: {works}"
        )
