"""Where a model's training starts: weights it is given, and which of them stay as they are."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

Build = Callable[..., nn.Module]


@dataclass(frozen=True, eq=False)
class Start:
    """What is done to a model after it was built.

    weights: entries of a state dict, by name; None leaves the random ones.
    head: names of the entries whose shape depends on the number of classes.
    only_head: everything else is frozen, the statistics of normalisation layers too.
    """

    weights: Mapping[str, Tensor] | None
    head: frozenset[str]
    only_head: bool = False


class Match(NamedTuple):
    """Which entries of a state dict fit a model. left_out: the model's own that stay random."""

    fitting: tuple[str, ...]
    left_out: tuple[str, ...]


def head_entries(
    build: Build,
    *,
    input_shape: tuple[int, ...],
    num_classes: int,
    arguments: Mapping[str, Any],
) -> frozenset[str]:
    """Return names of the state dict's entries that change shape with the number of classes.

    Raises ValueError where none does, and what the model raises.
    """
    shapes = [
        entry_shapes(build, input_shape=input_shape, num_classes=n, arguments=arguments)
        for n in (num_classes, num_classes + 1)
    ]
    head = {name for name, shape in shapes[0].items() if shapes[1].get(name) != shape}
    if not head:
        raise ValueError("no weights of the model depend on the number of classes: it has no head")
    return frozenset(head)


def entry_shapes(
    build: Build,
    *,
    input_shape: tuple[int, ...],
    num_classes: int,
    arguments: Mapping[str, Any],
) -> dict[str, tuple[int, ...]]:
    """Return name -> shape of every entry of the model's state dict, found without memory."""
    call = {"input_shape": input_shape, "num_classes": num_classes, **arguments}
    with torch.random.fork_rng(devices=[]):
        try:
            with torch.device("meta"):
                model = build(**call)
        except Exception:  # built on the CPU it says what is wrong, or works
            model = build(**call)
    return _shapes(model)


def match(
    shapes: Mapping[str, tuple[int, ...]],
    weights: Mapping[str, tuple[int, ...]],
    head: frozenset[str],
) -> Match:
    """Return the entries of equal name and shape, without the head. Both: name -> shape."""
    fitting = [name for name in shapes if name not in head and weights.get(name) == shapes[name]]
    left_out = [name for name in shapes if name not in fitting]
    return Match(tuple(fitting), tuple(left_out))


def begin(model: nn.Module, start: Start) -> None:
    """Copy the weights that fit into the model, and freeze what does not train.

    Raises ValueError where weights are given and none fits.
    """
    if start.weights is not None:
        own = _shapes(model)
        given = {name: tuple(entry.shape) for name, entry in start.weights.items()}
        fitting = match(own, given, start.head).fitting
        if not fitting:
            raise ValueError("none of the initial weights fits the model")
        model.load_state_dict({name: start.weights[name] for name in fitting}, strict=False)
    if start.only_head:
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(name in start.head)


def frozen_modules(model: nn.Module, start: Start | None) -> tuple[nn.Module, ...]:
    """Return modules that hold weights or statistics of their own, none of which trains.

    In training they stay in evaluation mode, so that their statistics stay too.
    """
    if start is None or not start.only_head:
        return ()
    return tuple(
        module
        for name, module in model.named_modules()
        if (own := _own_entries(name, module)) and not own & start.head
    )


def train_mode(model: nn.Module, frozen: tuple[nn.Module, ...]) -> None:
    """Training mode, but for the frozen modules."""
    model.train()
    for module in frozen:
        module.training = False  # not .eval(), which would reach the head inside


def _shapes(model: nn.Module) -> dict[str, tuple[int, ...]]:
    """Of the tensors of its state dict; a model's extra state may be anything."""
    entries = model.state_dict().items()
    return {name: tuple(entry.shape) for name, entry in entries if isinstance(entry, Tensor)}


def _own_entries(name: str, module: nn.Module) -> set[str]:
    prefix = f"{name}." if name else ""
    parameters = (key for key, _ in module.named_parameters(recurse=False))
    buffers = (key for key, _ in module.named_buffers(recurse=False))
    return {f"{prefix}{key}" for key in (*parameters, *buffers)}
