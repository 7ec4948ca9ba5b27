"""Rotation pretraining: which of four quarter turns was an image given? Labels play no part."""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, isfinite
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.config.sections import Pretraining
from harness.data.types import TrialData
from harness.training.batches import (
    FoldSource,
    as_tensor,
    evaluation_batch_size,
    examples_used,
    gather,
    pretraining_source,
)
from harness.training.initial_weights import Start, begin, head_entries
from harness.training.module_state import module_state, restore_exactly, state_of
from harness.training.optimizers import descend, make_optimizer, plain_step
from harness.training.schedules import lr_factor
from harness.training.seeds import derive, permutation, seed_everything
from harness.training.training_state import PretrainingState

Row = dict[str, Any]


@dataclass(frozen=True, eq=False)
class PretrainingJob:
    """One pretraining. build: the model's `build`; model_arguments: its arguments but the data's.

    data: with `pretraining`, the examples that take part. weights: a state dict to begin with,
    its head left out; None begins with random ones.
    """

    section: Pretraining
    data: TrialData
    build: Callable[..., nn.Module]
    model_arguments: Mapping[str, Any]
    seed: int
    device: torch.device
    weights: Mapping[str, Tensor] | None = None


@dataclass(frozen=True, eq=False)
class Pretrained:
    """The weights of the last epoch, on the CPU, and what they make of the task.

    val_accuracy: over all four rotations of the examples held out, None where none is;
    test_accuracy: of the folds' test examples, None without a test.
    """

    weights: Mapping[str, Tensor]
    rows: tuple[Row, ...]
    val_accuracy: float | None
    test_accuracy: float | None


@dataclass(eq=False)
class _Run:
    job: PretrainingJob
    source: FoldSource
    train: Tensor
    validation: Tensor
    test: Tensor
    model: nn.Module
    parameters: list[nn.Parameter]
    optimizer: torch.optim.Optimizer
    step: Callable[[], None]


def pretrain(
    job: PretrainingJob, past: PretrainingState | None = None
) -> Generator[PretrainingState | Pretrained, None, None]:
    """Yield after each epoch what can be gone on from, and the weights in the end.

    Args:
        job: What to pretrain.
        past: Where an interrupted pretraining stood; where it doesn't hold all that the model did,
            it begins anew.

    Raises:
        ValueError: A loss is not finite; besides whatever the model raises.
    """
    run = _start(job)
    rows: tuple[Row, ...] = ()
    if past is not None:
        if restore_exactly(run.model, state_of(past.model)):
            run = _start(job)
        else:
            run.optimizer.load_state_dict(dict(past.optimizer))
            rows = past.rows
    for epoch in range(len(rows) + 1, job.section.epochs + 1):
        rows = (*rows, _epoch(run, epoch))
        model = module_state(run.model).plain()
        yield PretrainingState(rows, model, run.optimizer.state_dict())
    test_accuracy = _evaluate(run, run.test)[1]
    yield Pretrained(_on_cpu(run.model), rows, rows[-1]["val_accuracy"], test_accuracy)


def _start(job: PretrainingJob) -> _Run:
    """The model of the task, initialised on the CPU by the seed, then by weights given."""
    examples = job.data.pretraining
    if examples is None:
        raise ValueError("the data has no examples set aside for pretraining")
    seed_everything(derive(job.seed, "pretraining", "init"), job.device)
    model = job.build(input_shape=job.data.input_shape, num_classes=TURNS, **job.model_arguments)
    if job.weights is not None:
        head = head_entries(
            job.build,
            input_shape=job.data.input_shape,
            num_classes=TURNS,
            arguments=job.model_arguments,
        )
        begin(model, Start(job.weights, head))
    model = model.to(job.device)
    parameters = list(model.parameters())
    optimizer = make_optimizer(parameters, job.section.training)
    roles = (examples.train, examples.validation, examples.test)
    train, validation, test = (as_tensor(indices).to(job.device) for indices in roles)
    return _Run(
        job=job,
        source=pretraining_source(job.data, job.device),
        train=train,
        validation=validation,
        test=test,
        model=model,
        parameters=parameters,
        optimizer=optimizer,
        step=plain_step(optimizer),
    )


def _epoch(run: _Run, epoch: int) -> Row:
    started = perf_counter()
    train_loss, train_accuracy, lr = _train(run, epoch)
    if not isfinite(train_loss):
        raise ValueError(f"diverged: the loss is {train_loss} in epoch {epoch}")
    val_loss, val_accuracy = _evaluate(run, run.validation)
    return {
        "stage": "pretraining",
        "epoch": epoch,
        "train_loss": train_loss,
        "train_accuracy": train_accuracy,
        "val_loss": val_loss,
        "val_accuracy": val_accuracy,
        "lr": lr,
        "epoch_time_s": perf_counter() - started,
    }


