"""Operators in a form that stacks: the same numbers from batched models as from each alone.

Dropout, that of attention too, takes its masks from outside, so that every fold draws from a
generator of its own, in the order in which its model alone would draw. In attention the folds join
the batch; on a GPU short sequences are written as products instead.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_map

from harness.training.torch_internals import seen_through

SHORT_SEQUENCE = 64  # tokens

_WITH_BIAS = (F.linear, F.conv1d, F.conv2d, F.conv3d)
_FEATURE_DROPOUTS = {F.dropout1d: 3, F.dropout2d: 4, F.dropout3d: 5}  # dimensions of a batch


@dataclass(frozen=True)
class Mask:
    """A dropout's mask in one fold: zeros in a share `p` of places, 1 / (1 - p) in the others.

    order: its dimensions from the outermost in memory, which is how torch draws them.
    """

    shape: tuple[int, ...]
    order: tuple[int, ...]
    p: float
    dtype: torch.dtype
    device: torch.device

    def draw(self, generators: Sequence[torch.Generator]) -> Tensor:
        """Draw (folds, *shape), each fold's from its own generator, as torch's dropout does."""
        shape = [self.shape[dim] for dim in self.order]
        drawn = torch.empty(len(generators), *shape, dtype=self.dtype, device=self.device)
        for mask, generator in zip(drawn, generators, strict=True):
            mask.bernoulli_(1 - self.p, generator=generator)
        back = [1 + self.order.index(dim) for dim in range(len(shape))]
        return drawn.div_(1 - self.p).permute(0, *back)


class Stackable(TorchFunctionMode):
    """Replaces dropout and attention while a model runs under `vmap`.

    masks: in the order of the model's dropouts; None: nothing is dropped, and `asked` says which
    masks there should have been.
    """

    def __init__(self, masks: Sequence[Tensor] | None = None) -> None:
        super().__init__()
        self.asked: list[Mask] = []
        self._masks: Iterator[Tensor] | None = None if masks is None else iter(masks)

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is F.dropout or func in _FEATURE_DROPOUTS:
            return self._dropout(func, *args, **kwargs)
        if func is F.scaled_dot_product_attention:
            return self._attention(*args, **kwargs)
        if func is F.multi_head_attention_forward:
            with self:
                return _multi_head_attention(*args, **kwargs)
        if func is F.embedding:
            return _embedding(*args, **kwargs)
        if func in _WITH_BIAS:
            args, kwargs = tree_map(_as_autocast, (args, kwargs))
        return func(*args, **kwargs)

    def _dropout(
        self,
        func: Callable[..., Any],
        input: Tensor,  # as torch names it
        p: float = 0.5,
        training: bool = True,
        inplace: bool = False,
    ) -> Any:
        shape = _mask_shape(func, input)
        if not training or not 0 < p < 1 or shape is None:
            return func(input, p, training, inplace)
        return self._masked(input, p, shape=shape, order=_order(func, input))

    def _masked(
        self, input: Tensor, p: float, *, shape: tuple[int, ...], order: tuple[int, ...]
    ) -> Tensor:
        if self._masks is None:
            self.asked.append(Mask(shape, order, p, input.dtype, input.device))
            return input.clone()
        return input * next(self._masks)

    def _attention(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        *,
        scale: float | None = None,
        enable_gqa: bool = False,
    ) -> Tensor:
        """F.scaled_dot_product_attention."""
        options = {"attn_mask": attn_mask, "is_causal": is_causal, "scale": scale}
        if enable_gqa or dropout_p >= 1:
            more = {"dropout_p": dropout_p, "enable_gqa": enable_gqa}
            return _math_attention(query, key, value, **options, **more)
        if dropout_p > 0:
            n_keys = key.shape[-2]
            one_hot = torch.eye(n_keys, dtype=value.dtype, device=value.device)
            one_hot = one_hot.expand(*value.shape[:-1], n_keys)
            weights = _math_attention(query, key, one_hot, **options)
            shape, order = tuple(weights.shape), tuple(range(weights.dim()))
            return self._masked(weights, dropout_p, shape=shape, order=order) @ value
        if attn_mask is None and not is_causal and scale is None:
            return _plain_attention(query, key, value)
        return _math_attention(query, key, value, **options)


class GivenMasks(Stackable):
    """Replaces nothing but dropout's masks, of a model that runs alone."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is F.scaled_dot_product_attention and not _attention_dropout(*args, **kwargs):
            return func(*args, **kwargs)
        if func is F.embedding or func in _WITH_BIAS:
            return func(*args, **kwargs)
        return super().__torch_function__(func, types, args, kwargs)


