"""One fold in training: what every back end shares of its start, its epochs and its end."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import ceil, isfinite
from time import perf_counter
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim import Optimizer

from harness.data.types import Fold
from harness.metrics import METRICS, better, compute
from harness.results.tables import EpochRow
from harness.training.attention import attention_rows, try_attention
from harness.training.augmentation import Batch, agreement, augmented
from harness.training.batches import (
    FoldSource,
    as_tensor,
    examples_used,
    fold_source,
    train_batches,
)
from harness.training.evaluate import (
    Evaluation,
    evaluate,
    predict_logits,
    probabilities,
)
from harness.training.initial_weights import begin, frozen_modules
from harness.training.module_state import (
    ModuleState,
    attributes,
    holds_more,
    kept_state_dict,
    module_state,
    restore_state,
)
from harness.training.optimizers import make_optimizer, plain_step
from harness.training.precision import computing
from harness.training.seeds import derive, permutation, seed_everything
from harness.training.training_state import (
    Chosen,
    FoldStates,
    chosen_of,
    fold_state,
    restore_model,
)
from harness.training.trial_leaks import refuse_shared_storage
from harness.training.types import Diverged, FoldOutcome, TrainingJob

SAME = 1e-5  # of probabilities: what rounding may make of equal models


@dataclass(frozen=True)
class Trained:
    """One pass over the train examples: running loss and accuracy, last learning rate, seconds."""

    loss: float
    accuracy: float
    lr: float
    time_s: float


@dataclass(eq=False)
class FoldRun:
    """One fold in training; the fields that change with the epochs stand last.

    indices: role -> indices of its examples, on the device.
    n_examples: train examples per epoch.
    forward: the model as it is called in training.
    parameters: all of the model's, frozen ones too, which it may train later.
    stack: of harness.training.backends.batched.model_ensemble, where the fold is a slice of one.
    """

    job: TrainingJob
    fold: Fold
    source: FoldSource
    indices: Mapping[str, Tensor]
    n_examples: int
    model: nn.Module
    forward: Callable[[Tensor], Tensor]
    parameters: list[nn.Parameter]
    optimizer: Optimizer
    step: Callable[[], None]
    token_names: tuple[str, ...] | None = None
    frozen: tuple[nn.Module, ...] = ()
    chosen: Chosen | None = None
    fit_time_s: float = 0.0
    stack: object = None


class FoldBackend(Protocol):
    """A way to train a job's folds; each gives the same numbers but for rounding.

    `loop` and `batched.vectorized` are such modules; `selection` chooses one of them and `trainer`
    drives it. The rest is the same for all: see `restore` and `outcomes`.
    """

    NAME: str  # as `training.fold_execution` names it

    def start(self, job: TrainingJob) -> list[FoldRun]:
        """Build model and optimizer of every fold. Raises what `build` and `attention` raise."""
        ...

    def train_epoch(self, runs: Sequence[FoldRun], epoch: int) -> list[EpochRow]:
        """Train and validate each fold for one epoch (from 1).

        Args:
            runs: The folds that still train.
            epoch: Its number.

        Raises:
            Diverged: A loss is not finite.
        """
        ...

    def state(self, runs: Sequence[FoldRun]) -> FoldStates:
        """Return all that the epochs have changed; a view, to be packed before the next epoch."""
        ...


def start_folds(job: TrainingJob) -> list[FoldRun]:
    """Build model and optimizer of every fold. Raises what `build` and `attention` raise."""
    runs = [_start_fold(job, index) for index in job.folds]
    _try_attention(runs[0])
    return runs


def epoch_seed(run: FoldRun, epoch: int) -> int:
    """Return what a fold draws from in an epoch, dropout for one."""
    return derive(run.job.seed, run.fold.repeat, run.fold.fold, epoch)


def epoch_batches(run: FoldRun, epoch: int) -> Iterator[Batch]:
    """Return the fold's batches of an epoch, augmented: inputs (batch, *input_shape) and targets.

    Targets are classes (batch,), or weights of the classes (batch, num_classes).
    """
    training, fold = run.job.training, run.fold
    ids = {"seed": run.job.seed, "repeat": fold.repeat, "fold": fold.fold, "epoch": epoch}
    shuffled = permutation(len(fold.train), **ids)[: run.n_examples].to(run.job.device)
    order = run.indices["train"][shuffled]
    batches = train_batches(run.source, order, training.batch_size)
    if training.augmentation is None:
        return batches
    return augmented(
        batches,
        training.augmentation,
        source=run.source,
        num_classes=len(run.job.data.class_names),
        seed=derive(*ids.values(), "augmentation"),
    )


def steps_per_epoch(run: FoldRun) -> int:
    """Return how many batches an epoch has, the last and smaller one among them."""
    return ceil(run.n_examples / run.job.training.batch_size)


def n_examples(job: TrainingJob, index: int) -> int:
    """Train examples of an epoch, of the fold at an index into the data's.

    As many in every fold of a repeat, so that they can step together, where that leaves out less
    than a batch of each; else all that the fold has. Decided within a repeat, so that more
    repeats leave the earlier ones as they are.
    """
    fold, batch_size = job.data.folds[index], job.training.batch_size
    sizes = _train_sizes(job, fold.repeat)
    shared = examples_used(min(sizes), batch_size)
    if max(sizes) - shared < batch_size:
        return shared
    return examples_used(len(fold.train), batch_size)


def uneven_folds(job: TrainingJob) -> str | None:
    """Return why the job's folds can't take the same batches, in words; None where they can."""
    for repeat in sorted({job.data.folds[index].repeat for index in job.folds}):
        indices = [index for index in job.folds if job.data.folds[index].repeat == repeat]
        if len({n_examples(job, index) for index in indices}) > 1:
            sizes = _train_sizes(job, repeat)
            return (
                f"they train on {min(sizes)} to {max(sizes)} examples, further apart than a batch "
                f"of {job.training.batch_size}"
            )
    return None


def _train_sizes(job: TrainingJob, repeat: int) -> list[int]:
    return [len(fold.train) for fold in job.data.folds if fold.repeat == repeat]


def end_epoch(run: FoldRun, epoch: int, trained: Trained) -> EpochRow:
    """Validate the fold after an epoch and choose among the epochs so far. Raises Diverged."""
    started = perf_counter()
    _raise_if_diverged(run, epoch, trained.loss, "train")
    validation = _evaluate(run, "validation")
    _raise_if_diverged(run, epoch, validation.loss, "validation")
    objective = _objective(run, validation)
    run.chosen = _choose(run, epoch, objective, validation)
    epoch_time_s = trained.time_s + perf_counter() - started
    run.fit_time_s += epoch_time_s
    return EpochRow(
        repeat=run.fold.repeat,
        fold=run.fold.fold,
        epoch=epoch,
        train_loss=trained.loss,
        train_accuracy=trained.accuracy,
        val_loss=validation.loss,
        val_accuracy=validation.accuracy,
        val_objective=objective,
        lr=trained.lr,
        epoch_time_s=epoch_time_s,
    )


def running(
    losses: Sequence[Tensor], logits: Sequence[Tensor], targets: Tensor
) -> tuple[float, float]:
    """Return loss and accuracy over all batches, from sums; one transfer from the device.

    targets: (n,), or weights (n, num_classes), of which a prediction earns that of its class.
    """
    sizes = torch.tensor([len(batch) for batch in logits], dtype=torch.float64)
    loss_sum = torch.stack(list(losses)).double() @ sizes.to(targets.device)
    n_correct = agreement(torch.cat(list(logits)).argmax(1), targets)
    total_loss, correct = torch.stack((loss_sum, n_correct)).tolist()
    return total_loss / len(targets), correct / len(targets)


def outcomes(runs: Sequence[FoldRun]) -> list[FoldOutcome]:
    """Predict every role with the chosen weights; the only time the test examples are read."""
    return [_outcome(run) for run in runs]


def state(runs: Sequence[FoldRun]) -> FoldStates:
    """Return all that the epochs have changed; a view, to be packed before the next epoch."""
    return {
        (run.fold.repeat, run.fold.fold): fold_state(
            module_state(run.model, copied=False),
            run.optimizer.state_dict()["state"],
            chosen=run.chosen,
            fit_time_s=run.fit_time_s,
        )
        for run in runs
    }


def restore(runs: Sequence[FoldRun], states: FoldStates) -> None:
    """Put runs that were just started where `state` found them. Raises KeyError for a fold that
    is missing, CheckpointError, RuntimeError or ValueError for another model's state."""
    for run in runs:
        one = states[run.fold.repeat, run.fold.fold]
        restore_model(run.model, run.optimizer, one)
        run.chosen, run.fit_time_s = chosen_of(one), one["fit_time_s"]


