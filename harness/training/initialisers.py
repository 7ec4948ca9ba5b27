"""Whether a model's weights were initialised as its author meant."""

import bdb
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

_INITIALISER_NAMES = {
    f"{verb}_{noun}"
    for verb in ("init", "initialise", "initialize", "reset")
    for noun in ("weight", "weights", "parameters", "params", "layers")
}


def weights_are_constant(model: nn.Module) -> bool:
    """Several weight matrices, each of one repeated value: its units can never differ."""
    matrices = [weight for weight in model.parameters() if _is_matrix(weight)]
    return len(matrices) > 1 and all(bool((w == w.flatten()[0]).all()) for w in matrices)


def _is_matrix(weight: Tensor) -> bool:
    return weight.requires_grad and weight.ndim >= 2 and min(weight.shape[:2]) > 1


def initialiser_is_untouched(model: nn.Module) -> bool:
    """Whether one of the model's own initialisers changes nothing when called again.

    An initialiser is a method of a module defined outside torch whose name says so
    (`init_weights`, `_initialize_weights_`, `reset_parameters`, ...), taking nothing, or a module
    as `Module.apply` gives it. The typical flaw: it loops over `children()` where the layers lie
    deeper. Whether an initialiser with another name ran can't be known. Changes the model.
    """
    with torch.no_grad():
        return any(not _changes_a_parameter(module, call) for module, call in _initialisers(model))


def _initialisers(model: nn.Module) -> Iterator[tuple[nn.Module, Callable[[], Any]]]:
    for module in model.modules():
        package = type(module).__module__.split(".")[0]
        if package in ("torch", "torchvision", "torchaudio") or _has_no_parameters(module):
            continue
        for name in dir(type(module)):
            if name.strip("_").lower() in _INITIALISER_NAMES:
                yield from ((module, call) for call in _calls(module, getattr(module, name)))


def _has_no_parameters(module: nn.Module) -> bool:
    return next(module.parameters(), None) is None


def _calls(module: nn.Module, method: Callable[..., Any]) -> Iterator[Callable[[], Any]]:
    required = [
        parameter
        for parameter in inspect.signature(method).parameters.values()
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]
    if not required:
        yield method
    elif len(required) == 1:
        yield lambda: module.apply(method)


def _changes_a_parameter(module: nn.Module, call: Callable[[], Any]) -> bool:
    """Fill every parameter with a marker that no initialiser leaves, then look for others."""
    marker = 0.4321
    for parameter in module.parameters():
        parameter.fill_(marker)
    try:
        call()
    except bdb.BdbQuit:  # leaving the debugger ends the run
        raise
    except Exception:  # called out of its turn, it says nothing
        return True
    return any(
        bool((parameter != parameter.new_tensor(marker)).any()) for parameter in module.parameters()
    )
