"""A perceptron with one hidden layer."""

from math import prod

from torch import nn


def build(*, input_shape: tuple[int, ...], num_classes: int, hidden_dim: int = 16) -> nn.Module:
    """Logits (batch, num_classes) of inputs (batch, *input_shape)."""
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(prod(input_shape), hidden_dim),
        nn.ReLU(),
        nn.Linear(hidden_dim, num_classes),
    )
