"""Optimizers by name, one step by hand."""

import pytest
import torch
from torch import nn

from harness.training.optimizers import make_optimizer
from tests.builders import make_training


def one_step(gradient: float = 2.0, steps: int = 1, **training: object) -> float:
    """The value of a parameter that starts at 1 after steps with a constant gradient."""
    parameter = nn.Parameter(torch.ones(1))
    optimizer = make_optimizer([parameter], make_training(**training))
    for _ in range(steps):
        parameter.grad = torch.full((1,), gradient)
        optimizer.step()
    return parameter.item()


def test_sgd_goes_down_the_gradient() -> None:
    """1 - 0.1 * 2."""
    assert one_step(optimizer="sgd", lr=0.1) == pytest.approx(0.8)


def test_sgd_with_momentum_keeps_its_speed() -> None:
    """Two steps: velocities 2 and 2 + 0.9 * 2 = 3.8; 1 - 0.1 * 5.8."""
    assert one_step(optimizer="sgd", lr=0.1, momentum=0.9, steps=2) == pytest.approx(0.42)


def test_sgd_adds_weight_decay_to_the_gradient() -> None:
    """1 - 0.1 * (2 + 0.5 * 1)."""
    assert one_step(optimizer="sgd", lr=0.1, weight_decay=0.5) == pytest.approx(0.75)


def test_the_first_step_of_adam_has_the_length_of_the_learning_rate() -> None:
    """Whatever the gradient's size."""
    assert one_step(optimizer="adam", lr=0.1, gradient=1e-3) == pytest.approx(0.9, abs=1e-5)


def test_adamw_takes_weight_decay_from_the_weights() -> None:
    """1 * (1 - 0.1 * 0.5) - 0.1; Adam's own decay would leave 0.9."""
    assert one_step(optimizer="adamw", lr=0.1, weight_decay=0.5) == pytest.approx(0.85, abs=1e-5)
    assert one_step(optimizer="adam", lr=0.1, weight_decay=0.5) == pytest.approx(0.9, abs=1e-5)


def test_adamw_decays_nothing_unless_told_to() -> None:
    """The file's default of 0 holds, not torch's 0.01."""
    assert one_step(optimizer="adamw", lr=0.1) == one_step(optimizer="adam", lr=0.1)


def test_nothing_to_train_is_an_error() -> None:
    """A model without trainable parameters says so."""
    with pytest.raises(ValueError, match="no trainable parameters"):
        make_optimizer([], make_training())
