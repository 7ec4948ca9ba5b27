"""Multinomial logistic regression: the floor that every other model has to beat."""

from math import prod

from torch import nn


def build(*, input_shape: tuple[int, ...], num_classes: int) -> nn.Module:
    """Flatten, then one linear layer.

    input_shape: any; the model maps (batch, *input_shape) to logits (batch, num_classes).
    """
    return nn.Sequential(nn.Flatten(), nn.Linear(prod(input_shape), num_classes))
