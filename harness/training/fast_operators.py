"""Operators that torch is slow at on CPUs, made faster where a benchmark file asks for them.

A pool of maxima gives the values and indices that torch's own gives, attention its numbers but for
rounding. Random masks (dropout's) of many numbers come from another generator, seeded by torch's:
other masks of the same distribution. Attention over few tokens is written as products of many
small matrices, forward and backward: torch's kernel takes such matrices one by one, here all of a
batch's are multiplied at a time, each in the layout in which torch multiplies its shape fastest.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from harness.training.torch_internals import (
    is_transformed,
    replace_operators,
    restore_operators,
)

BLOCK = 2**18  # numbers drawn at a time: their bits stay in the CPU's cache
FEW_NUMBERS = 2**13  # below, seeding another generator costs more than it saves
WIDEST = 255  # a window's places fit a byte
HEAD_WIDTH = 16  # the narrowest head whose products use all of a CPU's registers
LONG = 256  # tokens from which on widening the heads pays

_installed: list[Any] = []  # what nothing refers to takes its kernels back


def use_fast_operators(asked: bool = True) -> None:
    """Have this process use them from now on, or torch's own again."""
    if asked and not _installed:
        _installed.append(replace_operators(_KERNELS, differentiated=_DIFFERENTIATED))
    elif not asked and _installed:
        restore_operators(_installed.pop())


def _bernoulli_(own: Any) -> Any:
    def bernoulli_(keys: Any, mask: Tensor, p: float = 0.5, *, generator: Any = None) -> Tensor:
        if (
            mask.numel() < FEW_NUMBERS
            or not 0 < p < 1
            or not mask.is_floating_point()
            or not dense(mask)
        ):
            drawn: Tensor = own.call_boxed(keys, mask, p, generator=generator)
            return drawn
        seed = torch.empty((), dtype=torch.int64).random_(generator=generator)
        fill_bernoulli(mask, p, seed=int(seed))
        return mask

    return bernoulli_


