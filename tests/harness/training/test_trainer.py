"""Folds and repeats in lock-step: epochs, patience, chosen weights, what ends a training."""

from collections import Counter
from dataclasses import replace
from math import inf, isfinite, nan
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from harness.data.types import TrialData
from harness.training.backends.fold_run import build_model
from harness.training.trainer import best_index, out_of_patience, train_folds
from harness.training.types import Diverged, EpochResult, FoldOutcome
from tests.builders import Linear, build_linear, make_job, make_trial_data, trained


def without_times(epochs: list[EpochResult]) -> list[EpochResult]:
    """Epochs with everything but what the clock says."""
    return [
        replace(one, folds=tuple(replace(fold, epoch_time_s=0.0) for fold in one.folds))
        for one in epochs
    ]


def assert_same(first: FoldOutcome, second: FoldOutcome) -> None:
    """Weights and predictions, to the bit."""
    assert first.best_epoch == second.best_epoch
    assert first.losses == second.losses
    for name, tensor in first.state.items():
        assert torch.equal(tensor, second.state[name])
    for role, probabilities in first.predictions.items():
        assert np.array_equal(probabilities, second.predictions[role])


def test_every_epoch_reports_every_fold_and_their_mean() -> None:
    """Three epochs of two folds and two repeats: twelve rows."""
    epochs, outcomes = trained(make_job(make_trial_data(repeats=2), epochs=3))
    assert [one.epoch for one in epochs] == [1, 2, 3]
    for one in epochs:
        assert [(row.repeat, row.fold) for row in one.folds] == [(1, 1), (1, 2), (2, 1), (2, 2)]
        assert one.objective_mean == pytest.approx(np.mean([r.val_accuracy for r in one.folds]))
    assert [(one.repeat, one.fold) for one in outcomes] == [(1, 1), (1, 2), (2, 1), (2, 2)]


def test_it_learns() -> None:
    """Classes far apart are told apart."""
    _, outcomes = trained(make_job(make_trial_data(noise=0.1), epochs=30, lr=0.2))
    assert all(one.losses["test"] < 0.3 for one in outcomes)


def test_two_runs_give_the_same_bits() -> None:
    """With dropout, and with other random numbers drawn in between."""
    job = make_job(make_trial_data(repeats=2), model={"dropout": 0.5}, epochs=3)
    first, first_outcomes = trained(job)
    torch.rand(17)
    second, second_outcomes = trained(job)
    assert without_times(first) == without_times(second)
    for one, other in zip(first_outcomes, second_outcomes, strict=True):
        assert_same(one, other)


def test_another_seed_gives_other_weights() -> None:
    """And folds of one repeat differ from each other."""
    (_, zero), (_, one) = trained(make_job(seed=0)), trained(make_job(seed=1))
    assert not torch.equal(zero[0].state["head.weight"], one[0].state["head.weight"])
    job = make_job()
    assert not torch.equal(build_model(job, 0).head.weight, build_model(job, 1).head.weight)


def test_more_repeats_leave_the_earlier_ones_as_they_are() -> None:
    """Repeat 1 trained alone equals repeat 1 trained beside a repeat with smaller folds."""
    one, two = make_trial_data(repeats=1), make_trial_data(repeats=2)
    small = replace(two.folds[2], train=two.folds[2].train[:5])
    two = replace(two, folds=(*two.folds[:2], small, two.folds[3]))
    _, alone = trained(make_job(one))
    _, beside = trained(make_job(two))
    assert_same(alone[0], beside[0])
    assert_same(alone[1], beside[1])


def test_a_repeat_can_be_trained_by_itself() -> None:
    """The second repeat is the same whether the first is trained beside it or not.

    With dropout: no fold draws from where another left the generator.
    """
    job = make_job(make_trial_data(repeats=2), model={"dropout": 0.5})
    _, both = trained(job)
    _, second = trained(replace(job, folds=(2, 3)))
    assert_same(both[2], second[0])
    assert_same(both[3], second[1])


