"""Rows about layers: numbers by hand, and a training that does not notice."""

from math import sqrt
from typing import Any

import pytest
import torch
from torch import nn

from harness.training.layer_statistics import layer_observer, layer_rows
from harness.training.trainer import train_folds
from harness.training.trial import run_trial
from tests.builders import (
    build_linear,
    ended,
    make_job,
    make_trial_data,
    make_trial_job,
    trained,
)


def linear(weight: list[list[float]]) -> nn.Linear:
    """A dense layer with this weight and no bias."""
    rows = torch.tensor(weight)
    layer = nn.Linear(rows.shape[1], rows.shape[0], bias=False)
    layer.weight = nn.Parameter(rows)
    return layer


def rows_of(model: nn.Module, inputs: list[list[float]], targets: list[int]) -> list[dict]:
    layers = layer_rows(model, torch.tensor(inputs), torch.tensor(targets))
    return [layer.cells() for layer in layers]


def build_deep(*, input_shape: tuple[int, ...], num_classes: int) -> nn.Module:
    """Normalisation and dropout, both of which a careless look would disturb."""
    return nn.Sequential(
        nn.Linear(input_shape[0], 8),
        nn.BatchNorm1d(8),
        nn.Sigmoid(),
        nn.Dropout(0.5),
        nn.Linear(8, num_classes),
    )


def test_outputs_by_hand() -> None:
    """Sums 0 and 6 have mean 3 and deviation 3; of sigmoid(0) and sigmoid(6) one is saturated."""
    model = nn.Sequential(linear([[1.0, 1.0]]), nn.Sigmoid(), linear([[1.0], [-1.0]]))
    first, sigmoid, _ = rows_of(model, [[0.0, 0.0], [10.0, -4.0]], [0, 0])
    assert (first["activation_mean"], first["activation_std"]) == (3.0, 3.0)
    assert first["saturated_share"] is None
    assert first["weight_norm"] == pytest.approx(sqrt(2))
    assert sigmoid["saturated_share"] == 0.5
    assert sigmoid["weight_norm"] is None


@pytest.mark.parametrize(
    ("module", "values", "share"),
    [
        (nn.ReLU(), [-1.0, -2.0, 0.01, 3.0], 0.5),
        (nn.Tanh(), [-9.0, 0.0, 1.0, 9.0], 0.5),
        (nn.Sigmoid(), [-2.9, 2.9, -3.0, 3.0], 0.5),
        (nn.GELU(), [-9.0, 0.0, 1.0, 9.0], None),
    ],
)
def test_saturated_is_zero_for_relu_and_near_a_limit_for_the_others(
    module: nn.Module, values: list[float], share: float | None
) -> None:
    """sigmoid(2.9) is 0.948 and sigmoid(3) 0.953; tanh(1) is 0.76."""
    model = nn.Sequential(module, linear([[1.0] * 4, [0.0] * 4]))
    assert rows_of(model, [values], [0])[0]["saturated_share"] == share


def test_gradients_by_hand() -> None:
    """Equal logits: p - y is (-1/2, 1/2) for every example, times its input 1."""
    (row,) = rows_of(nn.Sequential(linear([[0.0], [0.0]])), [[1.0], [1.0]], [0, 0])
    assert row["gradient_norm"] == pytest.approx(sqrt(0.5))


def test_a_layer_without_weights_has_the_gradient_of_its_outputs() -> None:
    """With weights 1 and -1 and logits 0, dL/dx is (p - y) w = -1/2 - 1/2."""
    model = nn.Sequential(linear([[0.0]]), nn.ReLU(), linear([[1.0], [-1.0]]))
    assert rows_of(model, [[5.0]], [0])[1]["gradient_norm"] == pytest.approx(1.0)


