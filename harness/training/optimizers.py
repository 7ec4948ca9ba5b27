"""The optimizers a benchmark file can name."""

from collections.abc import Sequence

import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from harness.spec.sections import Training


def make_optimizer(parameters: Sequence[nn.Parameter], training: Training) -> Optimizer:
    """The optimizer of one fold over its trainable parameters, with torch's other defaults.

    Adam adds weight decay to the gradient, AdamW takes it from the weights.
    Raises ValueError where nothing is trainable.
    """
    if not parameters:
        raise ValueError("the model has no trainable parameters")
    lr, weight_decay = training.lr, training.weight_decay
    fused = all(_can_fuse(parameter) for parameter in parameters)
    match training.optimizer:
        case "adam":
            return Adam(parameters, lr=lr, weight_decay=weight_decay, fused=fused)
        case "adamw":
            return AdamW(parameters, lr=lr, weight_decay=weight_decay, fused=fused)
        case "sgd":
            momentum = training.momentum
            return SGD(parameters, lr=lr, momentum=momentum, weight_decay=weight_decay, fused=fused)


def _can_fuse(parameter: torch.Tensor) -> bool:
    return parameter.is_floating_point() and parameter.device.type in ("cpu", "cuda")