def _attention_dropout(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    *_: Any,
    **__: Any,
) -> float:
    return dropout_p


def _embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """F.embedding. Stacked, torch takes the padding row for a row of the first fold alone."""
    options = (max_norm, norm_type, scale_grad_by_freq, sparse)
    rows = F.embedding(input, weight, None, *options)
    if padding_idx is None:
        return rows
    padding = padding_idx % weight.shape[0]
    return torch.where((input == padding).unsqueeze(-1), rows.detach(), rows)


def _mask_shape(func: Callable[..., Any], input: Tensor) -> tuple[int, ...] | None:
    """None where torch takes an input without a batch for one."""
    if func is F.dropout:
        return tuple(input.shape)
    if input.dim() != _FEATURE_DROPOUTS[func]:
        return None
    return (*input.shape[:2], *(1,) * (input.dim() - 2))


def _order(func: Callable[..., Any], input: Tensor) -> tuple[int, ...]:
    """Torch's dropout draws in the order of the input's memory, its relatives in the usual one."""
    dims = range(input.dim())
    if func is not F.dropout:
        return tuple(dims)
    return tuple(sorted(dims, key=input.stride().__getitem__, reverse=True))


def _as_autocast(value: Any) -> Any:
    """In autocast's precision where that is on: batching rules add the bias after the product, in
    float32, and the sum would stay there."""
    if not isinstance(value, Tensor) or value.dtype is not torch.float32:
        return value
    kind = value.device.type
    return value.to(torch.get_autocast_dtype(kind)) if torch.is_autocast_enabled(kind) else value


def _plain_attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    if key.device.type != "cpu" and key.shape[-2] <= SHORT_SEQUENCE:
        scores = query * query.shape[-1] ** -0.5 @ key.transpose(-2, -1)
        mixed: Tensor = scores.softmax(dim=-1) @ value
    else:
        mixed = _FoldsJoinTheBatch.apply(query, key, value)  # type: ignore[no-untyped-call]
    return mixed


def _math_attention(query: Tensor, key: Tensor, value: Tensor, **options: Any) -> Tensor:
    """By the kernel that has a batching rule."""
    with sdpa_kernel(SDPBackend.MATH):
        mixed: Tensor = F.scaled_dot_product_attention(query, key, value, **options)
    return mixed


_multi_head_attention = seen_through(F.multi_head_attention_forward)


class _FoldsJoinTheBatch(torch.autograd.Function):
    """One attention on (folds * batch, heads, tokens, head width); it gives no weights."""

    @staticmethod
    def forward(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(query, key, value)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        pass

    @staticmethod
    def vmap(info: Any, in_dims: Any, *tensors: Tensor) -> tuple[Tensor, int]:
        n = info.batch_size
        stacked = [
            tensor.expand(n, *tensor.shape) if dim is None else tensor.movedim(dim, 0)
            for tensor, dim in zip(tensors, in_dims, strict=True)
        ]
        query, key, value = (tensor.flatten(0, 1) for tensor in stacked)
        mixed = F.scaled_dot_product_attention(query, key, value)
        return mixed.reshape(*stacked[0].shape[:2], *mixed.shape[1:]), 0
