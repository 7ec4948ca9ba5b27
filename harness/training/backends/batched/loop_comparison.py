"""Whether the batched model trains as the loop does: whole steps of both, compared.

Before models of a shape are trained as one, some steps are, from perturbed weights, in float64
where the model allows it. While the first trial of the shape trains, the first step of each epoch
is also done by the loop.
"""

import bdb
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from itertools import count, islice
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from harness.training.augmentation import Batch
from harness.training.backends import loop
from harness.training.backends.batched import vectorized
from harness.training.backends.batched.model_ensemble import Stack, hand_back, stack_of
from harness.training.backends.batched.operators import GivenMasks
from harness.training.backends.fold_run import (
    FoldRun,
    epoch_batches,
    epoch_seed,
    start_folds,
)
from harness.training.initial_weights import train_mode
from harness.training.optimizers import make_optimizer, plain_step
from harness.training.seeds import derive, seed_everything
from harness.training.types import NotAsTheLoop, TrainingJob

STEPS = 4  # each on other batches; an evaluation stands before the last one
TRIED = 16  # examples of a batch: enough for padding and rare tokens to be among them
NOISE = 0.1  # added to the weights, as a share of their root mean square
LEAST_NOISE = 0.01  # also where all weights are zero, as of a gate that training opens


class _NotInDouble(Exception):
    """The model alone fails in float64."""


@dataclass(frozen=True)
class Exactness:
    """How close numbers have to be.

    relative: the largest difference within a tensor over its largest number, or over `floor` times
    the largest number of all its like, where that is more. weights: the same for parameters.
    certain: a gradient below this share of the largest one may be rounding alone, of which Adam
    makes a step as long as any other; such a weight is not compared.
    """

    relative: float
    weights: float
    floor: float
    certain: float


PRECISE = Exactness(relative=1e-6, weights=1e-8, floor=1e-3, certain=1e-5)  # float64
ROUNDED = Exactness(relative=1e-2, weights=1e-4, floor=1e-2, certain=1e-2)  # float32 and below

_Tensors = Sequence[Tensor | None]


@dataclass(frozen=True, eq=False)
class _StepResult:
    """What a step of one fold leaves; tensors in the order of the model's.

    weights: of parameters that are trained, frozen: of the others; None in the place of the rest.
    """

    logits: Tensor
    gradients: _Tensors
    weights: _Tensors
    frozen: _Tensors
    buffers: Sequence[Tensor]
    optimizer: Mapping[str, _Tensors]


def other_training(job: TrainingJob) -> str | None:
    """In words, in what steps of the batched model differ from those of the loop; None: in nothing.

    Raises what the models raise, in the loop or stacked.
    """
    try:
        return _other_training(job, double=True)
    except _NotInDouble:
        return _other_training(job, double=False)


def compare_epoch(runs: Sequence[FoldRun], epoch: int) -> None:
    """Compare the first step of an epoch in both ways, from where the runs stand and stay.

    The loop's is done by the folds' own models, which validation has seen as the loop's would have.
    Raises NotAsTheLoop.
    """
    for folds in vectorized.equally_long(runs):
        stack = stack_of(folds)
        batches = [next(iter(epoch_batches(run, epoch))) for run in folds]
        seeds = [epoch_seed(run, epoch) for run in folds]
        with _left_as_it_was(stack):
            masks = _masks(stack, batches, seeds)
            alone = _left_alone(folds, batches, seeds, masks)
        with _left_as_it_was(stack):
            difference = _difference(alone, stack, batches, seeds, ROUNDED)
        if difference is not None:
            raise NotAsTheLoop(f"in epoch {epoch}, {difference}")


def _other_training(job: TrainingJob, *, double: bool) -> str | None:
    alone, together = start_folds(job), start_folds(job)
    if double:
        for run in (*alone, *together):
            run.model.double()
            run.optimizer = make_optimizer(run.parameters, job.training)
            run.step = plain_step(run.optimizer)
        _try_in_double(alone[0])
    _perturb(together)
    stack = stack_of(together)
    _follow(alone, stack)
    exactness = PRECISE if double else ROUNDED
    for step, batches in enumerate(islice(_batches(together, double=double), STEPS), start=1):
        if step == STEPS and not _evaluate_alike(alone, together, batches, exactness):
            return "evaluation after some steps gives other logits than in the loop"
        seeds = [derive(epoch_seed(run, 1), step) for run in together]
        left = _left_alone(alone, batches, seeds, _masks(stack, batches, seeds))
        difference = _difference(left, stack, batches, seeds, exactness)
        if difference is not None:
            return difference
        _follow(alone, stack)  # where rounding alone led them apart
    return None


