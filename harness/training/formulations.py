"""Operators in a form that stacks: the same numbers from batched models as from each alone.

Dropout takes its masks from outside, so that every fold draws from a generator of its own, in the
order in which its model alone would draw. Attention is written as products where sequences are
short, which is faster there, and has the folds join the batch where the memory-saving kernel pays.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_map

SHORT_SEQUENCE = 64  # tokens

_WITH_BIAS = (F.linear, F.conv1d, F.conv2d, F.conv3d)
_FEATURE_DROPOUTS = {F.dropout1d: 3, F.dropout2d: 4, F.dropout3d: 5}  # dimensions of a batch


@dataclass(frozen=True)
class Mask:
    """A dropout's mask in one fold: zeros in a share `p` of places, 1 / (1 - p) in the others."""

    shape: tuple[int, ...]
    p: float
    dtype: torch.dtype
    device: torch.device

    def draw(self, generators: Sequence[torch.Generator]) -> Tensor:
        """(folds, *shape), each fold's from its own generator, as torch's dropout draws it."""
        drawn = torch.empty(len(generators), *self.shape, dtype=self.dtype, device=self.device)
        for mask, generator in zip(drawn, generators, strict=True):
            mask.bernoulli_(1 - self.p, generator=generator)
        return drawn.div_(1 - self.p)


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
            return _attention(*args, **kwargs)
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
        if self._masks is None:
            self.asked.append(Mask(shape, p, input.dtype, input.device))
            return input.clone()
        return input * next(self._masks)


def _mask_shape(func: Callable[..., Any], input: Tensor) -> tuple[int, ...] | None:
    """None where torch takes an input without a batch for one."""
    if func is F.dropout:
        return tuple(input.shape)
    if input.dim() != _FEATURE_DROPOUTS[func]:
        return None
    return (*input.shape[:2], *(1,) * (input.dim() - 2))


def _as_autocast(value: Any) -> Any:
    """In autocast's precision where that is on: batching rules add the bias after the product, in
    float32, and the sum would stay there."""
    if not isinstance(value, Tensor) or value.dtype is not torch.float32:
        return value
    kind = value.device.type
    return value.to(torch.get_autocast_dtype(kind)) if torch.is_autocast_enabled(kind) else value


def _attention(query: Tensor, key: Tensor, value: Tensor, *more: Any, **options: Any) -> Any:
    """F.scaled_dot_product_attention."""
    plain = not more and not any(options.values())
    if not plain:
        from torch.nn.attention import SDPBackend, sdpa_kernel

        with sdpa_kernel(SDPBackend.MATH):  # the one with a batching rule
            return F.scaled_dot_product_attention(query, key, value, *more, **options)
    if key.shape[-2] <= SHORT_SEQUENCE:
        scores = query * query.shape[-1] ** -0.5 @ key.transpose(-2, -1)
        return scores.softmax(dim=-1) @ value
    return _FoldsJoinTheBatch.apply(query, key, value)  # type: ignore[no-untyped-call]


class _FoldsJoinTheBatch(torch.autograd.Function):
    """Torch's own kernel on (folds * batch, heads, tokens, head width); it has no weights."""

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
