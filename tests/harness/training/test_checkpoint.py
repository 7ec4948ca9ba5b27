"""Training that goes on from a checkpoint ends with the numbers of one that nobody disturbed."""

import io
import zlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from harness.training.backends.fold_run import start_folds, steps_per_epoch
from harness.training.checkpoint import Past, TrainingState, pack, setting_of, unpack
from harness.training.checkpoint_format import (
    About,
    CheckpointError,
    Packed,
    header,
    read_header,
    why_foreign,
)
from harness.training.initial_weights import Start
from harness.training.trainer import train_folds
from harness.training.types import EpochResult, FoldOutcome, TrainingJob
from tests.builders import build_linear, make_job, make_trial_data

SETTING = setting_of("0" * 16, repeats=(1,), execution="loop", device="cpu", diagnostics="none")


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
    epochs: list[EpochResult] = []
    kept: list[Callable[[], TrainingState]] = []
    steps = train_folds(job, past=past, keep=kept.append)
    while True:
        try:
            epochs.append(next(steps))
        except StopIteration as end:
            return epochs, end.value, kept


def stopped_after(job: TrainingJob, epoch: int, past: TrainingState | None = None) -> Packed:
    """The checkpoint of a process that ended after this epoch."""
    kept: list[Callable[[], TrainingState]] = []
    steps = train_folds(job, past=past, keep=kept.append)
    for _ in range(epoch):
        next(steps)
    packed = pack(About(SETTING, epoch, job.training.epochs, 1), Past(kept[-1]()))
    steps.close()
    return packed


def without_times(epochs: list[EpochResult]) -> list[EpochResult]:
    return [
        replace(one, folds=tuple(replace(fold, epoch_time_s=0.0) for fold in one.folds))
        for one in epochs
    ]


def assert_equal(job: TrainingJob, packed: Packed) -> None:
    """To the last bit: every epoch, the chosen ones, their weights and predictions."""
    epochs, outcomes, _ = run_to_end(job)
    gone_on, ended, kept = run_to_end(job, unpack(packed).state)

    assert len(kept) == len(epochs) - packed.about.epoch
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
    second = stopped_after(job, 5, unpack(first).state)
    assert second.about.epoch == 5
    assert_equal(job, second)


def test_times_add_up_over_processes() -> None:
    """A fold's time is that of all its epochs, whoever trained them."""
    job = make_job(make_trial_data(), epochs=3)
    past = unpack(stopped_after(job, 2)).state
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
    (one, _) = unpack(packed).state.folds.values()
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
    (one, _) = unpack(packed).state.folds.values()
    n_steps = epoch * steps_per_epoch(start_folds(job)[0])
    assert sorted(one["optimizer"]) == ([0, 1, 2, 3] if n_steps >= 10 else [2, 3])
    assert_equal(job, packed)


def test_a_checkpoint_is_what_its_epoch_left() -> None:
    """Packing copies: the epochs that follow don't reach into it."""
    job = make_job(make_trial_data(), epochs=4)
    kept: list[Callable[[], TrainingState]] = []
    steps = train_folds(job, keep=kept.append)
    next(steps)
    about = About(SETTING, 1, 4, 1)
    packed = pack(about, Past(kept[0]()))
    before = bytes(packed.payload)
    list(steps)
    assert bytes(packed.payload) == before
    assert len(unpack(packed).state.results) == 1


def test_rows_of_numpy_numbers_are_read_without_executing_anything() -> None:
    """A metric may give a numpy scalar, which a careful reader refuses."""
    job = make_job(make_trial_data(), epochs=1, objective="macro_f1")
    packed = stopped_after(job, 1)
    layers = ({"epoch": np.int64(1), "activation_mean": np.float64(0.5), "layer": "head"},)
    past = unpack(pack(packed.about, replace(unpack(packed), layers=layers)))
    assert past.layers == ({"epoch": 1, "activation_mean": 0.5, "layer": "head"},)


@pytest.mark.parametrize("place", [0, 300, -1])
def test_a_changed_byte_is_damage(place: int) -> None:
    """Wherever it is."""
    packed = stopped_after(make_job(epochs=1), 1)
    payload = packed.payload.copy()
    payload[place] ^= 1
    with pytest.raises(CheckpointError, match="damaged"):
        unpack(replace(packed, payload=payload))


def test_what_is_no_checkpoint_can_not_be_read(tmp_path: Any) -> None:
    """Though its checksum is right: nothing of it is executed."""
    mark = tmp_path / "executed"

    class Malicious:
        def __reduce__(self) -> Any:
            return (type(mark).touch, (mark,))

    buffer = io.BytesIO()
    torch.save({"results": [], "layers": [], "folds": Malicious()}, buffer)
    payload = np.frombuffer(buffer.getvalue(), np.uint8)
    with pytest.raises(CheckpointError, match="can't be read"):
        unpack(Packed(About(SETTING, 1, 1, 1), payload, zlib.crc32(payload.data)))
    assert not mark.exists()


def test_the_header_says_what_it_is_in_one_line() -> None:
    """Read without the tensors, and equal to what was written."""
    packed = stopped_after(make_job(epochs=3), 2)
    line = header(packed)
    assert line.count(b"\n") == 1
    assert read_header(line) == (packed.about, len(packed.payload), packed.crc32)
    for broken in (b"", b"{}", line[:40], b"\xff\xfe"):
        with pytest.raises(CheckpointError):
            read_header(broken)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, None),
        ({"repeats": (1, 2)}, "repeats 1 there, 1, 2 here"),
        ({"execution": "vectorized"}, "execution loop there, vectorized here"),
        ({"device": "cuda"}, "device cpu there, cuda here"),
        ({"torch": "9"}, "torch 2 there, 9 here"),
    ],
)
def test_a_foreign_checkpoint_says_what_differs(changes: dict[str, Any], words: str | None) -> None:
    """Its trial starts from the beginning."""
    assert why_foreign(About(SETTING, 1, 2, 1), replace(SETTING, **changes)) == words


def test_another_models_state_is_refused() -> None:
    """Never silently half restored."""
    past = unpack(stopped_after(make_job(build=build_normed, epochs=2), 1)).state
    with pytest.raises(
        CheckpointError, match="it does not fit the model: Linear is not what it was"
    ):
        run_to_end(make_job(build=build_linear, epochs=2), past)
