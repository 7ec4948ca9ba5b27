"""Training that goes on from a checkpoint ends with the numbers of one that nobody disturbed."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from harness.results.rows import TrialRows
from harness.training.backends.fold_run import start_folds, steps_per_epoch
from harness.training.checkpoint import (
    Checkpoint,
    CheckpointError,
    Header,
    trial_setting,
)
from harness.training.initial_weights import Start
from harness.training.trainer import train_folds
from harness.training.training_state import (
    Checkpointing,
    TrainingState,
    TrialState,
    pack_trial,
    unpack_trial,
)
from harness.training.trial import TrialResult, trial_steps
from harness.training.trial_rows import Initial, TrialJob
from harness.training.types import EpochResult, FoldOutcome, TrainingJob
from tests.builders import build_linear, ended, make_job, make_trial_data, make_trial_job
from tests.checkpoints import SETTING

TRAINING = {"epochs": 6, "lr": 0.3}
DATA = make_trial_data(noise=1.5, repeats=2)


def build_normed(*, input_shape: tuple[int, ...], num_classes: int) -> nn.Module:
    """Running statistics, dropout and two layers."""
    width = int(np.prod(input_shape))
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(width, 8),
        nn.BatchNorm1d(8),
        nn.ReLU(),
        nn.Dropout(0.3),
        nn.Linear(8, num_classes),
    )


def run_to_end(
    job: TrainingJob, past: TrainingState | None = None
) -> tuple[list[EpochResult], tuple[FoldOutcome, ...], list[Callable[[], TrainingState]]]:
    """Its epochs, what is left in the end, and how to keep each new epoch."""
    kept: list[Callable[[], TrainingState]] = []
    epochs, outcomes = ended(train_folds(job, past=past, keep=kept.append))
    return epochs, outcomes, kept


def stopped_after(job: TrainingJob, epoch: int, past: TrainingState | None = None) -> Checkpoint:
    """The checkpoint of a process that ended after this epoch."""
    kept: list[Callable[[], TrainingState]] = []
    steps = train_folds(job, past=past, keep=kept.append)
    for _ in range(epoch):
        next(steps)
    packed = pack_trial(Header(SETTING, epoch, job.training.epochs, 1), TrialState(kept[-1]()))
    steps.close()
    return packed


def without_times(epochs: list[EpochResult]) -> list[EpochResult]:
    return [
        replace(one, folds=tuple(replace(fold, epoch_time_s=0.0) for fold in one.folds))
        for one in epochs
    ]


def assert_equal(job: TrainingJob, packed: Checkpoint) -> None:
    """To the last bit: every epoch, the chosen ones, their weights and predictions."""
    epochs, outcomes, _ = run_to_end(job)
    gone_on, ended, kept = run_to_end(job, unpack_trial(packed).training)

    assert len(kept) == len(epochs) - packed.header.epoch
    assert without_times(gone_on) == without_times(epochs)
    for one, other in zip(outcomes, ended, strict=True):
        assert (one.repeat, one.fold, one.best_epoch) == (
            other.repeat,
            other.fold,
            other.best_epoch,
        )
        assert one.losses == other.losses
        for role, probabilities in one.predictions.items():
            assert np.array_equal(probabilities, other.predictions[role])
        for name, tensor in one.state.items():
            assert torch.equal(tensor, other.state[name])


@pytest.mark.parametrize(
    "training",
    [
        {"optimizer": "adam"},
        {"optimizer": "adamw", "weight_decay": 0.1, "schedule": "cosine", "warmup_epochs": 2},
        {"optimizer": "sgd", "momentum": 0.9, "gradient_clip": 0.5},
        {"optimizer": "sgd", "selection": "last", "label_smoothing": 0.1},
    ],
    ids=["adam", "adamw with a schedule", "momentum", "last"],
)
@pytest.mark.parametrize("epoch", [1, 4, 6])
@pytest.mark.parametrize("execution", ["loop", "vectorized"])
def test_what_goes_on_ends_as_if_undisturbed(
    training: Mapping[str, Any], epoch: int, execution: str
) -> None:
    """After the first, a middle and the last of six epochs; with batch norm and dropout."""
    job = make_job(
        make_trial_data(noise=1.5), build=build_normed, **{"epochs": 6, "lr": 0.05} | training
    )
    job = replace(job, execution=execution)
    assert_equal(job, stopped_after(job, epoch))


def test_a_chosen_epoch_before_the_interruption_stays_chosen() -> None:
    """Its weights are not those that the model has by now."""
    job = make_job(make_trial_data(noise=2.0), epochs=10, lr=0.5)
    chosen = [outcome.best_epoch for outcome in run_to_end(job)[1]]
    assert min(chosen) < 7
    assert_equal(job, stopped_after(job, 7))


@pytest.mark.parametrize("execution", ["loop", "vectorized"])
def test_a_repeat_that_had_stopped_early_stays_stopped(execution: str) -> None:
    """Patience is counted over the epochs before the interruption, too."""
    data = make_trial_data(noise=2.0, repeats=2)
    job = make_job(data, objective="log_loss", epochs=12, lr=0.05, early_stopping=2)
    job = replace(job, execution=execution)
    epochs = run_to_end(job)[0]
    assert [len(one.folds) for one in epochs] == [4] * 5 + [2] * 3
    for epoch in range(1, len(epochs) + 1):
        assert_equal(job, stopped_after(job, epoch))


def test_an_interruption_may_be_interrupted() -> None:
    """Two processes before the one that ends."""
    job = make_job(make_trial_data(noise=1.5), build=build_normed, epochs=6)
    first = stopped_after(job, 2)
    second = stopped_after(job, 5, unpack_trial(first).training)
    assert second.header.epoch == 5
    assert_equal(job, second)


def test_times_add_up_over_processes() -> None:
    """A fold's time is that of all its epochs, whoever trained them."""
    job = make_job(make_trial_data(), epochs=3)
    past = unpack_trial(stopped_after(job, 2)).training
    slow = {key: {**one, "fit_time_s": 100.0} for key, one in past.folds.items()}
    _, outcomes, _ = run_to_end(job, TrainingState(past.results, slow))
    assert all(100 < outcome.fit_time_s < 110 for outcome in outcomes)