def test_configurations_see_the_same_batches_in_the_same_order() -> None:
    """Other width, dropout and learning rate: equal batches; equal layers start equal."""
    seen: dict[str, list[torch.Tensor]] = {"a": [], "b": []}

    def recording(name: str) -> Any:
        def build(**arguments: Any) -> nn.Module:
            model = build_linear(**arguments)

            def record(module: nn.Module, inputs: tuple[torch.Tensor]) -> None:
                if module.training:
                    seen[name].append(inputs[0].clone())

            model.register_forward_pre_hook(record)
            return model

        return build

    trained(make_job(build=recording("a"), lr=0.01, selection="last"))
    trained(
        make_job(
            build=recording("b"), lr=0.5, optimizer="sgd", model={"dropout": 0.5}, selection="last"
        )
    )
    assert len(seen["a"]) == len(seen["b"]) > 0
    assert all(torch.equal(a, b) for a, b in zip(seen["a"], seen["b"], strict=True))
    first, second = make_job(lr=0.01), make_job(lr=0.5, model={"dropout": 0.5})
    assert torch.equal(build_model(first, 0).head.weight, build_model(second, 0).head.weight)


def counting_build(counts: Counter[str], data: TrialData) -> Any:
    """A linear model that counts the examples it sees in training, and test examples ever."""
    test = {data.inputs[0][i].tobytes() for i in data.folds[0].test}

    class Counting(Linear):
        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            if self.training:
                counts["trained"] += len(inputs)
                counts["smallest batch"] = min(counts["smallest batch"] or 99, len(inputs))
            counts["test"] += sum(row.numpy().tobytes() in test for row in inputs)
            return super().forward(inputs)

    return lambda *, input_shape, num_classes: Counting(input_shape[0], num_classes, 0.0)


def test_folds_less_than_a_batch_apart_keep_step() -> None:
    """Train roles of 13 and 20: thirteen examples an epoch for both, in batches of 8 and 5."""
    data, counts = make_trial_data(n_train=(13, 20)), Counter[str]()
    _, outcomes = trained(make_job(data, build=counting_build(counts, data), epochs=3))
    assert counts["trained"] == 3 * 2 * 13
    assert counts["smallest batch"] == 5
    assert [outcome.n_train_per_epoch for outcome in outcomes] == [13, 13]


def test_folds_further_apart_train_on_all_they_have() -> None:
    """Train roles of 12 and 20: 2 and 3 batches of 8, and a cosine over the steps of each."""
    data, counts = make_trial_data(n_train=(12, 20)), Counter[str]()
    job = make_job(data, build=counting_build(counts, data), epochs=1, schedule="cosine", lr=1.0)
    (epoch,), outcomes = trained(job)
    assert counts["trained"] == 12 + 20
    assert [outcome.n_train_per_epoch for outcome in outcomes] == [12, 20]
    # the last step: (1 + cos(pi / 2)) / 2 of two, (1 + cos(2 pi / 3)) / 2 of three
    assert [fold.lr for fold in epoch.folds] == pytest.approx([0.5, 0.25])


def test_a_large_fold_sees_all_its_examples_over_the_epochs() -> None:
    """Each epoch draws anew, so nothing of the larger fold is left out for good."""
    data, seen = make_trial_data(n_train=(14, 20)), set()

    class Remembering(Linear):
        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            if self.training:
                seen.update(row.numpy().tobytes() for row in inputs)
            return super().forward(inputs)

    job = make_job(
        data,
        build=lambda *, input_shape, num_classes: Remembering(input_shape[0], num_classes, 0.0),
        epochs=40,
    )
    trained(replace(job, folds=(1,)))
    assert seen == {data.inputs[0][i].tobytes() for i in data.folds[1].train}


def test_a_last_batch_of_one_is_left_out() -> None:
    """Nine examples in batches of 8: eight are trained on."""
    data, counts = make_trial_data(n_train=(9, 9)), Counter[str]()
    trained(make_job(data, build=counting_build(counts, data), epochs=1))
    assert counts["trained"] == 2 * 8


@pytest.mark.parametrize("selection", ["best", "last"])
def test_the_test_is_evaluated_once_per_fold(selection: str) -> None:
    """Twenty test examples, two folds, five epochs: forty looks."""
    data, counts = make_trial_data(), Counter[str]()
    trained(make_job(data, build=counting_build(counts, data), epochs=5, selection=selection))
    assert counts["test"] == 2 * len(data.folds[0].test) == 40


def test_without_a_test_role_nothing_is_predicted_for_it() -> None:
    """Roles without examples are absent."""
    _, outcomes = trained(make_job(make_trial_data(test=False)))
    assert set(outcomes[0].predictions) == {"train", "validation"} == set(outcomes[0].losses)