def _train(run: _Run, epoch: int) -> tuple[float, float, float]:
    """One pass over the train part, each image in one rotation: loss, accuracy, last lr."""
    section, training = run.job.section, run.job.section.training
    seed, device = derive(run.job.seed, "pretraining"), run.job.device
    n = len(run.train)
    per_epoch = section.rotations == "per_epoch"
    turns = drawn_turns(n, seed=seed, epoch=epoch, per_epoch=per_epoch).to(device)
    order = permutation(n, seed=seed, repeat=0, fold=0, epoch=epoch).to(device)
    order = order[: examples_used(n, section.batch_size)]
    steps_per_epoch = ceil(len(order) / section.batch_size)
    lr, losses, hits = training.lr, [], []
    seed_everything(derive(seed, epoch), device)
    run.model.train()
    for number, batch in enumerate(torch.split(order, section.batch_size)):
        step = (epoch - 1) * steps_per_epoch + number
        lr = training.lr * lr_factor(training, step=step, steps_per_epoch=steps_per_epoch)
        images, answers = gather(run.source, run.train[batch]), turns[batch]
        loss, n_right = _step(run, turned(images, answers), answers, lr=lr)
        losses.append(loss * len(batch))
        hits.append(n_right)
    loss_sum, n_right = torch.stack((torch.stack(losses).sum(), torch.stack(hits).sum())).tolist()
    return loss_sum / len(order), n_right / len(order), lr


def _step(run: _Run, images: Tensor, answers: Tensor, *, lr: float) -> tuple[Tensor, Tensor]:
    """One step of the optimizer; the batch's mean loss () and its right answers (), float64."""
    logits = run.model(images)
    loss = F.cross_entropy(logits, answers)
    clip = run.job.section.gradient_clip
    descend(loss, run.parameters, run.optimizer, step=run.step, lr=lr, gradient_clip=clip)
    return loss.detach().double(), (logits.argmax(1) == answers).sum().double()


def _evaluate(run: _Run, indices: Tensor) -> tuple[float | None, float | None]:
    """Mean loss and accuracy over all four rotations of the examples; None without examples."""
    if not len(indices):
        return None, None
    size = max(1, evaluation_batch_size(run.source, run.job.section.batch_size) // TURNS)
    totals = torch.zeros(2, dtype=torch.float64, device=run.job.device)
    run.model.eval()
    with torch.no_grad():
        for part in torch.split(indices, size):
            images = all_turns(gather(run.source, part)).flatten(0, 1)
            answers = torch.arange(TURNS, device=run.job.device).repeat_interleave(len(part))
            logits = run.model(images).float()
            loss = F.cross_entropy(logits, answers, reduction="sum").double()
            totals += torch.stack((loss, (logits.argmax(1) == answers).sum().double()))
    loss_sum, n_right = totals.tolist()
    return loss_sum / (TURNS * len(indices)), n_right / (TURNS * len(indices))


def _on_cpu(model: nn.Module) -> dict[str, Tensor]:
    entries = model.state_dict().items()
    return {
        name: entry.detach().cpu().clone() for name, entry in entries if isinstance(entry, Tensor)
    }


TURNS = 4  # 0, 90, 180 and 270 degrees, counter-clockwise


def turned(images: Tensor, turns: Tensor) -> Tensor:
    """Return (batch, channels, size, size): image i turned by `turns[i]` times 90 degrees."""
    result = torch.empty_like(images)
    for quarter in range(TURNS):
        chosen = turns == quarter
        result[chosen] = torch.rot90(images[chosen], quarter, dims=(2, 3))
    return result


def all_turns(images: Tensor) -> Tensor:
    """Return (4, batch, channels, size, size): every image in all four rotations."""
    return torch.stack([torch.rot90(images, quarter, dims=(2, 3)) for quarter in range(TURNS)])


def drawn_turns(n: int, *, seed: int, epoch: int, per_epoch: bool) -> Tensor:
    """Draw (n,) int64 on the CPU: each image's turn in an epoch; the same in all unless per_epoch.

    Drawn independently, each of the four with the same chance.
    """
    generator = torch.Generator()
    generator.manual_seed(derive(seed, "turns", epoch if per_epoch else 0))
    return torch.randint(TURNS, (n,), generator=generator)


def rotation_grid(images: Sequence[Tensor] | Tensor) -> Tensor:
    """Return (channels, n * size, 4 * size): one row per image, its four rotations side by side.

    images: n of (channels, size, size). To look at, or to save, what the task shows a model.
    """
    rows = [torch.cat(list(one), dim=2) for one in all_turns(torch.stack(list(images))).unbind(1)]
    return torch.cat(rows, dim=1)
