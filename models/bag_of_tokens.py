"""A linear classifier of token counts: what a text says without the order of its words."""

from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

PADDING = 0  # the id that stands for no token


def build(
    *,
    input_shape: tuple[int, ...],
    num_classes: int,
    vocabulary_size: int = 1000,
    embedding: list | None = None,
    tune_embedding: bool = True,
    pool: Literal["sum", "mean"] = "sum",
) -> nn.Module:
    """Every token votes with a weight for each class; the votes are summed.

    Shapes: ids (batch, tokens), 0 where a text has ended, to logits (batch, num_classes).

    vocabulary_size, embedding: given by the dataset. embedding: a matrix (vocabulary_size,
        embedding_dim) whose pooled vectors a linear layer reads; None: a weight for each token and
        class, which is multinomial logistic regression of the counts.
    tune_embedding: whether a given matrix is trained further.
    pool: `sum` counts tokens, `mean` gives their frequencies in the text.
    Raises ValueError for inputs that are no ids (tokens,).
    """
    if len(input_shape) != 1:
        raise ValueError(f"bag_of_tokens takes token ids (tokens,), not {tuple(input_shape)}")
    return BagOfTokens(vocabulary_size, num_classes, embedding, tune_embedding, pool)


class BagOfTokens(nn.Module):
    """Padding has the vector 0 and is not counted."""

    def __init__(
        self,
        vocabulary_size: int,
        num_classes: int,
        matrix: Any | None,
        tune_matrix: bool,
        pool: str,
    ) -> None:
        super().__init__()
        self.pool = pool
        if matrix is None:
            self.table = nn.Embedding(vocabulary_size, num_classes, padding_idx=PADDING)
            nn.init.normal_(self.table.weight, std=0.01)
            with torch.no_grad():
                self.table.weight[PADDING] = 0
            self.bias = nn.Parameter(torch.zeros(num_classes))
            self.head: nn.Module = nn.Identity()
            return
        given = torch.tensor(np.asarray(matrix), dtype=torch.float32)
        self.table = nn.Embedding(*given.shape, padding_idx=PADDING)
        self.table.weight = nn.Parameter(given, requires_grad=tune_matrix)
        self.register_parameter("bias", None)
        self.head = nn.Linear(given.shape[1], num_classes)

    def forward(self, ids: Tensor) -> Tensor:
        """(batch, tokens) to logits (batch, num_classes)."""
        is_real = (ids != PADDING).unsqueeze(-1)  # (batch, tokens, 1)
        votes = (self.table(ids) * is_real).sum(dim=1)
        if self.pool == "mean":
            votes = votes / is_real.sum(dim=1).clamp(min=1)
        logits = self.head(votes)
        return logits if self.bias is None else logits + self.bias