def test_the_shared_arrays_are_not_written_to() -> None:
    """Even by a model that writes into its batch."""

    class Vandal(Linear):
        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            outputs = super().forward(inputs.clone())
            inputs.zero_()
            return outputs

    writable = make_trial_data()
    inputs, targets = writable.inputs[0].copy(), writable.targets.copy()
    data = replace(writable, inputs=(inputs,), targets=targets)
    trained(
        make_job(
            data, build=lambda *, input_shape, num_classes: Vandal(input_shape[0], num_classes, 0.0)
        )
    )
    assert np.array_equal(inputs, writable.inputs[0])
    assert np.array_equal(targets, writable.targets)


def test_early_stopping_lets_a_repeat_leave_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Repeat 1 stops improving after epoch 1, repeat 2 after epoch 4; patience 2."""
    values = {1: [0.9, 0.5, 0.5, 0.5, 0.5, 0.5], 2: [0.1, 0.2, 0.3, 0.4, 0.4, 0.4]}
    calls: Counter[tuple[int, int]] = Counter()

    def scripted(run: Any, validation: Any) -> float:
        calls[run.fold.repeat, run.fold.fold] += 1
        return values[run.fold.repeat][calls[run.fold.repeat, run.fold.fold] - 1]

    monkeypatch.setattr("harness.training.backends.fold_run._objective", scripted)
    epochs, outcomes = trained(
        make_job(make_trial_data(repeats=2), epochs=100, early_stopping=2, objective="macro_f1")
    )
    repeats = [{row.repeat for row in one.folds} for one in epochs]
    assert repeats == [{1, 2}] * 3 + [{2}] * 3
    assert [one.best_epoch for one in outcomes] == [1, 1, 4, 4]
    assert epochs[3].objective_mean == pytest.approx((0.5 + 0.4) / 2)


def test_a_loss_that_is_not_finite_ends_training_after_the_epochs_before() -> None:
    """Three steps an epoch, infinite from the fourth: epoch 1 is there, epoch 2 is Diverged."""
    seen = []
    with pytest.raises(Diverged, match=r"^diverged: the train loss is (nan|inf) in epoch 2"):
        for one in train_folds(make_job(build=exploding_build, epochs=5)):
            seen.append(one)
    assert [one.epoch for one in seen] == [1]
    assert all(isfinite(row.train_loss) for row in seen[0].folds)


def test_a_validation_loss_that_is_not_finite_ends_training_too() -> None:
    """A model that is finite in training and not in evaluation, as BatchNorm can be."""

    class Fragile(Linear):
        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            return super().forward(inputs) * (1.0 if self.training else inf)

    job = make_job(build=lambda **_: Fragile(5, 3, 0.0))
    with pytest.raises(Diverged, match="the validation loss is nan in epoch 1, repeat 1, fold 1"):
        trained(job)


def exploding_build(*, input_shape: tuple[int, ...], num_classes: int) -> nn.Module:
    """A model whose outputs are not finite from its fourth training batch on."""

    class Exploding(Linear):
        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            self.steps += int(self.training)
            return super().forward(inputs) * (inf if self.steps > 3 else 1.0)

    model = Exploding(input_shape[0], num_classes, 0.0)
    model.steps = 0
    return model


@pytest.mark.parametrize(
    ("values", "mode", "best"),
    [
        ([0.1, 0.5, 0.5, 0.4], "max", 1),
        ([0.9, 0.2, 0.2, 0.3], "min", 1),
        ([nan, 0.2, nan, 0.3], "max", 3),
        ([nan, nan], "max", 0),
        ([0.5], "min", 0),
    ],
)
def test_the_best_epoch_is_the_earliest_of_equals(
    values: list[float], mode: str, best: int
) -> None:
    """Ties go to the earlier epoch; undefined values never win against defined ones."""
    assert best_index(values, mode=mode) == best


def test_patience_counts_epochs_since_the_best() -> None:
    """Patience 2: the second epoch without improvement ends it."""
    assert not out_of_patience([0.5, 0.4], patience=2, mode="max")
    assert out_of_patience([0.5, 0.4, 0.5], patience=2, mode="max")
    assert not out_of_patience([0.5, 0.4, 0.6], patience=2, mode="max")


def test_without_patience_nothing_stops() -> None:
    """The default trains all epochs."""
    assert not out_of_patience([0.5] * 100, patience=None, mode="max")
