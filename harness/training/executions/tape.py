"""A computation recorded once as plain tensor operations, and played back.

What a batched model costs beside its arithmetic is Python: modules, batching rules, the autograd
graph. Recorded below all of them, forward and backward are one list of operations without any.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_unflatten

from harness.training.executions.recording import Operation, Recording, recorded
from harness.training.executions.simplify import simplified

aten = torch.ops.aten

Function = Callable[..., Any]

# The same by torch's functions, which take less time to be called than an operator by its name.
_FUNCTIONS = {
    aten.add.Tensor: torch.add,
    aten.addcmul.default: torch.addcmul,
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
    play, structure = _compiled(simplified(recording)), recording.structure

    def player(tensors: Sequence[Tensor]) -> Any:
        with torch.no_grad():
            return tree_unflatten(play(*tensors), structure)

    return player


class _Names:
    """What everything is called in the function that is written."""

    def __init__(self, inputs: Sequence[Tensor]) -> None:
        self.tensors = {id(tensor): f"i{place}" for place, tensor in enumerate(inputs)}
        self.constants: dict[str, Any] = {}
        self._constant_of: dict[int, str] = {}

    def made(self, value: Any) -> str:
        if not isinstance(value, Tensor):
            return "_"
        return self.tensors.setdefault(id(value), f"t{len(self.tensors)}")

    def text(self, value: Any) -> str:
        if isinstance(value, list | tuple):
            return f"[{', '.join(map(self.text, value))}]"
        if value is None or type(value) in (bool, int):
            return repr(value)
        return self.tensors.get(id(value)) or self.constant(value)

    def constant(self, value: Any) -> str:
        name = self._constant_of.setdefault(id(value), f"c{len(self.constants)}")
        self.constants[name] = value
        return name


def _compiled(recording: Recording) -> Function:
    """The operations as one Python function; a variable is dropped after its last reader."""
    names = _Names(recording.inputs)
    lines = [_line(operation, names) for operation in recording.operations]
    outputs = [names.text(value) for value in recording.outputs]
    last = {name: place for place, (_, used) in enumerate(lines) for name in used}
    body = []
    for place, (text, used) in enumerate(lines):
        body.append(text)
        over = sorted(name for name in used if last[name] == place and name not in outputs)
        if over:
            body.append(f"del {', '.join(over)}")
    body.append(f"return [{', '.join(outputs)}]")
    arguments = ", ".join(f"i{place}" for place in range(len(recording.inputs)))
    source = f"def play({arguments}):\n" + "".join(f"    {line}\n" for line in body)
    space = dict(names.constants)
    exec(compile(source, "<tape>", "exec"), space)
    played: Function = space["play"]
    return played


def _line(operation: Operation, names: _Names) -> tuple[str, set[str]]:
    """A line of Python, and the variables in it."""
    given = [names.text(value) for value in operation.arguments]
    given += [f"{key}={names.text(value)}" for key, value in operation.named.items()]
    made = [names.made(value) for value in operation.outputs]
    function = names.constant(_FUNCTIONS.get(operation.function, operation.function))
    left = ", ".join(made) + ("," if operation.several else "")
    text = f"{left} = {function}({', '.join(given)})"
    used = {names.tensors.get(id(one), "") for one in (*operation.read(), *operation.made())}
    return text, {name for name in used if name.startswith("t")}