def test_a_frozen_layer_has_no_gradient() -> None:
    """Its outputs and weights are still looked at."""
    model = nn.Sequential(linear([[2.0]]), linear([[1.0], [-1.0]]))
    model[0].requires_grad_(False)
    frozen, head = rows_of(model, [[1.0]], [0])
    assert (frozen["gradient_norm"], frozen["weight_norm"]) == (None, 2.0)
    assert head["gradient_norm"] > 0


def test_outputs_are_noted_before_they_are_overwritten() -> None:
    """An activation in place changes what the layer before it put out."""
    model = nn.Sequential(linear([[-1.0]]), nn.ReLU(inplace=True), linear([[1.0], [2.0]]))
    first, relu, _ = rows_of(model, [[3.0]], [0])
    assert (first["activation_mean"], relu["activation_mean"]) == (-3.0, 0.0)


def test_layers_are_named_in_the_order_of_the_pass() -> None:
    """Containers, flatten and dropout have no row: the first has none of its own outputs."""
    model = nn.Sequential(nn.Flatten(), nn.Sequential(linear([[1.0]]), nn.Dropout()), nn.ReLU())
    rows = rows_of(model, [[1.0]], [0])
    assert [(row["position"], row["layer"], row["module"]) for row in rows] == [
        (1, "1.0", "Linear"),
        (2, "2", "ReLU"),
    ]


def test_batch_statistics_are_used_and_not_kept() -> None:
    """Outputs of a fresh normalisation have deviation 1, and its averages stay as they were."""
    model = nn.Sequential(nn.BatchNorm1d(1), linear([[1.0], [0.0]])).eval()
    before = {name: buffer.clone() for name, buffer in model.named_buffers()}
    norm, _ = rows_of(model, [[1000.0], [3000.0]], [0, 1])
    assert norm["activation_std"] == pytest.approx(1.0, abs=1e-4)
    assert all(torch.equal(before[name], buffer) for name, buffer in model.named_buffers())
    assert not any(module.training for module in model.modules())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_training_gives_the_same_with_and_without_a_look() -> None:
    """Losses, accuracies and final weights, with batch normalisation and dropout."""
    job = make_job(build=build_deep, epochs=3)
    plain_epochs, plain = trained(job)
    rows: list[dict[str, Any]] = []
    seen, observed = ended(train_folds(job, observe=layer_observer(rows)))
    for one, other in zip(plain_epochs, seen, strict=True):
        for a, b in zip(one.folds, other.folds, strict=True):
            assert (a.train_loss, a.val_loss) == (b.train_loss, b.val_loss)
    for one, other in zip(plain, observed, strict=True):
        assert all(torch.equal(one.state[name], other.state[name]) for name in one.state)
    assert rows


def test_rows_reach_from_the_start_to_the_last_epoch() -> None:
    """Four layers of two folds at epochs 0, 1 and 2, on the same batch."""
    job = make_trial_job(diagnostics="layers")
    result = run_trial(job, make_trial_data(), build=build_deep, on_epoch=lambda rows, mean: None)
    rows = result.rows.layers
    assert len(rows) == 4 * 2 * 3
    assert {(row["fold"], row["epoch"]) for row in rows} == {
        (fold, epoch) for fold in (1, 2) for epoch in (0, 1, 2)
    }
    assert {row["module"] for row in rows} == {"Linear", "BatchNorm1d", "Sigmoid"}


def test_no_rows_unless_asked_for() -> None:
    """`diagnostics: none` is the default."""
    result = run_trial(
        make_trial_job(), make_trial_data(), build=build_deep, on_epoch=lambda rows, mean: None
    )
    assert result.rows.layers == ()


def test_a_failed_trial_keeps_its_layers() -> None:
    """The one that diverged is the one to look at: its start is there."""
    job = make_trial_job(diagnostics="layers", training={"lr": 1e38, "optimizer": "sgd"})
    result = run_trial(job, make_trial_data(), build=build_linear, on_epoch=lambda rows, mean: None)
    assert result.rows.trial["status"] == "failed"
    assert {row["epoch"] for row in result.rows.layers} >= {0}
