"""The optimizers a benchmark file can name."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from harness.config.sections import Training
from harness.training.torch_internals import keep_compiler_out, unwrapped_step


def make_optimizer(parameters: Sequence[nn.Parameter], training: Training) -> Optimizer:
    """Return the optimizer of one fold over all of its parameters, with torch's other defaults.

    Frozen ones have no gradient, so torch leaves them alone; a model may train them later.
    Adam adds weight decay to the gradient, AdamW takes it from the weights.
    Raises ValueError where nothing is trainable.
    """
    trainable = [parameter for parameter in parameters if parameter.requires_grad]
    if not trainable:
        raise ValueError("the model has no trainable parameters")
    keep_compiler_out(Optimizer.add_param_group, Optimizer.state_dict, Optimizer.load_state_dict)
    lr, weight_decay = training.lr, training.weight_decay
    fused = all(_can_fuse(parameter) for parameter in trainable)
    match training.optimizer:
        case "adam":
            return Adam(parameters, lr=lr, weight_decay=weight_decay, fused=fused)
        case "adamw":
            return AdamW(parameters, lr=lr, weight_decay=weight_decay, fused=fused)
        case "sgd":
            momentum = training.momentum
            optimizer = SGD(
                parameters, lr=lr, momentum=momentum, weight_decay=weight_decay, fused=fused
            )
            if fused and momentum:
                _begin_momentum(optimizer, trainable)
            return optimizer


def plain_step(optimizer: Optimizer) -> Callable[[], None]:
    """Return the optimizer's step itself, without what torch wraps around it."""
    step = unwrapped_step(optimizer)
    groups = optimizer.param_groups
    frozen = [one for group in groups for one in group["params"] if not one.requires_grad]

    def stepped() -> None:
        with torch.no_grad():
            if frozen:
                frozen[:] = _still_frozen(optimizer, frozen)
            try:
                step(optimizer)
            except RuntimeError:  # raised before anything is changed
                if not _unfused(optimizer):
                    raise
                step(optimizer)

    return stepped


def descend(
    loss: torch.Tensor,
    parameters: Sequence[nn.Parameter],
    optimizer: Optimizer,
    *,
    step: Callable[[], None],
    lr: float,
    gradient_clip: float | None,
) -> None:
    """Step down a loss (): fresh gradients, clipped to a largest norm, at this learning rate.

    step: of `plain_step(optimizer)`.
    """
    for parameter in parameters:
        parameter.grad = None
    torch.autograd.backward(loss)
    if gradient_clip is not None:
        nn.utils.clip_grad_norm_(parameters, gradient_clip)
    for group in optimizer.param_groups:
        group["lr"] = lr
    step()


def _can_fuse(parameter: torch.Tensor) -> bool:
    """Torch's fused kernels walk along memory, gaps between numbers and other tensors' included."""
    if nn.parameter.is_lazy(parameter):
        return False  # it has no memory before the first forward pass
    plain = parameter.is_floating_point() and parameter.device.type in ("cpu", "cuda")
    return plain and _fills_its_memory(parameter)


def _fills_its_memory(parameter: torch.Tensor) -> bool:
    """Whether its numbers lie without gaps or overlaps, in whatever order of dimensions."""
    if parameter.is_contiguous():
        return True
    return torch.empty_like(parameter).stride() == parameter.stride()  # kept of such alone


def _begin_momentum(optimizer: SGD, parameters: Sequence[nn.Parameter]) -> None:
    """Zeros, so that the first step's buffer is its gradient, as torch has it.

    The fused kernel takes no buffers of which some are missing: those of parameters that a step
    before gave no gradient.
    """
    for parameter in parameters:
        optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)


def _still_frozen(optimizer: Optimizer, frozen: Sequence[nn.Parameter]) -> list[nn.Parameter]:
    """Those without a gradient; the others are trained from now on, as if they always had been."""
    begun = [parameter for parameter in frozen if parameter.grad is not None]
    if not begun:
        return list(frozen)
    if _fused_groups(optimizer):
        if not all(map(_can_fuse, begun)):
            _take_plain_steps(optimizer)
        elif isinstance(optimizer, SGD) and optimizer.defaults["momentum"]:
            # what goes on from a checkpoint has its momentum already
            new = [one for one in begun if "momentum_buffer" not in optimizer.state[one]]
            _begin_momentum(optimizer, new)
    return [parameter for parameter in frozen if parameter.grad is None]


def _unfused(optimizer: Optimizer) -> bool:
    """Takes plain steps from now on where a gradient is sparse, which no fused kernel knows."""
    gradients = [one.grad for group in _fused_groups(optimizer) for one in group["params"]]
    if not any(one is not None and one.is_sparse for one in gradients):
        return False
    _take_plain_steps(optimizer)
    return True


def _fused_groups(optimizer: Optimizer) -> list[dict[str, Any]]:
    return [group for group in optimizer.param_groups if group.get("fused")]


def _take_plain_steps(optimizer: Optimizer) -> None:
    for group in optimizer.param_groups:
        group["fused"] = False