def _try_in_double(run: FoldRun) -> None:
    inputs, targets = next(_batches([run], double=True))[0]
    try:
        train_mode(run.model, run.frozen)
        _, logits = loop.step(run, inputs, targets, lr=run.job.training.lr)
    except bdb.BdbQuit:  # leaving the debugger ends the run
        raise
    except Exception as error:  # whatever torch says of types that don't fit
        raise _NotInDouble from error
    if logits.dtype != torch.float64:
        raise _NotInDouble


def _batches(runs: Sequence[FoldRun], *, double: bool) -> Iterator[list[Batch]]:
    """A small batch of every fold at a time, all of one size."""
    for epoch in count(1):
        for folds in zip(*(epoch_batches(run, epoch) for run in runs), strict=False):
            size = min(TRIED, *(len(targets) for _, targets in folds))
            yield [
                (_precise(inputs[:size], double=double), _precise(targets[:size], double=double))
                for inputs, targets in folds
            ]


def _precise(tensor: Tensor, *, double: bool) -> Tensor:
    return tensor.double() if double and tensor.is_floating_point() else tensor


def _perturb(runs: Sequence[FoldRun]) -> None:
    """Weights that training could lead to: biases, gates and padding are no longer zero."""
    for run in runs:
        generator = torch.Generator().manual_seed(epoch_seed(run, 0))
        with torch.no_grad():
            for weight in run.model.parameters():
                noise = torch.randn(weight.shape, generator=generator).to(weight)
                size = weight.double().square().mean().sqrt().item() if weight.numel() else 0.0
                weight.add_(noise, alpha=max(NOISE * size, LEAST_NOISE))


def _follow(alone: Sequence[FoldRun], stack: Stack) -> None:
    """Puts the loop's folds to where the stacked ones stand."""
    hand_back(stack.runs)
    with torch.no_grad():
        for run, other in zip(alone, stack.runs, strict=True):
            for own, tensor in zip(_tensors(run), _tensors(other), strict=True):
                own.copy_(tensor)
            for own, parameter in zip(run.parameters, other.parameters, strict=True):
                kept = other.optimizer.state.get(parameter, {})
                run.optimizer.state[own] = {k: _laid_out(v, own) for k, v in kept.items()}


def _masks(stack: Stack, batches: Sequence[Batch], seeds: Sequence[int]) -> list[Tensor]:
    """Dropout's masks (folds, *shape) where the loop alone would draw others.

    A GPU draws a dropout's numbers otherwise than its generator gives them.
    """
    inputs = torch.stack([inputs for inputs, _ in batches])
    if inputs.device.type != "cuda":
        return []
    return vectorized.draw_masks(stack, inputs, _generators(inputs.device, seeds))


def _generators(device: torch.device, seeds: Sequence[int]) -> list[torch.Generator]:
    return [torch.Generator(device).manual_seed(seed) for seed in seeds]


def _left_alone(
    runs: Sequence[FoldRun],
    batches: Sequence[Batch],
    seeds: Sequence[int],
    masks: Sequence[Tensor],
) -> list[_StepResult]:
    """A step of each fold in the loop. seeds: what each draws from; masks: of `_masks`."""
    left = []
    for place, (run, (inputs, targets)) in enumerate(zip(runs, batches, strict=True)):
        seed_everything(seeds[place], inputs.device)
        train_mode(run.model, run.frozen)
        with GivenMasks([mask[place] for mask in masks]) if masks else nullcontext():
            _, logits = loop.step(run, inputs.clone(), targets, lr=run.job.training.lr)
        gradients = [one.grad for one in run.parameters]
        left.append(_result_of(run, logits, gradients))
        for parameter in run.parameters:
            parameter.grad = None
    return left


def _difference(
    alone: Sequence[_StepResult],
    stack: Stack,
    batches: Sequence[Batch],
    seeds: Sequence[int],
    exactness: Exactness,
) -> str | None:
    """In words, what a step of the stack leaves otherwise than the loop's did."""
    inputs, targets = (torch.stack(same) for same in zip(*batches, strict=True))
    seed_everything(seeds[0], inputs.device)
    generators = _generators(inputs.device, seeds)
    lr = stack.runs[0].job.training.lr
    _, logits = vectorized.step(stack, inputs, targets, lr=lr, generators=generators)
    hand_back(stack.runs)
    for place, (run, own) in enumerate(zip(stack.runs, alone, strict=True)):
        gradients = [None if one.grad is None else one.grad[place] for one in stack.parameters]
        kind = _other_kind(own, _result_of(run, logits[place], gradients), exactness)
        if kind is not None:
            return f"a training step of fold {run.fold.fold} gives other {kind} than in the loop"
    return None


def _result_of(run: FoldRun, logits: Tensor, gradients: _Tensors) -> _StepResult:
    return _StepResult(
        logits,
        [_copied(one) for one in gradients],
        [one.detach().clone() if one.requires_grad else None for one in run.parameters],
        [None if one.requires_grad else one.detach().clone() for one in run.parameters],
        [one.clone() for one in run.model.buffers()],
        _kept(run),
    )


