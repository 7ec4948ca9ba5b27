"""Whether weights are drawn as their author meant, and whether a model sets seeds of its own.

Training seeds every fold and epoch itself. A seed set inside the model undoes that: all folds and
repeats start from the same weights, or every step draws the same dropout mask.
"""

import bdb
import inspect
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from harness.training.seeds import numpy_state, seed_everything

_INITIALISER_NAMES = {
    f"{verb}_{noun}"
    for verb in ("init", "initialise", "initialize", "reset")
    for noun in ("weight", "weights", "parameters", "params", "layers")
}


def weights_are_constant(model: nn.Module) -> bool:
    """Return whether several weight matrices are of one repeated value each: units never differ."""
    matrices = [weight for weight in model.parameters() if _is_matrix(weight)]
    return len(matrices) > 1 and all(bool((w == w.flatten()[0]).all()) for w in matrices)


def _is_matrix(weight: Tensor) -> bool:
    return weight.requires_grad and weight.ndim >= 2 and min(weight.shape[:2]) > 1


def initialiser_is_untouched(model: nn.Module) -> bool:
    """Return whether one of the model's own initialisers changes nothing when called again.

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


_SAMPLE = 1000  # values of a tensor that are compared
_FEWEST_DRAWN = 8  # values that look like chance
_DIFFERING = 20  # expected differences between two draws from which equality is no accident


@dataclass(eq=False)
class SeedWatch:
    """Runs code under different seeds and notes whether it set one of its own.

    drawn: whether any of it drew from Python's or NumPy's generator.
    """

    device: torch.device
    found: bool = False
    drawn: bool = False
    _ends: list[tuple[Any, ...]] = field(default_factory=list)

    @contextmanager
    def seeded(self, seed: int) -> Iterator[int]:
        """Seed all generators; at the end see whether torch has another seed, or whether Python
        or NumPy stand where code under an earlier seed left them."""
        seed_everything(seed, self.device)
        begins = random.getstate(), numpy_state()
        yield seed
        ends = random.getstate(), numpy_state()
        self.drawn |= begins != ends
        same = any(a == b for earlier in self._ends for a, b in zip(earlier, ends, strict=True))
        self.found |= same or any(one != seed for one in _torch_seeds(self.device))
        self._ends.append(ends)


def starts_alike(one: nn.Module, other: nn.Module) -> bool:
    """Return whether models of different seeds have all trainable weights in common.

    Though some of them look drawn. Models that share their storage are no two models."""
    pairs = list(zip(_trainable(one), _trainable(other), strict=False))
    if any(a.data_ptr() == b.data_ptr() for a, b in pairs):
        return False
    equal = all(a.shape == b.shape and torch.equal(a, b) for a, b in pairs)
    return equal and any(_looks_drawn(a) for a, _ in pairs)


class Draws(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Keeps a sample of every random tensor that is drawn, from whichever generator."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.samples: list[Tensor] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if torch.Tag.nondeterministic_seeded in getattr(func, "tags", ()):
            for drawn in result if isinstance(result, tuple) else (result,):
                if isinstance(drawn, Tensor):
                    sample = drawn.detach().flatten()[:_SAMPLE]
                    self.samples.append(sample.to("cpu", torch.float32, copy=True))
        return result

    def some_small(self, n: int) -> bool:
        """Return whether a draw had at most n values, as one that leaves out whole layers has."""
        return any(len(sample) <= n for sample in self.samples)


def drew_alike(one: Draws, other: Draws) -> bool:
    """Return whether passes under two seeds drew the same numbers, too many to be an accident."""
    if [len(a) for a in one.samples] != [len(b) for b in other.samples] or not one.samples:
        return False
    first, second = torch.cat(one.samples), torch.cat(other.samples)
    return torch.equal(first, second) and _expected_differences(first) >= _DIFFERING


def _expected_differences(values: Tensor) -> float:
    """Between two independent draws of what was drawn here."""
    counts = torch.unique(values, return_counts=True)[1]
    shares = counts / len(values)
    return float(len(values) * (1 - (shares**2).sum()))


def _torch_seeds(device: torch.device) -> list[int]:
    seeds = [torch.default_generator.initial_seed()]
    if device.type == "cuda":
        with torch.cuda.device(device):
            seeds.append(torch.cuda.initial_seed())
    return seeds


def _trainable(model: nn.Module) -> list[nn.Parameter]:
    parameters = (one for one in model.parameters() if one.requires_grad)
    return [one for one in parameters if not nn.parameter.is_lazy(one)]


def _looks_drawn(weight: Tensor) -> bool:
    """Whether hardly two values are equal, as hardly any rule would give them."""
    sample = weight.detach().flatten()[:_SAMPLE]
    return len(sample) >= _FEWEST_DRAWN and len(torch.unique(sample)) > len(sample) // 2
