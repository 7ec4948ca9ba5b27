"""What a computation does to tensors, written down while it runs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import TreeSpec, tree_flatten, tree_leaves

from harness.training.torch_internals import keep_compiler_out

Geometry = tuple[tuple[int, ...], tuple[int, ...], int]  # shape, strides, offset

_READS_VALUES = (torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape)


class NotRecordable(Exception):
    """The computation depends on values, so that another batch would take another path."""


@dataclass(frozen=True, eq=False)
class Operation:
    """`function(*arguments, **named)` gave `outputs`; tensors stand for themselves.

    several: whether it gives a list or tuple, however long.
    """

    function: Any
    arguments: tuple[Any, ...]
    named: dict[str, Any]
    outputs: tuple[Any, ...]
    several: bool = False

    @property
    def writes(self) -> bool:
        """Whether it changes a tensor that it is given."""
        return bool(self.function._schema.is_mutable)

    def read(self) -> list[Tensor]:
        """The tensors that it is given."""
        return tensors_in([self.arguments, self.named])

    def made(self) -> list[Tensor]:
        """The tensors that it gives."""
        return tensors_in(self.outputs)


@dataclass(frozen=True, eq=False)
class Recording:
    """inputs: what another run is given anew; outputs: what it is to give, as they nest."""

    inputs: Sequence[Tensor]
    operations: list[Operation]
    outputs: list[Any]
    structure: TreeSpec

    def n_bytes(self) -> int:
        """Of all tensors that were met, each memory once: more than is held at any time."""
        met = [*self.inputs]
        for operation in self.operations:
            met += [*operation.read(), *operation.made()]
        storages = [tensor.untyped_storage() for tensor in met]
        return sum({one.data_ptr(): one.nbytes() for one in storages}.values())


def recorded(function: Callable[..., Any], inputs: Sequence[Tensor]) -> Recording:
    """Runs `function(inputs)`, below modules, batching rules and autograd.

    function: gives nested lists and tuples of tensors and Nones.
    Raises NotRecordable, and what the function raises.
    """
    keep_compiler_out(_Recorder.__torch_dispatch__)
    recorder = _Recorder()
    with recorder:
        outputs = function(inputs)
    flat, structure = tree_flatten(outputs)
    return Recording(inputs, recorder.operations, flat, structure)


def tensors_in(nested: Any) -> list[Tensor]:
    """The tensors in nested lists, tuples and dicts."""
    return [leaf for leaf in tree_leaves(nested) if isinstance(leaf, Tensor)]


def geometry(tensor: Tensor) -> Geometry:
    """How a tensor lies in its memory."""
    return tuple(tensor.shape), tuple(tensor.stride()), int(tensor.storage_offset())


class _Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Keeps each operation with its tensors, so that no memory is taken twice meanwhile."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operations: list[Operation] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        named = kwargs or {}
        if _reads_values(func, args):
            raise NotRecordable(f"{func._schema.name} makes the computation depend on its values")
        result = func(*args, **named)
        several = isinstance(result, tuple | list)
        outputs = tuple(result) if several else (result,)
        if any(one.layout is not torch.strided for one in tensors_in(outputs)):
            raise NotRecordable(f"{func._schema.name} gives a sparse tensor")
        self.operations.append(Operation(func, args, named, outputs, several))
        return result


def _reads_values(func: Any, args: tuple[Any, ...]) -> bool:
    if func._schema.name == "aten::index":  # tagged for the sake of masks alone
        return any(one is not None and one.dtype is torch.bool for one in args[1])
    return any(tag in func.tags for tag in _READS_VALUES)