def _kept(run: FoldRun) -> dict[str, _Tensors]:
    """What the optimizer keeps, by its name, for each parameter."""
    states = [run.optimizer.state.get(one, {}) for one in run.parameters]
    names = sorted({name for state in states for name in state})
    return {name: [_copied(_tensor(state.get(name))) for state in states] for name in names}


def _other_kind(own: _StepResult, other: _StepResult, exactness: Exactness) -> str | None:
    """The first kind of number that differs."""
    close = {
        "logits": _are_close([own.logits], [other.logits], exactness),
        "gradients": _are_close(own.gradients, other.gradients, exactness),
        "buffers": _are_close(
            [*own.buffers, *own.frozen], [*other.buffers, *other.frozen], exactness
        ),
        "states of the optimizer": own.optimizer.keys() == other.optimizer.keys()
        and all(
            _are_close(values, other.optimizer[name], exactness)
            for name, values in own.optimizer.items()
        ),
        "parameters": _are_weights_close(own, other, exactness),
    }
    return next((kind for kind, alike in close.items() if not alike), None)


def _are_close(own: _Tensors, other: _Tensors, exactness: Exactness) -> bool:
    if [one is None for one in own] != [one is None for one in other]:
        return False
    pairs = [(a, b) for a, b in zip(own, other, strict=True) if a is not None and b is not None]
    largest = max((_size(a) for a, _ in pairs), default=0.0)
    return all(
        a.shape == b.shape
        and (
            _size(a - b) <= exactness.relative * max(_size(a), exactness.floor * largest)
            if a.is_floating_point()
            else torch.equal(a, b)
        )
        for a, b in pairs
    )


def _are_weights_close(own: _StepResult, other: _StepResult, exactness: Exactness) -> bool:
    found = [one for one in own.gradients if one is not None]
    least = exactness.certain * max(map(_size, found), default=0.0)
    for weight, there, gradient, beside in zip(
        own.weights, other.weights, own.gradients, other.gradients, strict=True
    ):
        if weight is None or there is None:
            if weight is not there:
                return False
            continue
        difference = weight - there
        if gradient is not None and beside is not None:
            gradient, beside = gradient.to_dense(), beside.to_dense()
            certain = (gradient.abs() >= least) | (gradient == beside)
            difference = difference * certain
        if not _size(difference) <= exactness.weights * max(_size(weight), 1e-3):
            return False
    return True


def _evaluate_alike(
    alone: Sequence[FoldRun],
    together: Sequence[FoldRun],
    batches: Sequence[Batch],
    exactness: Exactness,
) -> bool:
    """Whether the folds' own models, looked at in evaluation mode, give the loop's logits."""
    with torch.no_grad():
        return all(
            _are_close([run.model.eval()(inputs.clone())], [other.model.eval()(inputs)], exactness)
            for run, other, (inputs, _) in zip(alone, together, batches, strict=True)
        )


@contextmanager
def _left_as_it_was(stack: Stack) -> Iterator[None]:
    """Afterwards weights, buffers and what the optimizer keeps are what they were."""
    tensors = [*stack.parameters, *stack.buffers]
    before = [tensor.detach().clone() for tensor in tensors]
    kept = _copied_state(stack.optimizer)
    hand_back(stack.runs)
    for run in stack.runs:
        run.optimizer.state.update(_copied_state(run.optimizer))  # a count of steps is all folds'
    try:
        yield
    finally:
        with torch.no_grad():
            for tensor, value in zip(tensors, before, strict=True):
                tensor.copy_(value)
        for optimizer in (stack.optimizer, *(run.optimizer for run in stack.runs)):
            optimizer.state.clear()
        stack.optimizer.state.update(kept)
        hand_back(stack.runs)
        for parameter in stack.trainable:
            parameter.grad = None


def _copied_state(optimizer: Optimizer) -> dict[Tensor, dict[str, Any]]:
    return {
        parameter: {key: _copied(value) for key, value in state.items()}
        for parameter, state in optimizer.state.items()
    }


def _tensors(run: FoldRun) -> list[Tensor]:
    return [*run.model.parameters(), *run.model.buffers()]


def _size(tensor: Tensor) -> float:
    """The largest of its numbers; not a number where one of them is none."""
    return tensor.detach().to_dense().abs().max().item() if tensor.numel() else 0.0


def _tensor(value: Any) -> Tensor | None:
    return value if value is None or isinstance(value, Tensor) else torch.tensor(float(value))


def _laid_out(value: Any, parameter: Tensor) -> Any:
    """A copy that lies in memory as the parameter does, which fused optimizers take for granted."""
    if isinstance(value, Tensor) and value.shape == parameter.shape:
        return torch.empty_like(parameter).copy_(value)
    return _copied(value)


def _copied(value: Any) -> Any:
    return value.clone() if isinstance(value, Tensor) else value