def test_frozen_layers_and_given_weights_stay_as_they_are() -> None:
    """Only the head trains, so only its optimizer state is there."""
    given = build_normed(input_shape=(5,), num_classes=3).state_dict()
    start = Start(given, frozenset({"5.weight", "5.bias"}), only_head=True)
    job = replace(make_job(make_trial_data(), build=build_normed, epochs=4), start=start)
    packed = stopped_after(job, 2)
    assert_equal(job, packed)
    (one, _) = unpack_trial(packed).training.folds.values()
    assert sorted(one["optimizer"]) == [4, 5]  # their places among all six


class Unfreezes(nn.Module):
    """Begins to train its first layer after some steps."""

    def __init__(self, n: int, num_classes: int) -> None:
        super().__init__()
        self.body, self.head, self.steps = nn.Linear(n, 8), nn.Linear(8, num_classes), 0
        self.body.requires_grad_(False)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        self.steps += self.training
        if self.steps == 10:
            self.body.requires_grad_(True)
        return self.head(torch.relu(self.body(inputs.flatten(1))))


@pytest.mark.parametrize("epoch", [1, 2, 4, 5])
@pytest.mark.parametrize("training", [{"optimizer": "adam"}, {"optimizer": "sgd", "momentum": 0.9}])
def test_what_was_unfrozen_goes_on_so(training: Mapping[str, Any], epoch: int) -> None:
    """Before the first layer trains, in the epoch in which it begins to, and after it."""
    build = lambda *, input_shape, num_classes: Unfreezes(input_shape[0], num_classes)  # noqa: E731
    job = make_job(make_trial_data(noise=1.5), build=build, **{"epochs": 6, "lr": 0.05} | training)
    packed = stopped_after(job, epoch)
    (one, _) = unpack_trial(packed).training.folds.values()
    n_steps = epoch * steps_per_epoch(start_folds(job)[0])
    assert sorted(one["optimizer"]) == ([0, 1, 2, 3] if n_steps >= 10 else [2, 3])
    assert_equal(job, packed)


def test_a_checkpoint_is_what_its_epoch_left() -> None:
    """Packing copies: the epochs that follow don't reach into it."""
    job = make_job(make_trial_data(), epochs=4)
    kept: list[Callable[[], TrainingState]] = []
    steps = train_folds(job, keep=kept.append)
    next(steps)
    about = Header(SETTING, 1, 4, 1)
    packed = pack_trial(about, TrialState(kept[0]()))
    before = bytes(packed.payload)
    list(steps)
    assert bytes(packed.payload) == before
    assert len(unpack_trial(packed).training.results) == 1


def test_rows_of_numpy_numbers_are_read_without_executing_anything() -> None:
    """A metric may give a numpy scalar, which a careful reader refuses."""
    job = make_job(make_trial_data(), epochs=1, objective="macro_f1")
    packed = stopped_after(job, 1)
    layers = ({"epoch": np.int64(1), "activation_mean": np.float64(0.5), "layer": "head"},)
    past = unpack_trial(pack_trial(packed.header, replace(unpack_trial(packed), layers=layers)))
    assert past.layers == ({"epoch": 1, "activation_mean": 0.5, "layer": "head"},)


def test_another_models_state_is_refused() -> None:
    """Never silently half restored."""
    past = unpack_trial(stopped_after(make_job(build=build_normed, epochs=2), 1)).training
    with pytest.raises(
        CheckpointError, match="it does not fit the model: Linear is not what it was"
    ):
        run_to_end(make_job(build=build_linear, epochs=2), past)


def build_deeper(*, input_shape: tuple[int, ...], num_classes: int) -> nn.Module:
    """Something below the head, for weights to be given to."""
    return nn.Sequential(nn.Linear(*input_shape, 4), nn.ReLU(), nn.Linear(4, num_classes))


