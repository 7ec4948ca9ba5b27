"""The folds' models as one: tensors stacked, each fold's own model a view of its slice.

So a fold's model is always what training has made of it: validation, state dicts, checkpoints and
probes read it, and writing into it (a chosen epoch's weights) reaches the stack.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import vmap
from torch.optim import Optimizer

from harness.training.backends.batched.operators import Mask, Stackable
from harness.training.backends.fold_run import FoldRun
from harness.training.initial_weights import frozen_modules, train_mode
from harness.training.optimizers import make_optimizer, plain_step


class Unstackable(Exception):
    """The models can't be trained as one; the text says why."""


@dataclass(frozen=True, eq=False)
class Slot:
    """Where a module of the template looks for a tensor. place: its index; empty: of no memory."""

    holder: dict[str, Any]
    key: str
    place: int
    empty: Any


@dataclass(eq=False)
class Stack:
    """Folds of one epoch length, trained as one.

    template: a model without tensors of its own, in training mode.
    parameters, buffers: (folds, *shape), in the order of the model's.
    trainable: parameters that need a gradient. plays: what a step does, by its batch's shapes.
    masks: what dropout draws, by the same shapes.
    """

    runs: tuple[FoldRun, ...]
    template: nn.Module
    slots: tuple[Slot, ...]
    parameters: list[nn.Parameter]
    buffers: list[Tensor]
    trainable: list[nn.Parameter]
    optimizer: Optimizer
    step: Callable[[], None]
    plays: dict[Any, Callable[..., Any]] = field(default_factory=dict)
    masks: dict[Any, list[Mask]] = field(default_factory=dict)


def stack_of(runs: Sequence[FoldRun]) -> Stack:
    """Return the stack of exactly these folds; made, from where each stands, unless it is there.

    Raises Unstackable where the models have different tensors.
    """
    found = runs[0].stack
    if isinstance(found, Stack) and list(found.runs) == list(runs):
        return found
    hand_back(runs)
    template = found.template if isinstance(found, Stack) else _template(runs[0])
    joined = _stacked([list(run.model.named_parameters()) for run in runs])
    buffers = _stacked([list(run.model.named_buffers()) for run in runs])
    trains = [own.requires_grad for own in runs[0].model.parameters()]
    parameters = [nn.Parameter(*one) for one in zip(joined, trains, strict=True)]
    optimizer = make_optimizer(parameters, runs[0].job.training)
    stack = Stack(
        runs=tuple(runs),
        template=template,
        slots=_slots(template, runs[0].model),
        parameters=parameters,
        buffers=buffers,
        trainable=[one for one in parameters if one.requires_grad],
        optimizer=optimizer,
        step=plain_step(optimizer),
    )
    _take_over(stack)
    for run in runs:
        run.stack = stack
    return stack


def hand_back(runs: Sequence[FoldRun]) -> None:
    """Let the optimizer of each fold hold its slice of what the stack's optimizer keeps."""
    for run in runs:
        if isinstance(run.stack, Stack):
            place = run.stack.runs.index(run)
            for own, stacked in zip(run.parameters, run.stack.parameters, strict=True):
                kept = run.stack.optimizer.state.get(stacked)
                if kept is not None:
                    run.optimizer.state[own] = {
                        key: value[place] if _is_stacked(value, stacked) else value
                        for key, value in kept.items()
                    }


def call(
    stack: Stack, inputs: Tensor, *, masks: Sequence[Tensor] | None, mode: Stackable | None = None
) -> Tensor:
    """Return logits (folds, batch, num_classes) of inputs (folds, batch, *input_shape).

    masks: (folds, *shape) of every dropout; None: nothing is dropped. mode: sees the dropouts.
    Raises Unstackable, and what an operator without a batching rule raises.
    """
    slots = stack.slots

    def forward(tensors: list[Tensor], drawn: list[Tensor], one: Tensor) -> Any:
        for slot in slots:
            slot.holder[slot.key] = tensors[slot.place]
        with mode or Stackable(None if masks is None else drawn):
            logits = stack.template(one)
        for slot in slots:
            if slot.holder[slot.key] is not tensors[slot.place]:
                raise Unstackable(f"the model puts another tensor in the place of `{slot.key}`")
        return logits

    try:
        stacked = [*stack.parameters, *stack.buffers]
        logits: Tensor = vmap(forward, randomness="different")(stacked, list(masks or ()), inputs)
    finally:
        for slot in slots:
            slot.holder[slot.key] = slot.empty
    return logits


@contextmanager
def restored_buffers(stack: Stack) -> Iterator[None]:
    """Afterwards the buffers, such as running statistics, are what they were."""
    before = [buffer.clone() for buffer in stack.buffers]
    try:
        yield
    finally:
        with torch.no_grad():
            for buffer, value in zip(stack.buffers, before, strict=True):
                buffer.copy_(value)


def _template(run: FoldRun) -> nn.Module:
    template = copy.deepcopy(run.model).to("meta")
    train_mode(template, frozen_modules(template, run.job.start))
    return template


def _slots(template: nn.Module, model: nn.Module) -> tuple[Slot, ...]:
    """Every place of a parameter or buffer; tied ones have several places and one tensor.

    model: what the template was made of; the meta device unties tensors.
    """
    unique = [*model.parameters(), *model.buffers()]
    places = {id(tensor): place for place, tensor in enumerate(unique)}
    return tuple(
        Slot(holder, key, places[id(tensor)], holder[key])
        for own, module in zip(model.modules(), template.modules(), strict=True)
        for tensors, holder in (
            (own._parameters, module._parameters),
            (own._buffers, module._buffers),
        )
        for key, tensor in tensors.items()
        if tensor is not None
    )


def _stacked(folds: Sequence[Sequence[tuple[str, Tensor]]]) -> list[Tensor]:
    """Equal tensors of all folds as one."""
    described = [
        [(name, one.shape, one.dtype, one.requires_grad) for name, one in fold] for fold in folds
    ]
    if any(other != described[0] for other in described):
        raise Unstackable("the folds' models have tensors of different names, shapes or types")
    return [_joined([one for _, one in same]) for same in zip(*folds, strict=True)]


def _joined(tensors: Sequence[Tensor]) -> Tensor:
    """(folds, *shape), contiguous: fused optimizers take gradients to lie as weights do."""
    return torch.stack([one.detach() for one in tensors]).contiguous()


def _take_over(stack: Stack) -> None:
    """The folds' tensors become views of the stack; what their optimizers kept is its start."""
    for place, run in enumerate(stack.runs):
        own = [*run.model.parameters(), *run.model.buffers()]
        for tensor, stacked in zip(own, [*stack.parameters, *stack.buffers], strict=True):
            tensor.data = stacked.detach()[place]
    for place, stacked in enumerate(stack.parameters):
        kept = [run.optimizer.state.get(run.parameters[place], {}) for run in stack.runs]
        for key, value in kept[0].items():
            several = isinstance(value, Tensor) and value.shape == stacked.shape[1:]
            joined = (
                torch.stack([one[key] for one in kept]).contiguous() if several else _copied(value)
            )
            stack.optimizer.state[stacked][key] = joined


def _is_stacked(value: Any, stacked: Tensor) -> bool:
    return isinstance(value, Tensor) and value.shape == stacked.shape


def _copied(value: Any) -> Any:
    return value.clone() if isinstance(value, Tensor) else value
