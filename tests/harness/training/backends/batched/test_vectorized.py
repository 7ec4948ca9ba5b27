"""All folds as one batched model: the loop's numbers, in every way a fold can differ."""

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from harness.data.types import FoldInputs
from harness.training.backends import fold_run, loop
from harness.training.backends.batched import vectorized
from harness.training.backends.batched.model_ensemble import Stack
from harness.training.fast_operators import FEW_NUMBERS, use_fast_operators
from harness.training.initial_weights import Start
from harness.training.layer_statistics import layer_observer
from harness.training.trainer import train_folds
from tests.builders import make_trial_data
from tests.models.test_every_model import CASES, NUM_CLASSES, Case
from tests.stacked import Double, assert_same, small_job, small_net


@pytest.fixture(autouse=True)
def _as_in_a_worker() -> None:
    use_fast_operators()


LARGE = ("cifar_cnn", "resnet18")  # millions of weights: seconds in float64


def shipped(case: Case) -> Any:
    """Two folds of ten examples of what the model takes."""
    data = make_trial_data(n=20, num_classes=NUM_CLASSES, input_shape=case.input_shape, test=False)
    if case.takes_ids:
        ids = np.random.default_rng(0).integers(1, 40, (20, *case.input_shape))
        ids[::2, -3:] = 0
        data = replace(data, inputs=(ids,))
    return data


def build_of(case: Case) -> Any:
    """Its `build`, from the seed that the fold's initialisation gives."""

    def build(*, input_shape: tuple[int, ...], num_classes: int) -> nn.Module:
        return Double(case.build(seed=torch.initial_seed() % 2**31))

    return build


def slow_where_large(case: Case) -> Any:
    name = "-".join([case.name, *map(str, case.arguments.values())])
    return pytest.param(case, id=name, marks=[pytest.mark.slow] if case.name in LARGE else [])


@pytest.mark.parametrize("case", [slow_where_large(case) for case in CASES])
def test_every_shipped_model_is_trained_as_in_the_loop(case: Case) -> None:
    """Its default dropout included: each fold draws the masks that it would draw alone."""
    data = shipped(case)
    job = small_job(data=data, batch_size=5, epochs=1, lr=0.003, gradient_clip=1.0)
    assert_same(replace(job, build=build_of(case)), atol=1e-6)


def test_masks_of_many_numbers_are_the_loops() -> None:
    """Drawn by the generator for many, from the seed that the fold's own gives."""
    job = small_job(
        build=partial(small_net, width=400), epochs=2, lr=0.003, batch_size=5, gradient_clip=1.0
    )
    assert FEW_NUMBERS <= 5 * 400 * 5
    assert_same(job, atol=1e-6)


@pytest.mark.parametrize(
    "optimizer",
    [
        {"optimizer": "adam", "weight_decay": 0.01},
        {"optimizer": "adamw", "weight_decay": 0.1},
        {"optimizer": "sgd", "momentum": 0.9, "weight_decay": 0.01},
        {"optimizer": "sgd"},
    ],
    ids=lambda given: "-".join(map(str, given.values())),
)
def test_every_optimizer_steps_as_in_the_loop(optimizer: dict[str, Any]) -> None:
    """Weight decay and momentum, through a schedule, smoothing and a last batch of fewer."""
    job = small_job(epochs=3, lr=0.01, schedule="cosine", label_smoothing=0.1, **optimizer)
    assert_same(job)


def test_gradients_are_clipped_in_each_fold_by_itself() -> None:
    """A tenth of the usual norm: clipping over all folds at once would give other weights."""
    assert_same(small_job(gradient_clip=0.05, optimizer="sgd", lr=0.5))


def test_folds_of_unequal_size_train_on_equally_many_examples() -> None:
    """Of 21 and 27 train examples each epoch sees 21 in both."""
    assert_same(small_job(n=60, n_train=(21, 20)))


