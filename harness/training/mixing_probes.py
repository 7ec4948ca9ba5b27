"""What a prediction may depend on: on every token of its example, on nothing of other examples."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

_ROUNDING = 1e-5  # of the largest value: what the place in a batch may change
_EFFECT = 1e-2  # of the spread between examples: less is rounding inside a half-precision model

_SOFTMAX = {torch.softmax, Tensor.softmax, F.softmax, torch.special.softmax}
_PRODUCTS = {
    *(torch.matmul, Tensor.matmul, Tensor.__matmul__),
    *(torch.bmm, Tensor.bmm, torch.baddbmm, torch.einsum),
}
_ATTENTION = {F.scaled_dot_product_attention, F.multi_head_attention_forward}
_MARK = "_holds_attention_weights"


def together(ones: Tensor, others: Tensor) -> Tensor:
    """Return two or three examples of both batches, each at another place and beside other ones."""
    return torch.stack((others[1], ones[0], others[0]))[: len(ones)]


def examples_mix(ones: Tensor, others: Tensor, mixed: Tensor) -> bool:
    """Return whether logits of examples change with their neighbours or their place.

    ones, others: logits of two batches; mixed: of `together` of them. All in evaluation mode.
    """
    expected = together(ones, others)
    if not bool(torch.stack((expected, mixed)).isfinite().all()):
        return False
    spread = (expected - expected.mean(0)).abs().max()
    change = (mixed - expected).abs().max()
    return bool(change > _ROUNDING * expected.abs().max() + _EFFECT * spread)


class Attending(NamedTuple):
    """A call of a module that attends, from (batch, tokens, width) to the same or another width.

    token_axis: 1, or 0 where the batch stands second.
    """

    module: nn.Module
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    token_axis: int


@contextmanager
def watched_attention(model: nn.Module, batch_size: int) -> Iterator[list[Attending]]:
    """Notes the innermost modules around every attention of the forward passes inside.

    Attention is a call of torch's, or a product with what a softmax gave. What such a module
    takes and gives must be tokens, else the module around it is noted.
    """
    calls: list[Attending] = []
    frames = _Frames(batch_size, calls)
    handles = []
    for module in model.modules():
        handles.append(module.register_forward_pre_hook(frames.enter, with_kwargs=True))
        handles.append(module.register_forward_hook(frames.leave, with_kwargs=True))
    try:
        with _FindAttention(frames):
            yield calls
    finally:
        for handle in handles:
            handle.remove()


def mixes_tokens(call: Attending) -> bool:
    """Return whether a token's output changes with what other tokens carry.

    The attention weights are held, so that a softmax over the wrong axis, through which no more
    passes than its denominators, does not count as mixing. Leaves the module as it was.
    """
    n_tokens = _tokens(call).shape[call.token_axis]
    weights = _HeldWeights()
    before = _outputs(call, weights)
    if not bool(before.any()):
        return True  # nothing passes at all yet: that says nothing
    for changed in _subsets(n_tokens):
        if bool(changed.all()):
            continue
        after = _outputs(_perturbed(call, changed), weights)
        difference = (after - before).abs().movedim(call.token_axis, 0)[~changed.to(after.device)]
        if bool(difference.max() > _ROUNDING * before.abs().max()):
            return True
    return False


def weights_mix_tokens(weights: Tensor) -> bool:
    """Return whether any token sees another, by weights (batch, blocks, heads, T, T)."""
    own = torch.eye(weights.shape[-1], dtype=torch.bool, device=weights.device)
    return bool((weights.masked_fill(own, 0) > 0).any())


@dataclass(eq=False)
class _Frame:
    module: nn.Module
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    attends: bool = False


@dataclass(eq=False)
class _Frames:
    """The modules whose forward is running, innermost last."""

    batch_size: int
    calls: list[Attending]
    running: list[_Frame] = field(default_factory=list)

    def enter(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.running.append(_Frame(module, args, kwargs))

    def attend(self) -> None:
        if self.running:
            self.running[-1].attends = True

    def leave(self, module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        frame = self.running.pop()
        if not frame.attends:
            return
        axis = self._token_axis(frame, output)
        if axis is not None:
            self.calls.append(Attending(module, frame.args, frame.kwargs, axis))
        elif self.running:
            self.running[-1].attends = True

    def _token_axis(self, frame: _Frame, output: Any) -> int | None:
        """None where the module does not turn each token into one."""
        shapes = {one.shape[:2] for one in _token_tensors(frame.args, frame.kwargs)}
        given = output[0] if isinstance(output, tuple) and output else output
        if len(shapes) != 1 or not isinstance(given, Tensor) or given.ndim != 3:
            return None
        (shape,) = shapes
        if given.shape[:2] != shape:
            return None
        holds_batch = [size == self.batch_size for size in shape]
        if not any(holds_batch):  # windows of a picture may have joined the batch
            holds_batch = [size % self.batch_size == 0 for size in shape]
        return 1 - holds_batch.index(True) if sum(holds_batch) == 1 else None


class _FindAttention(TorchFunctionMode):
    def __init__(self, frames: _Frames) -> None:
        super().__init__()
        self._frames = frames

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        marked = [one for one in args if isinstance(one, Tensor) and hasattr(one, _MARK)]
        if func in _ATTENTION or (marked and func in _PRODUCTS):
            self._frames.attend()
        elif isinstance(result, Tensor) and (
            func in _SOFTMAX or any(one.numel() == result.numel() for one in marked)
        ):
            setattr(result, _MARK, True)  # through dropout, masks and views up to the product
        return result


class _HeldWeights(TorchFunctionMode):
    """The first pass's softmax outputs in every later pass."""

    def __init__(self) -> None:
        super().__init__()
        self._held: list[Tensor] = []
        self._place = 0
        self._recorded = False

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if func not in _SOFTMAX:
            return func(*args, **(kwargs or {}))
        if not self._recorded:
            self._held.append(func(*args, **(kwargs or {})))
        held = self._held[self._place]
        self._place += 1
        return held.clone()  # a mask may be written into it

    def rewind(self) -> None:
        self._recorded = self._recorded or bool(self._place)
        self._place = 0


