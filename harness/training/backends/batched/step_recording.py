"""A training step recorded once as plain tensor operations, simplified, and played back.

What a batched model costs beside its arithmetic is Python: modules, batching rules, the autograd
graph. Recorded below all of them, forward and backward are one list of operations without any. Of
those most look at a tensor in one way after another; each view that is taken once takes as long to
call as a product. `torch.fx` writes the function that is played."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from operator import getitem
from typing import Any

import torch
from torch import Tensor, fx
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import TreeSpec, tree_flatten, tree_leaves, tree_map, tree_unflatten

from harness.training.torch_internals import keep_compiler_out, memory_key

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
        """Return the tensors that it is given."""
        return tensors_in([self.arguments, self.named])

    def made(self) -> list[Tensor]:
        """Return the tensors that it gives."""
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
    """Run `function(inputs)`, below modules, batching rules and autograd.

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
    """Return the tensors in nested lists, tuples and dicts."""
    return [leaf for leaf in tree_leaves(nested) if isinstance(leaf, Tensor)]


def geometry(tensor: Tensor) -> Geometry:
    """Return how a tensor lies in its memory."""
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


def simplified(recording: Recording) -> Recording:
    """Return the same computation on inputs of the same shapes and strides, every view taken once.

    Each is taken of what holds the memory; of tensors that are neither inputs nor made on the way,
    before the run: those are taken to stay where they lie.
    """
    inputs = {id(tensor) for tensor in recording.inputs}
    made = {id(one) for operation in recording.operations for one in operation.made()}
    bases: dict[int, Tensor] = {}
    same: dict[int, Tensor] = {}
    seen: dict[tuple[int, Geometry], Tensor] = {}
    operations = []
    for operation in recording.operations:
        read = _with(operation, same)
        if not _is_view(operation):
            operations.append(read)
            continue
        source = read.arguments[0]
        base = bases.get(id(source), source)
        if id(base) in inputs and any(geometry(one) != geometry(base) for one in read.outputs):
            operations.append(read)  # an input may lie at another offset the next time
            inputs |= {id(one) for one in read.outputs}
            continue
        for view in read.outputs:
            key = (id(base), geometry(view))
            if key not in seen and key[1] == geometry(base):
                seen[key] = base
            elif key not in seen and id(base) in made:
                seen[key] = view
                operations.append(_strided(base, view))
            elif key not in seen:
                seen[key] = base.detach().as_strided(*key[1])
            same[id(view)] = seen[key]
            bases[id(view)] = bases[id(seen[key])] = base
    return replace(recording, operations=operations, outputs=_replaced(recording.outputs, same))


def _is_view(operation: Operation) -> bool:
    source = operation.arguments[0] if operation.arguments else None
    return (
        isinstance(source, Tensor)
        and not operation.writes
        and all(
            isinstance(one, Tensor)
            and memory_key(one) == memory_key(source)
            and one.dtype == source.dtype
            and not (one.is_neg() or one.is_conj())
            for one in operation.outputs
        )
    )


def _strided(base: Tensor, view: Tensor) -> Operation:
    """The operation that takes a view of the tensor whose memory it lies in."""
    shape, strides, offset = geometry(view)
    arguments = (base, list(shape), list(strides), offset)
    return Operation(torch.ops.aten.as_strided.default, arguments, {}, (view,))


def _with(operation: Operation, same: dict[int, Tensor]) -> Operation:
    arguments, named = _replaced([operation.arguments, operation.named], same)
    return replace(operation, arguments=arguments, named=named)


def _replaced(nested: Any, same: dict[int, Tensor]) -> Any:
    return tree_map(lambda leaf: same.get(id(leaf), leaf), nested)


aten = torch.ops.aten

Function = Callable[..., Any]

# The same by torch's functions, which take less time to be called than an operator by its name.
_FUNCTIONS = {
    aten.add.Tensor: torch.add,
    aten.as_strided.default: torch.as_strided,
    aten.baddbmm.default: torch.baddbmm,
    aten.bmm.default: torch.bmm,
    aten.cat.default: torch.cat,
    aten.clone.default: torch.clone,
    aten.mul.Tensor: torch.mul,
    aten.native_layer_norm.default: torch.native_layer_norm,
    aten.sub.Tensor: torch.sub,
    aten.sum.dim_IntList: torch.sum,
    aten.transpose.int: torch.transpose,
    aten._softmax.default: torch._softmax,
    aten._softmax_backward_data.default: torch._softmax_backward_data,
}


@dataclass(frozen=True, eq=False)
class Tape:
    """What was recorded. play: takes the inputs' list; outputs: what the recording gave."""

    play: Function
    outputs: Any


def record(function: Function, inputs: Sequence[Tensor]) -> Tape:
    """Run `function(inputs)` and keep what it did, to be played with other inputs.

    inputs: all that changes from call to call, in shapes and strides that stay; any other tensor
    is taken where it lies, with what is in it then. function gives nested lists and tuples of
    tensors and Nones.
    Playing computes no gradients beyond the recorded ones, and writes where was written.
    Raises NotRecordable, and what the function raises.
    """
    recording = recorded(function, inputs)
    outputs = tree_unflatten(recording.outputs, recording.structure)
    return Tape(_player(recording), outputs)


def _player(recording: Recording) -> Function:
    """Holds what stays, and none of the tensors that were met on the way."""
    play, structure = module_of(simplified(recording)).forward, recording.structure

    def player(tensors: Sequence[Tensor]) -> Any:
        with torch.no_grad():
            return tree_unflatten(play(*tensors), structure)

    return player


def module_of(recording: Recording) -> fx.GraphModule:
    """Return the operations as one Python function, without those whose results nobody reads."""
    graph, constants = fx.Graph(), dict[str, Tensor]()
    nodes: dict[int, fx.Node] = {}

    def node(value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        if id(value) not in nodes:
            name = f"c{len(constants)}"
            constants[name] = value
            nodes[id(value)] = graph.get_attr(name)
        return nodes[id(value)]

    for place, tensor in enumerate(recording.inputs):
        nodes[id(tensor)] = graph.placeholder(f"i{place}")
    for operation in recording.operations:
        function = _FUNCTIONS.get(operation.function, operation.function)
        given = tree_map(node, (operation.arguments, operation.named))
        made = graph.call_function(function, *given)
        for place, output in enumerate(operation.outputs):
            if isinstance(output, Tensor) and id(output) not in nodes:
                part = graph.call_function(getitem, (made, place)) if operation.several else made
                nodes[id(output)] = part
    graph.output([node(value) for value in recording.outputs])
    graph.eliminate_dead_code(_has_effects)
    return fx.GraphModule(constants, graph)


def _has_effects(node: fx.Node) -> bool:
    return node.is_impure() or torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ())