def test_repeats_of_unequal_size_do_not_step_together() -> None:
    """The second repeat has fewer train examples, so it is a stack of its own."""
    data = make_trial_data(n=60, input_shape=(2, 5), repeats=2)
    cut = tuple(
        replace(fold, train=fold.train[:9]) if fold.repeat == 2 else fold for fold in data.folds
    )
    job = small_job(data=replace(data, folds=cut))
    assert_same(job)
    runs = vectorized.start(job)
    vectorized.train_epoch(runs, 1)
    assert len({id(run.stack) for run in runs}) == 2


def test_a_repeat_that_stops_early_leaves_the_others_stacked() -> None:
    """The folds that are left go on with their optimizer's memory, as in the loop."""
    job = small_job(repeats=3, epochs=12, early_stopping=1, lr=0.05, noise=2.0)
    epochs = assert_same(job)
    left = [len(epoch.folds) for epoch in epochs]
    assert left[0] == 6 and 0 < left[-1] < 6, left


@pytest.mark.parametrize("selection", ["best", "last"])
def test_the_chosen_epochs_weights_are_each_folds_own(selection: str) -> None:
    """`best` puts an earlier epoch's weights back into one fold, not into its neighbours."""
    epochs = assert_same(small_job(epochs=6, lr=0.2, noise=2.0, selection=selection))
    assert len(epochs) == 6


def test_inputs_and_arguments_may_differ_from_fold_to_fold() -> None:
    """Normalisation by a fold's own numbers, and an embedding that its train examples made."""

    def build(*, input_shape: Any, num_classes: int, scale: np.ndarray) -> nn.Module:
        model = small_net(input_shape=input_shape, num_classes=num_classes)
        model.register_buffer("scale", torch.tensor(scale))
        return model

    numbers = [
        {"mean": np.float32([n, 0]), "std": np.float32([1, n]),
         "model_arguments": {"scale": np.float32([n, 2 * n])}}
        for n in (1, 3)
    ]  # fmt: skip
    data = make_trial_data(input_shape=(2, 5))
    data = replace(data, fold_inputs=tuple(FoldInputs(**one) for one in numbers))
    assert_same(small_job(data=data, build=build))


def test_augmentation_is_that_of_each_fold() -> None:
    """Mixup makes targets weights of the classes, drawn for each fold by itself."""
    assert_same(small_job(augmentation={"mixup": {"alpha": 0.4}, "gain": {"db": 6.0}}))


def test_frozen_weights_and_statistics_stay() -> None:
    """Only the head trains; the running mean of the frozen BatchNorm does not move."""
    start = Start(None, frozenset({"model.5.weight", "model.5.bias"}), only_head=True)
    job = replace(small_job(), start=start)
    assert_same(job)
    runs = vectorized.start(job)
    before = runs[0].model.state_dict()["model.0.weight"].clone()
    vectorized.train_epoch(runs, 1)
    after = runs[0].model.state_dict()
    assert torch.equal(after["model.0.weight"], before)
    assert torch.equal(after["model.1.running_mean"], torch.zeros(6).double())


def test_tied_weights_stay_tied() -> None:
    """One tensor in two places of the model gets both places' gradients."""

    def build(*, input_shape: Any, num_classes: int) -> nn.Module:
        model = nn.Sequential(nn.Flatten(), nn.Linear(10, 10), nn.Tanh(), nn.Linear(10, 10),
                              nn.Linear(10, num_classes))  # fmt: skip
        model[3].weight = model[1].weight
        return model

    assert_same(small_job(build=build))


def test_parameters_without_gradient_stay_as_they_are() -> None:
    """Weight decay would shrink an unused layer if its gradient were zeros."""

    class Idle(nn.Module):
        def __init__(self, n: int, num_classes: int) -> None:
            super().__init__()
            self.idle, self.head = nn.Linear(3, 3), nn.Linear(n, num_classes)

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            return self.head(inputs.flatten(1))

    assert_same(small_job(build=lambda *, input_shape, num_classes: Idle(10, num_classes),
                          weight_decay=0.5))  # fmt: skip


