"""The back end `loop`: one fold's model after the other, on every device and for every model."""

from collections.abc import Sequence
from time import perf_counter

import torch
from torch import Tensor
from torch.nn import functional as F

from harness.results.tables import EpochRow
from harness.training.backends.fold_run import (
    FoldRun,
    Trained,
    end_epoch,
    epoch_batches,
    epoch_seed,
    running,
    start_folds,
    state,
    steps_per_epoch,
)
from harness.training.initial_weights import train_mode
from harness.training.optimizers import descend
from harness.training.precision import compiled, computing
from harness.training.schedules import lr_factor
from harness.training.seeds import seed_everything
from harness.training.types import TrainingJob

__all__ = ["NAME", "start", "state", "train_epoch"]

NAME = "loop"


def start(job: TrainingJob) -> list[FoldRun]:
    """Build model and optimizer of every fold. Raises what `build` and `attention` raise."""
    runs = start_folds(job)
    if job.training.compile:
        for run in runs:
            run.forward = compiled(run.model)
    return runs


def train_epoch(runs: Sequence[FoldRun], epoch: int) -> list[EpochRow]:
    """Train and validate each fold for one epoch (from 1). Raises Diverged."""
    return [end_epoch(run, epoch, train(run, epoch)) for run in runs]


def train(run: FoldRun, epoch: int) -> Trained:
    """Train for one pass over the fold's train examples."""
    started = perf_counter()
    training, n_steps = run.job.training, steps_per_epoch(run)
    lr, losses, logits, seen = training.lr, [], [], []
    batches = epoch_batches(run, epoch)
    seed_everything(epoch_seed(run, epoch), run.job.device)
    train_mode(run.model, run.frozen)
    for number, (inputs, targets) in enumerate(batches, start=(epoch - 1) * n_steps):
        lr = training.lr * lr_factor(training, step=number, steps_per_epoch=n_steps)
        batch_loss, batch_logits = step(run, inputs, targets, lr=lr)
        losses.append(batch_loss)
        logits.append(batch_logits)
        seen.append(targets)
    loss, accuracy = running(losses, logits, torch.cat(seen))
    return Trained(loss, accuracy, lr, time_s=perf_counter() - started)


def step(run: FoldRun, inputs: Tensor, targets: Tensor, *, lr: float) -> tuple[Tensor, Tensor]:
    """Take one step; return the batch's mean loss () and logits (batch, num_classes).

    targets: classes (batch,), or weights of the classes (batch, num_classes).
    """
    training = run.job.training
    with computing(training.precision, run.job.device):
        logits = run.forward(inputs)
        loss = F.cross_entropy(logits, targets, label_smoothing=training.label_smoothing)
    clip = training.gradient_clip
    descend(loss, run.parameters, run.optimizer, step=run.step, lr=lr, gradient_clip=clip)
    return loss.detach(), logits.detach()