def init_seed(job: TrainingJob, index: int) -> int:
    """Return what a fold's model is initialised from."""
    fold = job.data.folds[index]
    return derive(job.seed, fold.repeat, fold.fold, "init")


def build_model(job: TrainingJob, index: int, *, seed: int | None = None) -> nn.Module:
    """Build the model of one fold, initialised on the CPU by a seed (its own) and by its start."""
    seed_everything(init_seed(job, index) if seed is None else seed, job.device)
    model = job.build(**job.build_arguments(index))
    refuse_shared_storage(model)
    if job.start is not None:
        begin(model, job.start)
    return model.to(job.device)


def _start_fold(job: TrainingJob, index: int) -> FoldRun:
    fold, model = job.data.folds[index], build_model(job, index)
    roles = {"train": fold.train, "validation": fold.validation, "test": fold.test}
    parameters = list(model.parameters())
    optimizer = make_optimizer(parameters, job.training)
    return FoldRun(
        job=job,
        fold=fold,
        source=fold_source(job.data, index, job.device),
        indices={role: as_tensor(indices).to(job.device) for role, indices in roles.items()},
        n_examples=n_examples(job, index),
        model=model,
        forward=model,
        parameters=parameters,
        optimizer=optimizer,
        step=plain_step(optimizer),
        token_names=job.data.fold_inputs[index].token_names,
        frozen=frozen_modules(model, job.start),
    )


