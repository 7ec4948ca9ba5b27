"""A computation recorded once as plain tensor operations, and played back.

What a batched model costs beside its arithmetic is Python: modules, batching rules, the autograd
graph. Recorded below all of them, forward and backward are one list of operations without any.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_unflatten

from harness.training.plain import keep_compiler_out

Function = Callable[..., Any]

_ALIASES = ("aten::detach", "aten::alias")  # without an autograd graph they do nothing
_READS_VALUES = (torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape)


class NotRecordable(Exception):
    """The computation depends on values, so that another batch would take another path."""


@dataclass(frozen=True, eq=False)
class Tape:
    """What was recorded. play: takes the inputs' list; outputs: what the recording gave.

    n_bytes: of all tensors that were met, each memory once: more than playing holds at any time.
    """

    play: Function
    outputs: Any
    n_bytes: int


def record(function: Function, inputs: Sequence[Tensor]) -> Tape:
    """Runs `function(inputs)` and keeps what it did, to be played with other inputs.

    inputs: all that changes from call to call, in shapes that stay; any other tensor is taken as
    it lies now, in later calls too. function gives nested lists and tuples of tensors and Nones.
    Playing computes no gradients beyond the recorded ones, and writes where was written.
    Raises NotRecordable, and what the function raises.
    """
    keep_compiler_out(_Recorder.__torch_dispatch__)
    recorder = _Recorder(inputs)
    with recorder:
        outputs = function(inputs)
    flat, structure = tree_flatten(outputs)
    names = [recorder.name(value) if isinstance(value, Tensor) else "None" for value in flat]
    play = _compiled(recorder, names)

    def player(tensors: Sequence[Tensor]) -> Any:
        with torch.no_grad():
            return tree_unflatten(play(*tensors), structure)

    return Tape(player, outputs, recorder.n_bytes())


class _Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Writes each operation as a line of Python; tensors are kept so that none is taken twice."""

    def __init__(self, inputs: Sequence[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.kept: list[Tensor] = list(inputs)
        self.names = {id(tensor): f"i{place}" for place, tensor in enumerate(inputs)}
        self.n_inputs = len(inputs)
        self.constants: dict[str, Any] = {}
        self.lines: list[tuple[str, list[str], list[str]]] = []  # text, read, written

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        name = func._schema.name
        if _reads_values(func, args):
            raise NotRecordable(f"{name} makes the computation depend on its values")
        result = func(*args, **kwargs)
        if name in _ALIASES:
            self._keep(result, self.name(args[0]))
        else:
            self._write(func, args, kwargs, result)
        return result

    def name(self, tensor: Tensor) -> str:
        """The variable that holds a tensor; one that was never seen is a constant."""
        if id(tensor) not in self.names:
            self._keep(tensor, self._constant(tensor))
        return self.names[id(tensor)]

    def n_bytes(self) -> int:
        storages = [tensor.untyped_storage() for tensor in self.kept]
        return sum({one.data_ptr(): one.nbytes() for one in storages}.values())

    def _write(self, func: Any, args: Any, kwargs: Any, result: Any) -> None:
        read: list[str] = []
        given = [self._text(value, read) for value in args]
        given += [f"{key}={self._text(value, read)}" for key, value in kwargs.items()]
        outputs = list(result) if isinstance(result, tuple | list) else [result]
        written = [self._new(value) for value in outputs]
        left = ", ".join(written) + ("," if isinstance(result, tuple | list) else "")
        text = f"{left} = {self._constant(func)}({', '.join(given)})"
        self.lines.append((text, read, written))

    def _text(self, value: Any, read: list[str]) -> str:
        if isinstance(value, Tensor):
            name = self.name(value)
            read.append(name)
            return name
        if isinstance(value, list | tuple):
            return f"[{', '.join(self._text(one, read) for one in value)}]"
        if value is None or type(value) in (bool, int):
            return repr(value)
        return self._constant(value)

    def _new(self, value: Any) -> str:
        if not isinstance(value, Tensor):
            return "_"
        if id(value) not in self.names:  # in-place operations give what they were given
            self._keep(value, f"t{len(self.names)}")
        return self.names[id(value)]

    def _keep(self, tensor: Tensor, name: str) -> None:
        self.kept.append(tensor)
        self.names[id(tensor)] = name

    def _constant(self, value: Any) -> str:
        for name, known in self.constants.items():
            if known is value:
                return name
        name = f"c{len(self.constants)}"
        self.constants[name] = value
        return name


def _reads_values(func: Any, args: tuple[Any, ...]) -> bool:
    if func._schema.name == "aten::index":  # tagged for the sake of masks alone
        return any(one is not None and one.dtype is torch.bool for one in args[1])
    return any(tag in func.tags for tag in _READS_VALUES)


def _compiled(recorder: _Recorder, outputs: list[str]) -> Function:
    """The lines as one Python function; a variable is dropped after its last reader."""
    last: dict[str, int] = {}
    for place, (_, read, written) in enumerate(recorder.lines):
        last |= dict.fromkeys([*read, *written], place)
    body = []
    for place, (text, read, written) in enumerate(recorder.lines):
        over = {n for n in (*read, *written) if last[n] == place and n not in outputs}
        body.append(text)
        dropped = sorted(name for name in over if name.startswith("t"))
        if dropped:
            body.append(f"del {', '.join(dropped)}")
    body.append(f"return [{', '.join(outputs)}]")
    arguments = ", ".join(f"i{place}" for place in range(recorder.n_inputs))
    source = f"def play({arguments}):\n" + "".join(f"    {line}\n" for line in body)
    space = dict(recorder.constants)
    exec(compile(source, "<tape>", "exec"), space)
    played: Function = space["play"]
    return played
