"""Attention over few tokens on a CPU: products of many small matrices, forward and backward.

Torch's kernel takes such matrices one by one. Here all of a batch's are multiplied at a time, each
in the layout in which torch multiplies its shape fastest.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

SHORTEST, SHORT = 4, 50  # tokens: of fewer and of more, torch's own kernel is faster
TINY = 400  # multiplications of a product that torch does number by number
NARROW = 16  # columns: of fewer, a CPU's registers are not filled
FEW = 24  # keys: of fewer, a softmax down the columns is faster than along the rows

_DTYPES = (torch.float32, torch.float64)


def attend(query: Tensor, key: Tensor, value: Tensor, *, scale: float | None) -> Tensor:
    """softmax(scale * query @ key.T) @ value, differentiable as often as one likes.

    query: (..., queries, width); key: (..., keys, width); value and what is returned:
    (..., keys or queries, width). scale: None: 1 / sqrt(width).
    """
    scaled = query.shape[-1] ** -0.5 if scale is None else scale
    mixed: Tensor = _Attention.apply(query, key, value, scaled)  # type: ignore[no-untyped-call]
    return mixed


def is_short(query: Tensor, key: Tensor, value: Tensor) -> bool:
    """Whether `attend` takes them, and is faster than torch's kernel."""
    tensors = (query, key, value)
    learns = torch.is_grad_enabled() and any(one.requires_grad for one in tensors)
    return (
        SHORTEST <= key.shape[-2] <= (SHORT if learns else FEW - 1)
        and query.dim() > 2
        and query.shape[:-2] == key.shape[:-2] == value.shape[:-2]
        and query.numel() > 0
        and all(type(one) is Tensor and one.dtype in _DTYPES for one in tensors)
        and query.device.type == "cpu"
        and not _is_transformed()
    )


def _is_transformed() -> bool:
    """Whether `torch.func` or forward differentiation is at work, which need torch's operators."""
    transformed: bool = torch._C._are_functorch_transforms_active()
    return transformed or forward_ad._current_level >= 0


class _Attention(torch.autograd.Function):
    """n matrices: those of the batch, its heads, and folds where they are stacked."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
        queries, keys, values = (_matrices(one) for one in (query, key, value))
        weights = _softmax(queries, keys, scale)  # (n, queries, keys)
        ctx.save_for_backward(query, key, value, queries, keys, values, weights)
        ctx.scale, ctx.batch = scale, query.shape[:-2]
        return _of_batch(product(weights, values), ctx.batch)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, queries, keys, values, weights = ctx.saved_tensors
        if torch.is_grad_enabled():  # the gradients will be differentiated, too
            given = (query, key, value)
            return *_differentiable(gradient, given, ctx.needs_input_grad, scale=ctx.scale), None
        mixed = _matrices(gradient)
        scores = _softmax_backward(mixed, values, weights)  # (n, queries, keys)
        found = (
            product(scores, keys, scale=ctx.scale),
            product(scores.transpose(1, 2), queries, scale=ctx.scale),
            product(weights.transpose(1, 2), mixed),
        )
        return *(_of_batch(one, ctx.batch) for one in found), None


def _differentiable(
    gradient: Tensor, given: tuple[Tensor, ...], needed: tuple[bool, ...], *, scale: float
) -> tuple[Tensor | None, ...]:
    """The gradients of query, key and value by operators that torch differentiates again."""
    query, key, value = given
    mixed = (scale * query @ key.mT).softmax(-1) @ value
    asked = [one for one, need in zip(given, needed, strict=False) if need]
    found = iter(torch.autograd.grad(mixed, asked, gradient, create_graph=True))
    return tuple(next(found) if need else None for need in needed[: len(given)])


def product(left: Tensor, right: Tensor, *, scale: float = 1.0) -> Tensor:
    """scale * left @ right of (n, rows, inner) and (n, inner, columns), in some layout."""
    rows, inner, columns = *left.shape[1:], right.shape[2]
    if rows * inner * columns < TINY:  # fast where both lie along the inner dimension
        left, right = left.contiguous(), right.transpose(1, 2).contiguous().transpose(1, 2)
    elif columns < NARROW <= rows:
        flipped = product(right.transpose(1, 2), left.transpose(1, 2), scale=scale)
        return flipped.transpose(1, 2)
    if scale == 1.0:
        return torch.bmm(left, right)
    return torch.baddbmm(left.new_empty(()), left, right, beta=0, alpha=scale)


def _softmax(queries: Tensor, keys: Tensor, scale: float) -> Tensor:
    if keys.shape[1] >= FEW:
        return product(queries, keys.transpose(1, 2), scale=scale).softmax(2)
    by_key = product(keys, queries.transpose(1, 2), scale=scale)
    return by_key.softmax(1).transpose(1, 2)


def _softmax_backward(mixed: Tensor, values: Tensor, weights: Tensor) -> Tensor:
    """The scores' gradient, from that of what the weights mixed."""
    if values.shape[1] >= FEW:
        along = product(mixed, values.transpose(1, 2))
        return torch._softmax_backward_data(along, weights, 2, weights.dtype)
    by_key = product(values, mixed.transpose(1, 2))
    found = torch._softmax_backward_data(by_key, weights.transpose(1, 2), 1, weights.dtype)
    return found.transpose(1, 2)


def _matrices(tensor: Tensor) -> Tensor:
    """(n, tokens, width)."""
    return tensor.contiguous().flatten(0, -3)


def _of_batch(matrices: Tensor, batch: tuple[int, ...]) -> Tensor:
    return matrices.view(*batch, *matrices.shape[1:])
