"""Which tokens a model attends to: one text's most important, and sums over a fold's examples.

A token's score in one text, block and head is the mean of what the text's tokens attend to it:
`mean over i of weights[i, j]`. Where the model puts tokens of its own before the text (CLS), it is
what those attend to it, since of the last block the model reads nothing else. The tokens of a text
of n tokens share a total of at most 1, so 1 / n is what a token without importance gets. Padding
(id 0), CLS and names in angle brackets such as `<unknown>` get no score; padding never attends.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from harness.training.batches import FoldSource, gather
from harness.training.module_state import undisturbed

TOP_TOKENS = 200  # rows kept of each class: its first tokens by score, and all that are frequent
FREQUENT = 5

_PADDING_ID = 0
_BATCH_BYTES = 64 * 2**20

Attend = Callable[[nn.Module, Tensor], Tensor]  # a model's `attention`
Array = NDArray[Any]


@dataclass(frozen=True)
class TopToken:
    """The most important token of one text: mean over blocks and heads of its score in 0..1."""

    predicted: str
    token: str
    score: float


def top_token(
    model: nn.Module,
    ids: Tensor,
    *,
    attend: Attend,
    token_names: Sequence[str],
    class_names: Sequence[str],
) -> TopToken:
    """Return the predicted class of one text, and its most important token with its score.

    ids: (tokens,), padded with 0; attend: the model's `attention`; token_names: the text of each
    id. A word that stands twice is looked at in each place. Leaves the model in evaluation mode.
    Raises ValueError for a text without any known token.
    """
    model.eval()
    with torch.no_grad():
        logits = model(ids[None].clone())  # a model may write into its input
        weights = attend(model, ids[None].clone())
        scores = token_scores(weights, ids[None]).mean(dim=(2, 3))[0]  # (tokens,)
    known = torch.as_tensor(_named(token_names))[ids.cpu()].to(scores.device)
    if not bool(known.any()):
        raise ValueError("the text has no token that the vocabulary knows")
    place = int(scores.masked_fill(~known, -1.0).argmax())
    predicted = class_names[int(logits.argmax())]
    return TopToken(predicted, token_names[int(ids[place])], float(scores[place]))


def token_scores(weights: Tensor, ids: Tensor) -> Tensor:
    """Return scores (batch, tokens, blocks, heads) of ids (batch, tokens); 0 for padding.

    weights: (batch, blocks, heads, T, T), rows sum to one; where T is more than `tokens`, the
    model's own tokens stand first and alone attend. Raises ValueError for any other shape.
    """
    n_tokens = ids.shape[1]
    shape = tuple(weights.shape)
    fits = len(shape) == 5 and shape[0] == len(ids) and shape[3] == shape[4] >= n_tokens
    if not fits:
        raise ValueError(
            f"attention gave {shape} for ids {tuple(ids.shape)}; "
            "expected (batch, blocks, heads, tokens, tokens)"
        )
    is_real = (ids != _PADDING_ID).to(weights.dtype)  # (batch, tokens)
    n_own = shape[3] - n_tokens
    attends = weights.new_ones(len(ids), n_own) if n_own else is_real
    rows = weights[..., : attends.shape[1], n_own:]  # (batch, blocks, heads, attending, tokens)
    received = torch.einsum("blhij,bi->bjlh", rows, attends)
    n_attending = attends.sum(dim=1).clamp(min=1)
    return received / n_attending[:, None, None, None] * is_real[:, :, None, None]


def try_attention(model: nn.Module, source: FoldSource, indices: Tensor, *, attend: Attend) -> None:
    """Raise before any training what `attention` would raise after all of it.

    Args:
        model: Is left as it was.
        source: The fold's data.
        indices: Of an example or more.
        attend: The model's `attention`.

    Raises:
        ValueError: What it gives is no attention of these tokens; besides whatever it raises.
    """
    ids = gather(source, indices).flatten(1)
    with undisturbed(model), torch.random.fork_rng(devices=[]), torch.no_grad():
        token_scores(attend(model.eval(), ids.clone()), ids)


def attention_rows(
    model: nn.Module,
    source: FoldSource,
    indices: Tensor,
    *,
    attend: Attend,
    predicted: Array,
    token_names: Sequence[str],
    class_names: Sequence[str],
) -> list[dict[str, Any]]:
    """Return rows of the table `attention`, without trial, repeat and fold, over the examples.

    predicted: (len(indices),) classes. Of each class the `TOP_TOKENS` tokens with the highest score
    over all blocks and heads are kept, and every token that occurs at least `FREQUENT` times; each
    has a row for every block and head. The model is in evaluation mode.
    """
    ids = gather(source, indices).flatten(1)  # (n, tokens)
    cells, inverse = _cells(ids.cpu().numpy(), predicted, _named(token_names))
    if not len(cells):
        return []
    counts = np.bincount(inverse[inverse >= 0], minlength=len(cells))
    sums = _sums(model, ids, attend=attend, inverse=inverse, n_cells=len(cells))
    kept = _kept(cells[:, 0], counts, sums.sum(axis=(1, 2)))
    # Cells, not `AttentionRow`s: a fold may have 100,000, and a row object costs ten times a dict.
    return [
        {
            "class": class_names[int(cells[cell, 0])],
            "token": token_names[int(cells[cell, 1])],
            "block": block + 1,
            "head": head + 1,
            "count": int(counts[cell]),
            "score_sum": float(sums[cell, block, head]),
        }
        for cell in kept
        for block in range(sums.shape[1])
        for head in range(sums.shape[2])
    ]


def _named(token_names: Sequence[str]) -> NDArray[np.bool_]:
    """(n_ids,): whether an id stands for a word of the text."""
    special = [name.startswith("<") and name.endswith(">") for name in token_names]
    named = ~np.array(special, dtype=bool)
    named[_PADDING_ID] = False
    return named


def _cells(ids: Array, predicted: Array, named: NDArray[np.bool_]) -> tuple[Array, Array]:
    """The (class, token) pairs that occur, (n_cells, 2), and the cell of each place, or -1."""
    classes = np.broadcast_to(predicted[:, None], ids.shape)
    counted = named[ids]
    codes = classes[counted].astype(np.int64) * len(named) + ids[counted]
    found, positions = np.unique(codes, return_inverse=True)
    inverse = np.full(ids.shape, -1, dtype=np.int64)
    inverse[counted] = positions
    return np.stack(np.divmod(found, len(named)), axis=1), inverse


def _sums(
    model: nn.Module, ids: Tensor, *, attend: Attend, inverse: Array, n_cells: int
) -> NDArray[np.float64]:
    """(n_cells, blocks, heads): scores summed over all places of a cell."""
    sums: NDArray[np.float64] | None = None
    for start, scores in _batched_scores(model, ids, attend):
        if sums is None:
            sums = np.zeros((n_cells, *scores.shape[2:]))
        cells = inverse[start : start + len(scores)]
        np.add.at(sums, cells[cells >= 0], scores[cells >= 0])
    assert sums is not None
    return sums


def _batched_scores(
    model: nn.Module, ids: Tensor, attend: Attend
) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """The first row of each batch, and its scores; the weights of a batch stay small."""
    size, start = 1, 0
    with torch.no_grad():
        while start < len(ids):
            batch = ids[start : start + size]
            weights = attend(model, batch.clone())  # a model may write into its input
            yield start, token_scores(weights, batch).double().cpu().numpy()
            start += len(batch)
            example_bytes = weights.numel() // len(batch) * weights.element_size()
            size = max(1, _BATCH_BYTES // max(1, example_bytes))


def _kept(classes: Array, counts: Array, scores: Array) -> list[int]:
    """Indices of the cells worth keeping, by class, the highest score first."""
    kept: list[int] = []
    for one in np.unique(classes):
        own = np.flatnonzero(classes == one)
        order = own[np.argsort(-scores[own], kind="stable")]
        kept += [
            int(cell)
            for place, cell in enumerate(order)
            if place < TOP_TOKENS or counts[cell] >= FREQUENT
        ]
    return kept