def _outputs(call: Attending, weights: _HeldWeights) -> Tensor:
    with torch.no_grad(), weights:
        output = call.module(*call.args, **call.kwargs)
    weights.rewind()
    tokens: Tensor = output[0] if isinstance(output, tuple) else output
    return tokens


def _tokens(call: Attending) -> Tensor:
    return _token_tensors(call.args, call.kwargs)[0]


def _token_tensors(args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Tensor]:
    """Those of a call that hold a vector for each token of each example."""
    given = [one for one in (*args, *kwargs.values()) if isinstance(one, Tensor)]
    return [one for one in given if one.ndim == 3 and one.is_floating_point()]


def _perturbed(call: Attending, changed: Tensor) -> Attending:
    """The call with other vectors for some of the tokens, in queries, keys and values alike."""
    tokens = {id(one) for one in _token_tensors(call.args, call.kwargs)}

    def other(one: Any) -> Any:
        if id(one) not in tokens:
            return one
        along = changed.to(one.device).view(-1, *(1,) * (2 - call.token_axis))
        return torch.where(along, 1 - one, one)

    args = tuple(other(one) for one in call.args)
    return call._replace(args=args, kwargs={key: other(one) for key, one in call.kwargs.items()})


def _subsets(n_tokens: int) -> Sequence[Tensor]:
    """Tokens to change: every second and the others, a half and the other, so that neither a mask
    nor windows nor strides hide what passes."""
    place = torch.arange(n_tokens)
    even, early = place % 2 == 0, place < n_tokens // 2
    return even, ~even, early, ~early
