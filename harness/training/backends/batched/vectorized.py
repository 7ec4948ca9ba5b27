"""The back end `vectorized`: all folds (and repeats) as one batched model.

The same numbers as the loop's but for rounding: every fold has its own examples, augmentation,
dropout, clipping, chosen epoch and end. Only the training steps are batched; validation and test
are the loop's. Folds that left keep their weights, the others are stacked anew without them.
On a GPU dropout draws other masks than the loop does, from the same seeds.
"""

from collections.abc import Callable, Sequence
from itertools import groupby
from time import perf_counter
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from harness.results.tables import EpochRow
from harness.training.augmentation import Batch
from harness.training.backends import fold_run
from harness.training.backends.batched.model_ensemble import (
    Stack,
    call,
    hand_back,
    restored_buffers,
    stack_of,
)
from harness.training.backends.batched.operators import Mask, Stackable
from harness.training.backends.batched.step_recording import NotRecordable, record
from harness.training.backends.fold_run import (
    FoldRun,
    Trained,
    end_epoch,
    epoch_batches,
    epoch_seed,
    running,
    steps_per_epoch,
)
from harness.training.backends.fold_run import start_folds as start
from harness.training.precision import compiled, computing
from harness.training.schedules import lr_factor
from harness.training.seeds import seed_everything
from harness.training.training_state import FoldStates

__all__ = ["NAME", "start", "state", "train_epoch"]

NAME = "vectorized"

Play = Callable[[Sequence[Tensor]], Any]  # masks, inputs, targets


def train_epoch(runs: Sequence[FoldRun], epoch: int) -> list[EpochRow]:
    """Train the folds together for one epoch (from 1) and validate each. Raises Diverged."""
    trained: list[tuple[FoldRun, Trained]] = []
    for folds in equally_long(runs):
        trained += zip(folds, _train(stack_of(folds), epoch), strict=True)
    passes = {id(run): one for run, one in trained}
    return [end_epoch(run, epoch, passes[id(run)]) for run in runs]


def equally_long(runs: Sequence[FoldRun]) -> list[list[FoldRun]]:
    """Return the folds that step together: repeats may have train roles of different sizes."""
    return [list(group) for _, group in groupby(sorted(runs, key=_n_examples), key=_n_examples)]


def state(runs: Sequence[FoldRun]) -> FoldStates:
    """Return all that the epochs have changed, as the loop keeps it; a view, as there."""
    hand_back(runs)
    return fold_run.state(runs)


def step_inputs(
    stack: Stack, inputs: Tensor, targets: Tensor, generators: Sequence[torch.Generator]
) -> list[Tensor]:
    """Return what a training step takes that is new every time: dropout's masks and the batch."""
    return [*draw_masks(stack, inputs, generators), inputs, targets]


def draw_masks(stack: Stack, inputs: Tensor, generators: Sequence[torch.Generator]) -> list[Tensor]:
    """Return what dropout draws for such a batch, each fold from its own generator."""
    return [mask.draw(generators) for mask in _masks(stack, inputs)]


def training_step(stack: Stack, tensors: Sequence[Tensor]) -> Any:
    """Return losses (folds,), logits (folds, batch, num_classes) and the gradients of `trainable`.

    tensors: of `step_inputs`. A parameter that the loss does not depend on has None.
    """
    *masks, inputs, targets = tensors
    training = stack.runs[0].job.training
    with computing(training.precision, inputs.device):
        logits = call(stack, inputs, masks=masks)
        losses = F.cross_entropy(
            logits.flatten(0, 1),
            targets.flatten(0, 1),
            reduction="none",
            label_smoothing=training.label_smoothing,
        )
    losses = losses.view(targets.shape[:2]).mean(dim=1)
    found = torch.autograd.grad(losses.sum(), stack.trainable, allow_unused=True)
    gradients = _clipped(found, training.gradient_clip)
    return losses.detach(), logits.detach(), gradients


def step(
    stack: Stack,
    inputs: Tensor,
    targets: Tensor,
    *,
    lr: float,
    generators: Sequence[torch.Generator],
) -> tuple[Tensor, Tensor]:
    """Take one step of all folds; return losses (folds,) and logits (folds, batch, num_classes)."""
    tensors = step_inputs(stack, inputs, targets, generators)
    key = (inputs.shape, targets.shape)
    if key not in stack.plays:
        stack.plays[key] = _play(stack, tensors)
    losses, logits, gradients = stack.plays[key](tensors)
    for parameter, gradient in zip(stack.trainable, gradients, strict=True):
        parameter.grad = gradient
    for group in stack.optimizer.param_groups:
        group["lr"] = lr
    stack.step()
    return losses, logits