def _evaluate(run: FoldRun, role: str) -> Evaluation:
    batch_size = run.job.training.batch_size
    with computing(run.job.training.precision, run.job.device):
        return evaluate(run.model, run.source, run.indices[role], batch_size=batch_size)


def _objective(run: FoldRun, validation: Evaluation) -> float:
    name = run.job.objective
    if name == "accuracy":
        return validation.accuracy
    targets = run.job.data.targets[run.fold.validation]
    return compute([name], targets, validation.probabilities)[name]


def _choose(run: FoldRun, epoch: int, objective: float, validation: Evaluation) -> Chosen:
    """The epoch that counts from now on: this one, or the one before it."""
    training, mode = run.job.training, METRICS[run.job.objective].mode
    if training.selection == "last":
        return Chosen(epoch, objective, validation, state=None)
    if run.chosen is not None and not better(mode, objective, run.chosen.objective):
        return run.chosen
    state = None if epoch == training.epochs else module_state(run.model)
    return Chosen(epoch, objective, validation, state)


def _outcome(run: FoldRun) -> FoldOutcome:
    started = perf_counter()
    chosen = run.chosen
    if chosen is None:
        raise ValueError("a fold has no outcome before its first epoch")
    if chosen.state is None:
        unkept = module_state(run.model, copied=False).unkept
    else:
        unkept = _choose_again(run, chosen.validation, chosen.state)
    roles = {role: indices for role, indices in run.indices.items() if len(indices)}
    evaluations = {
        role: chosen.validation if role == "validation" else _evaluate(run, role) for role in roles
    }
    predictions = {role: evaluation.probabilities for role, evaluation in evaluations.items()}
    predict_time_s = perf_counter() - started
    return FoldOutcome(
        repeat=run.fold.repeat,
        fold=run.fold.fold,
        best_epoch=chosen.epoch,
        n_train_per_epoch=run.n_examples,
        weights_source=run.job.training.selection,
        state=kept_state_dict(run.model),
        attributes=partial(attributes, run.model),
        predictions=predictions,
        losses={role: evaluation.loss for role, evaluation in evaluations.items()},
        fit_time_s=run.fit_time_s,
        predict_time_s=predict_time_s,
        attention=_attention(run, predictions),
        unkept=unkept,
    )


def _try_attention(run: FoldRun) -> None:
    attend = run.job.attention
    if attend is not None and run.token_names is not None:
        try_attention(run.model, run.source, run.indices["train"][:1], attend=attend)


def _attention(
    run: FoldRun, predictions: Mapping[str, NDArray[np.float32]]
) -> tuple[dict[str, Any], ...]:
    """Rows with the chosen weights: of the fold's test, or validation where it has none.

    None where the model does not show its attention or the dataset does not name its tokens.
    """
    job, fold = run.job, run.fold
    if job.attention is None or run.token_names is None:
        return ()
    role = "test" if "test" in predictions else "validation"
    rows = attention_rows(
        run.model,
        run.source,
        run.indices[role],
        attend=job.attention,
        predicted=predictions[role].argmax(1),
        token_names=run.token_names,
        class_names=job.data.class_names,
    )
    return tuple({"repeat": fold.repeat, "fold": fold.fold, **row} for row in rows)


def _choose_again(run: FoldRun, validation: Evaluation, state: ModuleState) -> str:
    """Puts the chosen epoch's model back; in words, what of it is another now, or nothing.

    The validation predictions are made again. Where they differ, though all could be put back, the
    model depends on something outside of itself; unless it gives other ones every time.
    """
    lost = restore_state(run.model, state)
    again = _validated(run)
    same = _are_equal(again, validation.probabilities)
    if not same and _are_equal(again, _validated(run)):
        lost = lost or "something outside of the model that its predictions depend on"
    if holds_more(run.model):
        restore_state(run.model, state)  # evaluation may have changed it
    return lost


def _validated(run: FoldRun) -> NDArray[np.float32]:
    training, indices = run.job.training, run.indices["validation"]
    with computing(training.precision, run.job.device):
        logits = predict_logits(run.model, run.source, indices, batch_size=training.batch_size)
    return probabilities(logits)


def _are_equal(one: NDArray[np.float32], other: NDArray[np.float32]) -> bool:
    if np.array_equal(one, other):
        return True
    return np.allclose(one, other, rtol=0.0, atol=SAME, equal_nan=True)


def _raise_if_diverged(run: FoldRun, epoch: int, loss: float, role: str) -> None:
    if not isfinite(loss):
        fold = run.fold
        raise Diverged(loss, role=role, repeat=fold.repeat, fold=fold.fold, epoch=epoch)
