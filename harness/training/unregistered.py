"""Layers and parameters that `parameters()` does not list, so that nothing trains them."""

import sys
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from types import FunctionType, MethodType
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.dropout import _DropoutNd

_OF_TORCH = frozenset(vars(nn.Module()))  # what every module holds, hooks among it
_DEEPEST = 5  # containers within containers


def unregistered(
    model: nn.Module, *, listed: Iterable[nn.Parameter], reached: Iterable[Tensor]
) -> list[str]:
    """Dotted names of attributes that hold what is not trained although it takes part.

    listed: what `parameters()` gave when the model was built; parameters that came later are
        named too. reached: leaves that a loss gave gradients to; one that no attribute
        leads to is named `?`.
    A module in a plain list counts where it has parameters that require a gradient, or depends on
    a mode that `train()` and `eval()` can't give it. Frozen ones in evaluation mode don't.
    """
    known = {id(one) for one in (*model.modules(), *model.buffers(), *listed)}
    named: set[int] = set()
    names: list[str] = []
    for prefix, module in model.named_modules():
        own = {key: one for key, one in vars(module).items() if key not in _OF_TORCH}
        for key, value in (own | dict(module.named_parameters(recurse=False))).items():
            forgotten = [one for held in _held(value) for one in _forgotten(held, known)]
            if forgotten:
                names.append(f"{prefix}.{key}" if prefix else key)
                named |= {id(one) for one in forgotten}
    if any(id(leaf) not in known | named for leaf in reached):
        names.append("?")
    return names


def leaves(loss: Tensor) -> list[Tensor]:
    """All tensors that a backward pass from the loss would give gradients to."""
    found, seen, open_nodes = [], set(), [loss.grad_fn]
    while open_nodes:
        node = open_nodes.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if (leaf := getattr(node, "variable", None)) is not None:
            found.append(leaf)
        open_nodes += [following for following, _ in node.next_functions]
    return found


def _held(value: Any, depth: int = 0) -> Iterator[nn.Module | Tensor]:
    """Modules and tensors in a value: in containers, in what a function closes over, in objects."""
    if isinstance(value, nn.Module | Tensor):
        yield value
    elif depth < _DEEPEST:
        for one in _parts(value):
            yield from _held(one, depth + 1)


def _parts(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return list(value.values())
    if isinstance(value, list | tuple | set | frozenset | deque):
        numbers = isinstance(next(iter(value), None), int | float | str)  # of any length
        return [] if numbers else list(value)
    if isinstance(value, partial):
        return [value.func, *value.args, *value.keywords.values()]
    if isinstance(value, MethodType):
        return [value.__self__]
    if isinstance(value, FunctionType):
        return [cell.cell_contents for cell in value.__closure__ or () if _is_full(cell)]
    return list(vars(value).values()) if _is_plain_object(value) else []


def _is_full(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return False
    return True


def _is_plain_object(value: Any) -> bool:
    """An object of a class that the model's author wrote."""
    package = type(value).__module__.partition(".")[0]
    written = package not in {*sys.stdlib_module_names, "torch", "numpy"}
    return written and hasattr(value, "__dict__") and not isinstance(value, type)


def _forgotten(held: nn.Module | Tensor, known: set[int]) -> list[nn.Module | Tensor]:
    """What of a held module or tensor is trained, or has a mode, and is not known."""
    if isinstance(held, Tensor):
        trains = held.is_leaf and held.requires_grad
        return [held] if trains and id(held) not in known else []
    if id(held) in known:
        return []
    parameters = [one for one in held.parameters() if one.requires_grad and id(one) not in known]
    modules = [one for one in held.modules() if id(one) not in known and _needs_mode(one)]
    return [*parameters, *modules]


def _needs_mode(module: nn.Module) -> bool:
    return module.training and isinstance(module, _NormBase | _DropoutNd)
