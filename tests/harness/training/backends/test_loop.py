"""One fold's training: its steps, its numbers, and the epoch that is kept."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from harness import metrics
from harness.training.backends.fold_run import build_model
from harness.training.seeds import permutation
from tests.builders import make_job, make_trial_data, trained


def test_best_takes_the_earliest_of_the_best_epochs_and_its_weights() -> None:
    """The outcome's predictions score what the chosen epoch's row says."""
    data = make_trial_data(noise=1.5)
    epochs, outcomes = trained(make_job(data, epochs=8, lr=0.3, selection="best"))
    for index, outcome in enumerate(outcomes):
        values = [one.folds[index].val_accuracy for one in epochs]
        assert outcome.best_epoch == 1 + values.index(max(values))
        targets = data.targets[data.folds[index].validation]
        score = metrics.accuracy(targets, outcome.predictions["validation"])
        assert score == max(values)
        assert outcome.losses["validation"] == epochs[outcome.best_epoch - 1].folds[index].val_loss
    assert any(outcome.best_epoch < 8 for outcome in outcomes)


def test_the_state_is_that_of_the_predictions() -> None:
    """The kept weights, loaded into a new model, predict the same."""
    data = make_trial_data(noise=1.5)
    job = make_job(data, epochs=8, lr=0.3)
    _, outcomes = trained(job)
    assert any(outcome.best_epoch < 8 for outcome in outcomes)
    for index, outcome in enumerate(outcomes):
        model = build_model(job, index)
        model.load_state_dict(outcome.state)
        for role in ("train", "validation", "test"):
            inputs = torch.tensor(data.inputs[0][getattr(data.folds[index], role)])
            expected = F.softmax(model.eval()(inputs), 1).detach().numpy()
            assert outcome.predictions[role] == pytest.approx(expected, abs=1e-6)


def test_a_metric_to_be_low_chooses_its_lowest() -> None:
    """log_loss, mode min; a learning rate that first helps and then harms."""
    epochs, outcomes = trained(
        make_job(make_trial_data(noise=2.0), objective="log_loss", epochs=12, lr=0.5)
    )
    for index, outcome in enumerate(outcomes):
        values = [one.folds[index].val_objective for one in epochs]
        assert outcome.best_epoch == 1 + values.index(min(values))
        assert values[0] == pytest.approx(epochs[0].folds[index].val_loss, abs=1e-5)


def test_last_keeps_the_last_epoch() -> None:
    """However good an earlier one was."""
    _, outcomes = trained(make_job(make_trial_data(noise=2.0), epochs=6, selection="last"))
    assert [(one.best_epoch, one.weights_source) for one in outcomes] == [(6, "last")] * 2


def test_gradient_clipping_bounds_the_first_step() -> None:
    """SGD with lr 1, one batch: the weights move by the clipped norm, 0.01."""
    job = make_job(
        make_trial_data(n_train=(8, 8)), epochs=1, optimizer="sgd", lr=1.0, gradient_clip=0.01
    )
    start = build_model(job, 0).state_dict()
    _, outcomes = trained(job)
    moved = [(outcomes[0].state[name] - start[name]).flatten() for name in start]
    assert torch.cat(moved).norm().item() == pytest.approx(0.01, rel=1e-3)


def test_label_smoothing_changes_the_training_loss_alone() -> None:
    """One step from equal weights at lr ~ 0: equal validation loss, other training loss."""
    data = make_trial_data()
    tiny = {"epochs": 1, "optimizer": "sgd", "lr": 1e-12}
    (plain,), _ = trained(make_job(data, **tiny))
    (smooth,), _ = trained(make_job(data, label_smoothing=0.5, **tiny))
    assert smooth.folds[0].val_loss == plain.folds[0].val_loss
    assert smooth.folds[0].train_loss != pytest.approx(plain.folds[0].train_loss, abs=1e-3)
    assert smooth.folds[0].train_accuracy == plain.folds[0].train_accuracy


def test_running_values_are_sums_over_examples_not_means_over_batches() -> None:
    """Weights frozen by lr ~ 0, batches of 8 and 4: the loss is that of the 12 examples."""
    data = make_trial_data(n_train=(12, 12))
    job = make_job(data, epochs=1, optimizer="sgd", lr=1e-12)
    (epoch,), outcomes = trained(job)
    assert epoch.folds[0].train_loss == pytest.approx(outcomes[0].losses["train"], abs=1e-6)
    targets = data.targets[data.folds[0].train]
    expected = metrics.accuracy(targets, outcomes[0].predictions["train"])
    assert epoch.folds[0].train_accuracy == pytest.approx(expected)


def test_the_learning_rate_of_an_epoch_is_that_of_its_last_step() -> None:
    """Warm-up of two epochs: a half, one, one."""
    epochs, _ = trained(make_job(epochs=3, lr=0.1, warmup_epochs=2))
    assert [one.folds[0].lr for one in epochs] == pytest.approx([0.05, 0.1, 0.1])


def test_the_loop_is_plain_torch() -> None:
    """Two epochs by hand, with the same seeds and batches, end at the same weights."""
    data = make_trial_data(n_train=(16, 16))
    job = make_job(data, epochs=2, batch_size=8, lr=0.05, weight_decay=0.1, selection="last")
    _, outcomes = trained(job)
    model = build_model(job, 0)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05, weight_decay=0.1)
    for epoch in (1, 2):
        order = permutation(16, seed=0, repeat=1, fold=1, epoch=epoch).numpy()
        for batch in data.folds[0].train[order].reshape(2, 8):
            optimizer.zero_grad()
            logits = model(torch.tensor(data.inputs[0][batch]))
            F.cross_entropy(logits, torch.tensor(data.targets[batch])).backward()
            optimizer.step()
    for name, tensor in model.state_dict().items():
        assert torch.allclose(tensor, outcomes[0].state[name], atol=1e-6)


@pytest.mark.parametrize("augmentation", [None, {"mixup": {"alpha": 0.2}}])
def test_a_model_may_write_into_its_input(augmentation: dict[str, Any] | None) -> None:
    """The numbers of a model that doesn't; the data, which others share, stay as they were."""

    class Standardising(nn.Module):
        def __init__(self, in_place: bool) -> None:
            super().__init__()
            self.in_place, self.head = in_place, nn.Linear(5, 3)

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            x = inputs if self.in_place else inputs.clone()
            x -= 0.3
            x /= 0.5
            return self.head(x)

    data = make_trial_data(noise=1.5)
    before = data.inputs[0].copy()
    losses = [
        [
            outcome.losses
            for outcome in trained(
                make_job(
                    data,
                    build=lambda in_place=in_place, **_: Standardising(in_place),
                    augmentation=augmentation,
                )
            )[1]
        ]
        for in_place in (True, False)
    ]
    assert losses[0] == losses[1]
    assert np.array_equal(data.inputs[0], before)