def trial_step(stack: Stack, batches: Sequence[Batch]) -> None:
    """Take one step on one batch of every fold, to be timed."""
    inputs, targets = (torch.stack(same) for same in zip(*batches, strict=True))
    generators = [_generator(run, 1) for run in stack.runs]
    step(stack, inputs, targets, lr=stack.runs[0].job.training.lr, generators=generators)


def _n_examples(run: FoldRun) -> int:
    return run.n_examples


def _train(stack: Stack, epoch: int) -> list[Trained]:
    """One pass over the train examples of every fold, step by step together."""
    started = perf_counter()
    runs = stack.runs
    training, n_steps = runs[0].job.training, steps_per_epoch(runs[0])
    lr, losses, logits, seen = training.lr, [], [], []
    seed_everything(epoch_seed(runs[0], epoch), runs[0].job.device)
    generators = [_generator(run, epoch) for run in runs]
    batches = zip(*(epoch_batches(run, epoch) for run in runs), strict=True)
    for number, folds in enumerate(batches, start=(epoch - 1) * n_steps):
        lr = training.lr * lr_factor(training, step=number, steps_per_epoch=n_steps)
        inputs, targets = (torch.stack(same) for same in zip(*folds, strict=True))
        batch_losses, batch_logits = step(stack, inputs, targets, lr=lr, generators=generators)
        losses.append(batch_losses)
        logits.append(batch_logits)
        seen.append(targets)
    sums = [_running(place, losses, logits, seen) for place in range(len(runs))]
    time_s = (perf_counter() - started) / len(runs)
    return [Trained(loss, accuracy, lr, time_s) for loss, accuracy in sums]


def _play(stack: Stack, tensors: Sequence[Tensor]) -> Play:
    """How a step with such a batch is done: from a tape, where that says what the step does."""

    def run(given: Sequence[Tensor]) -> Any:
        return training_step(stack, given)

    try:
        with restored_buffers(stack):
            tape = record(run, tensors)
            recorded = [*_tensors(tape.outputs), *(one.clone() for one in stack.buffers)]
    except NotRecordable:
        return run
    with restored_buffers(stack):
        played = [*_tensors(tape.play(tensors)), *stack.buffers]
        same = all(map(_close, recorded, played))
    if not same:
        return run
    return compiled(tape.play) if stack.runs[0].job.training.compile else tape.play


def _masks(stack: Stack, inputs: Tensor) -> list[Mask]:
    """What dropout draws for such a batch, found by a pass that drops nothing."""
    key = inputs.shape
    if key not in stack.masks:
        mode, job = Stackable(), stack.runs[0].job
        with restored_buffers(stack), computing(job.training.precision, job.device):
            call(stack, inputs, masks=None, mode=mode)
        stack.masks[key] = mode.asked
    return stack.masks[key]


def _clipped(gradients: Sequence[Tensor | None], most: float | None) -> list[Tensor | None]:
    """Contiguous as the parameters are; each fold's scaled down to norm `most`, as torch clips."""
    found = [None if one is None else one.contiguous() for one in gradients]
    if most is None:
        return found
    norms = [one.flatten(1).norm(dim=1) for one in found if one is not None]
    scale = (most / (torch.stack(norms).norm(dim=0) + 1e-6)).clamp(max=1.0)  # (folds,)
    return [None if one is None else one * scale.view(-1, *(1,) * (one.dim() - 1)) for one in found]


def _running(
    place: int, losses: list[Tensor], logits: list[Tensor], targets: list[Tensor]
) -> tuple[float, float]:
    own = torch.cat([one[place] for one in targets])
    return running([one[place] for one in losses], [one[place] for one in logits], own)


def _generator(run: FoldRun, epoch: int) -> torch.Generator:
    return torch.Generator(run.job.device).manual_seed(epoch_seed(run, epoch))


def _tensors(outputs: Any) -> list[Tensor]:
    losses, logits, gradients = outputs
    return [losses, logits, *(one for one in gradients if one is not None)]


def _close(one: Tensor, other: Tensor) -> bool:
    return torch.allclose(one, other, rtol=1e-4, atol=1e-6, equal_nan=True)