def run(
    job: TrialJob, *, past: Checkpoint | None = None, stop_after: int | None = None, **changes: Any
) -> tuple[TrialResult | None, list[int], Checkpoint | None]:
    """Its result (None where it was stopped), the epochs it told of, its last checkpoint."""
    kept: list[Checkpoint] = []
    checkpointing = Checkpointing(
        lambda make: kept.append(make()), lambda: None if past is None else unpack_trial(past)
    )
    arguments = {"build": build_linear, "checkpointing": checkpointing} | changes
    steps, told = trial_steps(job, DATA, **arguments), []
    while stop_after is None or len(told) < stop_after:
        step = next(steps)
        if isinstance(step, TrialResult):
            return step, told, kept[-1] if kept else None
        told.append(step.rows[0]["epoch"])
    steps.close()
    return None, told, kept[-1]


def telling(rows: TrialRows) -> list[Any]:
    """Everything but times and the process's memory, as plain values."""
    blocks = [
        [
            (block.repeat, block.fold, block.role, *block.example_ids.tolist()),
            block.probabilities.tobytes(),
        ]
        for block in rows.predictions
    ]
    tables = [[rows.trial], rows.folds, rows.epochs, rows.layers]
    return [
        *([{k: v for k, v in row.items() if not _varies(k)} for row in one] for one in tables),
        blocks,
    ]


def _varies(column: str) -> bool:
    return column.endswith(("_s", "_at", "_mb"))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"diagnostics": "layers"},
        {"repeats": (1, 2)},
        {"repeats": (2,)},
        {"objective": "macro_f1", "training": TRAINING | {"early_stopping": 2}},
        {"training": TRAINING | {"optimizer": "sgd", "momentum": 0.9, "selection": "last"}},
    ],
    ids=["plain", "layers", "two repeats", "a repeat added later", "early stopping", "last"],
)
def test_every_row_is_as_if_undisturbed(changes: dict[str, Any]) -> None:
    """Epochs of both processes once each, layers, folds, predictions to the last bit."""
    job = make_trial_job(**{"training": TRAINING} | changes)
    straight, all_told, _ = run(job)
    _, told, kept = run(job, stop_after=3)
    gone_on, told_again, _ = run(job, past=kept)

    assert straight is not None and gone_on is not None
    assert straight.rows.trial["status"] == "complete"
    assert (told, told_again) == ([1, 2, 3], all_told)
    assert telling(gone_on.rows) == telling(straight.rows)
    for key, state in straight.weights.items():
        for name, tensor in state.items():
            assert np.array_equal(tensor, gone_on.weights[key][name])


def test_given_weights_stay_what_training_started_from() -> None:
    """Of a pretraining: its own rows first, as before, and what the source is called."""
    given = {"weights": {"0.weight": np.eye(4, 5, dtype=np.float32)}, "build": build_deeper}
    initial = Initial("pretraining 0", "0" * 16, 0.5, 0.5, ({"stage": "pretraining", "epoch": 1},))
    job = make_trial_job(training=TRAINING, initial=initial)
    straight, _, _ = run(job, **given)
    _, _, kept = run(job, stop_after=2, **given)
    gone_on, _, _ = run(job, past=kept, **given)

    assert straight is not None and gone_on is not None
    assert gone_on.rows.folds[0]["weights_source"].endswith("pretraining 0")
    assert telling(gone_on.rows) == telling(straight.rows)


def test_a_failure_after_going_on_has_all_epochs() -> None:
    """Those that lie behind it, and those since."""
    job = make_trial_job(training=TRAINING)
    _, _, kept = run(job, stop_after=2)

    class Tired(Exception):
        pass

    steps = trial_steps(
        job,
        DATA,
        build=build_linear,
        checkpointing=Checkpointing(lambda make: None, lambda: unpack_trial(kept)),
    )
    for _ in range(4):
        next(steps)
    result = steps.throw(Tired("enough"))
    assert isinstance(result, TrialResult)
    rows = result.rows

    assert rows.trial["error"] == "Tired: enough"
    assert sorted({row["epoch"] for row in rows.epochs}) == [1, 2, 3, 4]
    assert rows.trial["epochs_trained"] == 4


def test_a_checkpoint_says_whose_it_is() -> None:
    """Its trial, attempt and epoch."""
    job = make_trial_job(training=TRAINING, attempt=3)
    _, _, kept = run(job, stop_after=2)

    assert kept is not None
    assert kept.header.setting == trial_setting(job, "loop")
    assert (kept.header.epoch, kept.header.epochs, kept.header.attempt) == (2, 6, 3)


def test_a_checkpoint_of_another_model_is_told_and_the_trial_begins_anew() -> None:
    """It reads well and names the same trial; what is trained is as if it were not there."""
    job = make_trial_job(training=TRAINING, diagnostics="layers")
    told: list[str] = []
    straight, _, _ = run(job, build=build_deeper)
    _, _, kept = run(job, stop_after=2)
    anew, _, _ = run(job, past=kept, build=build_deeper, tell=told.append)

    assert straight is not None and anew is not None
    [line] = told
    assert line.startswith(
        f"trial {job.trial_id} starts from the beginning, its checkpoint is of no use: "
        "it does not fit the model: Sequential is not what it was"
    )
    assert telling(anew.rows) == telling(straight.rows)
