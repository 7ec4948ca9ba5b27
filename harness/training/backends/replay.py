"""A computation recorded once as plain tensor operations, and played back.

What a batched model costs beside its arithmetic is Python: modules, batching rules, the autograd
graph. Recorded below all of them, forward and backward are one list of operations without any.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import getitem
from typing import Any

import torch
from torch import Tensor, fx
from torch.utils._pytree import tree_map, tree_unflatten

from harness.training.backends.graph_passes import simplified
from harness.training.backends.tracer import Recording, recorded

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
    """Runs `function(inputs)` and keeps what it did, to be played with other inputs.

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
    """The operations as one Python function, without those whose results nobody reads."""
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