def fill_bernoulli(mask: Tensor, p: float, *, seed: int) -> None:
    """Draw ones with probability p (to 2 ** -32), zeros elsewhere, in the order of the memory.

    mask: dense, of floats, on the CPU.
    """
    bits = np.random.SFC64(seed)
    below = min(round(p * 2**32), 2**32 - 1) - 2**31
    for part in torch.split(mask.as_strided((mask.numel(),), (1,)), BLOCK):
        drawn = bits.random_raw((len(part) + 1) // 2).view(np.int32)
        torch.lt(torch.from_numpy(drawn)[: len(part)], below, out=part)


def dense(tensor: Tensor) -> bool:
    """Return whether its numbers fill a piece of memory, in whatever order of dimensions."""
    expected = 1
    for stride, size in sorted(zip(tensor.stride(), tensor.shape, strict=True)):
        if size != 1 and stride != expected:
            return False
        expected *= size
    return True


def _max_pool(own: Any) -> Any:
    def max_pool(
        keys: Any,
        x: Tensor,
        kernel_size: list[int],
        stride: list[int] = [],  # noqa: B006  as in torch's schema
        padding: list[int] = [0],  # noqa: B006
        dilation: list[int] = [1],  # noqa: B006
        ceil_mode: bool = False,
    ) -> tuple[Tensor, Tensor]:
        steps = stride or kernel_size
        plain = not any(padding) and set(dilation) == {1} and not ceil_mode
        if plain and x.is_floating_point() and x.is_contiguous() and _is_1d(x, kernel_size, steps):
            return max_pool_1d(x, kernel_size[-1], steps[-1])
        pooled: tuple[Tensor, Tensor] = own.call_boxed(
            keys, x, kernel_size, stride, padding, dilation, ceil_mode
        )
        return pooled

    return max_pool


def _is_1d(x: Tensor, kernel_size: list[int], stride: list[int]) -> bool:
    """As torch calls it for one dimension: the last but one is 1."""
    flat = len(kernel_size) == 2 and x.shape[-2] == kernel_size[0] == stride[0] == 1
    return flat and 1 < kernel_size[-1] <= min(WIDEST, x.shape[-1]) and stride[-1] > 0


def max_pool_1d(x: Tensor, kernel_size: int, stride: int) -> tuple[Tensor, Tensor]:
    """Return maxima of windows along the last dimension, and the index of the first of each.

    x: (..., length). Both returned: (..., windows), the indices int64, into the last dimension.
    Where a window holds NaN, so does its maximum, but another of its indices may be given.
    """
    pooled = _slid(x, kernel_size) if stride == 1 else _stepped(x, kernel_size, stride)
    values, offsets = pooled
    first = torch.arange(0, values.shape[-1] * stride, stride)
    return values, first + offsets


def _stepped(x: Tensor, kernel_size: int, stride: int) -> tuple[Tensor, Tensor]:
    """The places of a window in turn: maxima (..., windows), and bytes that say which place."""
    reach = (x.shape[-1] - kernel_size) // stride * stride + 1
    values = x[..., :reach:stride]
    offsets = torch.zeros(values.shape, dtype=torch.uint8)
    for place in range(1, kernel_size):
        candidates = x[..., place : place + reach : stride]
        later = values.lt(candidates).view(torch.uint8)
        offsets = torch.maximum(offsets, later.mul_(place))
        values = torch.maximum(values, candidates)
    return values, offsets


def _slid(x: Tensor, kernel_size: int) -> tuple[Tensor, Tensor]:
    """The same of windows one apart: twice as wide from two of a width, until wide enough."""
    values, width = x, 1
    offsets = torch.zeros(x.shape, dtype=torch.uint8)
    while width < kernel_size:
        shift = min(width, kernel_size - width)
        left, right = values[..., :-shift], values[..., shift:]
        later = left.lt(right).view(torch.uint8)
        offsets = _chosen(later, offsets[..., :-shift], offsets[..., shift:] + shift)
        values = torch.maximum(left, right)
        width += shift
    return values, offsets


def _chosen(second: Tensor, left: Tensor, right: Tensor) -> Tensor:
    """`right` where `second` is 1, `left` where it is 0: bytes, for which `where` is slow."""
    return right.bitwise_xor_(left).bitwise_and_(second.neg()).bitwise_xor_(left)


def _any_attention(own: Any) -> Any:
    def attention(
        keys: Any, query: Tensor, key: Tensor, value: Tensor, *options: Any, **named: Any
    ) -> Tensor:
        plain = not options and named.keys() <= {"scale"}  # torch leaves defaults out
        if plain and is_short(query, key, value):
            return attend(query, key, value, scale=named.get("scale"))
        mixed: Tensor = own.call_boxed(keys, query, key, value, *options, **named)
        return mixed

    return attention


def _attention(own: Any) -> Any:
    def attention(
        keys: Any, query: Tensor, key: Tensor, value: Tensor, *options: Any, **named: Any
    ) -> tuple[Tensor, Tensor]:
        if not _widens(query, key):
            plain: tuple[Tensor, Tensor] = own.call_boxed(
                keys, query, key, value, *options, **named
            )
            return plain
        wide = [_widened(tensor) for tensor in (query, key, value)]
        mixed, normalizer = own.call_boxed(keys, *wide, *options, **_scaled(named, query))
        return _narrowed(mixed, like=query), normalizer

    return attention


def _attention_backward(own: Any) -> Any:
    def attention_backward(
        keys: Any, gradient: Tensor, query: Tensor, key: Tensor, *more: Any, **named: Any
    ) -> list[Tensor]:
        if not _widens(query, key):
            plain: list[Tensor] = own.call_boxed(keys, gradient, query, key, *more, **named)
            return plain
        value, mixed, *others = more
        wide = [_widened(tensor) for tensor in (gradient, query, key, value, mixed)]
        gradients = own.call_boxed(keys, *wide, *others, **_scaled(named, query))
        return [
            _narrowed(one, like=input)
            for one, input in zip(gradients, (query, key, value), strict=True)
        ]

    return attention_backward


def _scaled(named: dict[str, Any], query: Tensor) -> dict[str, Any]:
    """The scale that the query's own width asks for, unless another was given."""
    given = named.get("scale")
    return {**named, "scale": query.shape[-1] ** -0.5 if given is None else given}


def _widens(query: Tensor, key: Tensor) -> bool:
    """Heads of width 1 have a fast way of their own."""
    return 1 < query.shape[-1] < HEAD_WIDTH and key.shape[-2] >= LONG


def _widened(tensor: Tensor) -> Tensor:
    """Zeros beside each head's numbers: (..., HEAD_WIDTH)."""
    return torch.constant_pad_nd(tensor, (0, HEAD_WIDTH - tensor.shape[-1]))


def _narrowed(tensor: Tensor, *, like: Tensor) -> Tensor:
    """Without those zeros, laid out in memory as `like`: so does torch's own kernel."""
    return torch.empty_like(like).copy_(tensor[..., : like.shape[-1]])


SHORTEST, SHORT = 4, 50  # tokens: of fewer and of more, torch's own kernel is faster
TINY = 400  # multiplications of a product that torch does number by number
NARROW = 16  # columns: of fewer, a CPU's registers are not filled
FEW_KEYS = 24  # keys: of fewer, a softmax down the columns is faster than along the rows

_DTYPES = (torch.float32, torch.float64)


def attend(query: Tensor, key: Tensor, value: Tensor, *, scale: float | None) -> Tensor:
    """Return softmax(scale * query @ key.T) @ value, differentiable as often as one likes.

    query: (..., queries, width); key: (..., keys, width); value and what is returned:
    (..., keys or queries, width). scale: None: 1 / sqrt(width).
    """
    scaled = query.shape[-1] ** -0.5 if scale is None else scale
    mixed: Tensor = _Attention.apply(query, key, value, scaled)  # type: ignore[no-untyped-call]
    return mixed


def is_short(query: Tensor, key: Tensor, value: Tensor) -> bool:
    """Return whether `attend` takes them, and is faster than torch's kernel."""
    tensors = (query, key, value)
    learns = torch.is_grad_enabled() and any(one.requires_grad for one in tensors)
    return (
        SHORTEST <= key.shape[-2] <= (SHORT if learns else FEW_KEYS - 1)
        and query.dim() > 2
        and query.shape[:-2] == key.shape[:-2] == value.shape[:-2]
        and query.numel() > 0
        and all(type(one) is Tensor and one.dtype in _DTYPES for one in tensors)
        and query.device.type == "cpu"
        and not is_transformed()
    )


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
    """Return scale * left @ right of (n, rows, inner) and (n, inner, columns), in some layout."""
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
    if keys.shape[1] >= FEW_KEYS:
        return product(queries, keys.transpose(1, 2), scale=scale).softmax(2)
    by_key = product(keys, queries.transpose(1, 2), scale=scale)
    return by_key.softmax(1).transpose(1, 2)


def _softmax_backward(mixed: Tensor, values: Tensor, weights: Tensor) -> Tensor:
    """The scores' gradient, from that of what the weights mixed."""
    if values.shape[1] >= FEW_KEYS:
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


_KERNELS = {
    "bernoulli_.float": _bernoulli_,
    "max_pool2d_with_indices": _max_pool,
    "scaled_dot_product_attention": _any_attention,
    "_scaled_dot_product_flash_attention_for_cpu": _attention,
    "_scaled_dot_product_flash_attention_for_cpu_backward": _attention_backward,
}
_DIFFERENTIATED = ("scaled_dot_product_attention",)  # torch leaves that to what it consists of