def test_a_model_is_always_what_training_made_of_it() -> None:
    """The fold's own model is a view of the stack: writing into it reaches the next step."""
    runs = vectorized.start(small_job())
    vectorized.train_epoch(runs, 1)
    stack = runs[1].stack
    assert isinstance(stack, Stack)
    with torch.no_grad():
        next(runs[1].model.parameters()).fill_(7.0)
    assert bool((stack.parameters[0][1] == 7.0).all())
    assert not bool((stack.parameters[0][0] == 7.0).any())


def test_a_step_is_played_from_a_tape() -> None:
    """Two shapes of batches, the last one smaller, are two tapes; no step takes the slow way."""
    runs = vectorized.start(small_job(n=60, batch_size=8))
    vectorized.train_epoch(runs, 1)
    plays = runs[0].stack.plays
    assert len(plays) == 2
    assert all("step_recording" in play.__module__ for play in plays.values())


@pytest.mark.parametrize("norm_first", [False, True])
def test_torchs_own_transformer_drops_the_same_attention(norm_first: bool) -> None:
    """Its dropout of 0.3 stands in three places, one of them inside the attention."""

    class Encoder(nn.Module):
        def __init__(self, channels: int, num_classes: int) -> None:
            super().__init__()
            self.enter = nn.Linear(channels, 8)
            self.layer = nn.TransformerEncoderLayer(
                8, 2, 12, dropout=0.3, batch_first=True, norm_first=norm_first
            )
            self.head = nn.Linear(8, num_classes)

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            return self.head(self.layer(self.enter(inputs.transpose(1, 2))).mean(1))

    job = small_job(build=lambda *, input_shape, num_classes: Encoder(2, num_classes), lr=0.01)
    assert_same(job)


def test_training_goes_on_from_its_state_to_the_last_bit() -> None:
    """Three epochs, or one, its state through the loop's layout, and two more."""
    job = small_job(epochs=3)
    whole = vectorized.start(job)
    for epoch in (1, 2, 3):
        rows = vectorized.train_epoch(whole, epoch)
    first, second = vectorized.start(job), vectorized.start(job)
    vectorized.train_epoch(first, 1)
    fold_run.restore(second, vectorized.state(first))
    for epoch in (2, 3):
        again = vectorized.train_epoch(second, epoch)
    assert [one.val_loss for one in again] == [one.val_loss for one in rows]
    for run, other in zip(whole, second, strict=True):
        for name, tensor in run.model.state_dict().items():
            assert torch.equal(other.model.state_dict()[name], tensor), name


def test_the_state_has_the_loops_layout() -> None:
    """So one may go on where the other stood."""
    job = small_job(epochs=2)
    alone, together = loop.start(job), vectorized.start(job)
    loop.train_epoch(alone, 1)
    vectorized.train_epoch(together, 1)
    for key, fold in loop.state(alone).items():
        other = vectorized.state(together)[key]
        assert fold.keys() == other.keys()
        for place, kept in fold["optimizer"].items():
            for name, value in kept.items():
                torch.testing.assert_close(other["optimizer"][place][name], value)


def test_layers_and_their_gradients_are_looked_at_as_in_the_loop() -> None:
    """The table `layers` reads each fold's model, which is a slice of the stack."""
    tables: list[list[dict[str, Any]]] = []
    for name in ("loop", "vectorized"):
        rows: list[dict[str, Any]] = []
        steps = train_folds(replace(small_job(), execution=name), observe=layer_observer(rows))
        list(steps)
        tables.append(rows)
    assert len(tables[0]) == len(tables[1]) > 0
    for row, other in zip(*tables, strict=True):
        assert row == pytest.approx(other, abs=1e-6)


def test_the_batched_models_times_are_those_of_all_folds() -> None:
    """Each fold gets an equal share of the steps' time."""
    rows = vectorized.train_epoch(vectorized.start(small_job()), 1)
    assert all(row.epoch_time_s > 0 for row in rows)
