"""All that a module holds, taken at one moment and put back later, here or in another process.

A state dict has parameters and persistent buffers. A module may also hold buffers that aren't
persistent, counters, tensors in attributes or lists, objects of its own, random generators, and
variables of a hook's closure: all of it decides what the module computes next. It is written as a
tree of plain values beside a list of tensors, so that reading it executes nothing: an object is
never made from what was read, but found in the module that was built anew, and filled.

What can't be written down (an open file, a generator) is named instead. An exported folder has a
copy of this file, so it needs torch and numpy alone.
"""

import datetime
import enum
import functools
import hashlib
import io
import logging
import pickle
import re
import threading
import types
import weakref
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import PurePath
from random import Random
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

MOST_OBJECTS = 1_000_000  # of a tree; whoever holds more holds data, not state

Node = Any  # a plain value is itself; all else is a tuple that begins with its kind and number

_PLAIN = frozenset({type(None), bool, int, float, str, bytes})
_FIXED = (
    type,
    types.ModuleType,
    types.BuiltinFunctionType,
    types.MethodWrapperType,
    types.WrapperDescriptorType,
    types.MethodDescriptorType,
    functools._lru_cache_wrapper,
    np.ufunc,
    np.dtype,
    torch._ops.OpOverload,
    torch._ops.OpOverloadPacket,
    torch.jit.ScriptFunction,
    weakref.ReferenceType,
    logging.Logger,
    type(threading.Lock()),
    type(threading.RLock()),
)
"""What is the same wherever the module is built, and is known by its name."""

_VALUES = (
    complex,
    enum.Enum,
    re.Pattern,
    PurePath,
    range,
    slice,
    type(Ellipsis),
    Decimal,
    Fraction,
    datetime.date,
    datetime.time,
    datetime.timedelta,
    torch.dtype,
    torch.device,
    torch.layout,
    torch.memory_format,
)
"""What never changes in itself, and is known by how it is written."""

_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
_REGISTERED = ("_parameters", "_buffers", "_modules")
_OF_MODULES = frozenset(vars(nn.Module())) - frozenset(_REGISTERED) | {"_compiled_call_impl"}
_MADE: Mapping[str, Callable[[], Any]] = {
    "list": list,
    "set": set,
    "dict": dict,
    "OrderedDict": OrderedDict,
    "Counter": Counter,
}
_IS_REGISTERED, _IS_ALIAS = 0, 1  # places in what is told about a tensor
_HEAP_TYPE = 1 << 9  # object.h: of a class that a program made


@dataclass(frozen=True, eq=False)
class ModuleState:
    """What a module held.

    tree: all of it, tensors by their number. tensors: as they were. unkept: in words, the first
    thing that can't be kept; empty where all can. objects: what the tree's numbers stand for in
    this process, and sources its tensors; empty for a state that was read.
    """

    tree: Node
    tensors: tuple[Tensor, ...]
    unkept: str = ""
    objects: tuple[Any, ...] = ()
    sources: tuple[Tensor, ...] = ()

    def plain(self) -> dict[str, Any]:
        """For `torch.save`, to be read with `weights_only`."""
        return {"tree": self.tree, "tensors": list(self.tensors), "unkept": self.unkept}


def state_of(plain: Mapping[str, Any]) -> ModuleState:
    """Return the state that `plain` gave."""
    return ModuleState(plain["tree"], tuple(plain["tensors"]), plain["unkept"])


def module_state(module: nn.Module, *, copied: bool = True) -> ModuleState:
    """Return all that the module holds. copied: else the tensors are the module's own memory."""
    walk = _Walk()
    tree = walk.node(module, type(module).__name__)
    walk.find_aliases()
    tensors = _copies(walk.tensors) if copied else [one.detach() for one in walk.tensors]
    return ModuleState(tree, tuple(tensors), walk.unkept, tuple(walk.objects), tuple(walk.tensors))


def restore_state(module: nn.Module, state: ModuleState) -> str:
    """Let the module, or one that was built in the same way, hold what it held then.

    Parameters and buffers are written where they are: optimizers know them by their place. Returns
    in words the first thing that isn't as it was; empty where all is.
    """
    fill = _Fill(module, state)
    fill.value(state.tree, module, type(module).__name__)
    return fill.lost or state.unkept


def restore_exactly(module: nn.Module, state: ModuleState) -> str:
    """Do the same and compare afterwards: what was put back differs in nothing."""
    lost = restore_state(module, state)
    if lost or _same_state(module_state(module, copied=False), state):
        return lost
    return f"something in {type(module).__name__}"


@contextmanager
def undisturbed(module: nn.Module) -> Iterator[None]:
    """Whatever is done to the module meanwhile, afterwards it holds what it held before.

    Gradients too: they are set aside, so that a backward pass adds to none of them.
    """
    modes = {one: one.training for one in module.modules()}
    gradients = {parameter: parameter.grad for parameter in module.parameters()}
    before = module_state(module)
    for parameter in gradients:
        parameter.grad = None
    try:
        yield
    finally:
        restore_state(module, before)
        for one, training in modes.items():
            one.training = training
        for parameter, gradient in gradients.items():
            parameter.grad = gradient


def attributes(module: nn.Module) -> dict[str, Any] | None:
    """Return what a state dict lacks of the module, for `torch.save`; None where that is nothing.

    `restore_attributes` gives it to a module that was built anew and has its state dict.
    """
    if not holds_more(module):
        return None
    state, told = module_state(module), kept_state_dict(module)
    tensors = [*module.named_parameters(), *module.named_buffers()]
    names = {id(one): name for name, one in tensors if name in told}
    return {
        **state.plain(),
        "tensors": [
            None if id(source) in names else one.cpu()
            for source, one in zip(state.sources, state.tensors, strict=True)
        ],
        "names": [names.get(id(source)) for source in state.sources],
    }


def restore_attributes(module: nn.Module, given: Mapping[str, Any]) -> str:
    """Let the module hold what `attributes` gave. Returns what `restore_state` does."""
    told = module.state_dict()
    tensors = [
        one if name is None else told[name].detach().clone()
        for name, one in zip(given["names"], given["tensors"], strict=True)
    ]
    return restore_state(module, state_of({**given, "tensors": tensors}))


def kept_state_dict(module: nn.Module) -> dict[str, Any]:
    """Return the state dict on the CPU, but for extra state that only unpickling could read."""
    return {
        name: value.detach().cpu() if isinstance(value, Tensor) else value
        for name, value in module.state_dict().items()
        if isinstance(value, Tensor) or _is_safe(value)
    }


def holds_more(module: nn.Module) -> bool:
    """Return whether it may hold what neither its state dict nor building it anew gives.

    Torch's own layers don't, unless code was hooked to them.
    """
    return any(
        not type(one).__module__.startswith("torch.nn.modules.")
        or bool(one._non_persistent_buffers_set)
        or any(getattr(one, hooks) for hooks in _HOOKS)
        for one in module.modules()
    )


class _Walk:
    """Writes the tree, each object once."""

    def __init__(self) -> None:
        self.objects: list[Any] = []
        self.tensors: list[Tensor] = []
        self.unkept = ""
        self._numbers: dict[int, int] = {}
        self._abouts: dict[int, list[bool]] = {}  # by number, in the order of the tensors

    def node(self, value: Any, place: str) -> Node:
        """place: how a user would name it."""
        kind = type(value)
        if kind in _PLAIN:
            return value
        if kind is types.MethodType:  # made anew whenever it is asked for
            return ("method", None, self.node(value.__self__, place), value.__func__.__qualname__)
        number = self._numbers.get(id(value))
        if number is not None:
            return ("seen", number)
        number = len(self.objects)
        self._numbers[id(value)] = number
        self.objects.append(value)  # kept alive, so that nothing else takes its id
        if number >= MOST_OBJECTS:
            self._give_up(place, "more objects than can be kept")
            return ("fixed", number, kind.__qualname__)
        return self._new(value, number, place)

    def find_aliases(self) -> None:
        """Note which other tensors lie in the memory of parameters and buffers."""
        abouts = list(self._abouts.values())
        if all(about[_IS_REGISTERED] for about in abouts):
            return
        pairs = list(zip(self.tensors, abouts, strict=True))
        taken = {_memory(one) for one, about in pairs if about[_IS_REGISTERED]} - {None}
        for one, about in pairs:
            about[_IS_ALIAS] = not about[_IS_REGISTERED] and _memory(one) in taken

    def _new(self, value: Any, number: int, place: str) -> Node:
        name = type(value).__qualname__
        if isinstance(value, Tensor):
            return self._tensor(value, number, place)
        if isinstance(value, nn.Module):
            if isinstance(value, torch.jit.ScriptModule):
                return ("script", number, name, self._items(_registered(value), place))
            return ("object", number, name, self._of_module(value))
        if isinstance(value, list | tuple):
            kind = "list" if isinstance(value, list) else "tuple"
            return (kind, number, name, self._items(value, place))
        if isinstance(value, dict):
            return ("dict", number, name, self._pairs(value, place))
        if isinstance(value, deque):
            return ("deque", number, value.maxlen, self._items(value, place))
        if isinstance(value, set | frozenset):
            return ("set", number, name, sorted(self._items(value, place), key=repr))
        return self._less_common(value, number, place)

    def _less_common(self, value: Any, number: int, place: str) -> Node:
        name = type(value).__qualname__
        if isinstance(value, np.ndarray | np.generic):
            return self._array(value, number, place)
        if isinstance(value, types.FunctionType):
            return self._function(value, number, place)
        if isinstance(value, functools.partial):
            parts = {"func": value.func, "args": value.args, "keywords": value.keywords}
            return ("partial", number, name, self._fields(parts, value))
        if (random_state := _random_state(value)) is not None:
            return ("random", number, name, self.node(random_state, place))
        if isinstance(value, _VALUES):
            return ("fixed", number, repr(value))
        if isinstance(value, _FIXED):
            return ("fixed", number, getattr(value, "__qualname__", None) or name)
        if _is_of_python(type(value)):
            return ("object", number, name, self._fields(_object_fields(value), value))
        return self._opaque(value, number, place)

    def _items(self, values: Any, place: str) -> list[Node]:
        return [one if type(one) in _PLAIN else self.node(one, place) for one in values]

    def _pairs(self, value: Mapping[Any, Any], place: str) -> list[tuple[Node, Node]]:
        return [
            (self.node(key, place), one if type(one) in _PLAIN else self.node(one, place))
            for key, one in value.items()
        ]

    def _fields(self, fields: Mapping[str, Any], owner: Any) -> dict[str, Node]:
        return {
            key: one if type(one) in _PLAIN else self.node(one, _named(key, owner))
            for key, one in fields.items()
        }

    def _of_module(self, module: nn.Module) -> dict[str, Node]:
        nodes = self._fields(_module_fields(module), module)
        for tensors in (module._parameters, module._buffers):
            for one in tensors.values():
                if one is not None and (about := self._abouts.get(self._numbers[id(one)])):
                    about[_IS_REGISTERED] = True
        return nodes

    def _tensor(self, value: Tensor, number: int, place: str) -> Node:
        kind = type(value)
        if kind not in (nn.Parameter, Tensor, nn.Buffer) or value.is_meta:
            if nn.parameter.is_lazy(value):
                return ("fixed", number, "a tensor without a size yet")
            return self._opaque(value, number, place)
        about = [False, False, kind is nn.Parameter, value.requires_grad, not value.is_cpu]
        self.tensors.append(value)
        self._abouts[number] = about
        index, more = len(self.tensors) - 1, _beside_tensor(value)
        return ("tensor", number, index, about, self._fields(more, value) if more else None)

    def _array(self, value: Any, number: int, place: str) -> Node:
        array = np.asarray(value)
        if array.dtype.hasobject or array.dtype.names:
            return self._opaque(value, number, place)
        single = isinstance(value, np.generic)
        return ("array", number, array.dtype.str, list(array.shape), array.tobytes(), single)

    def _function(self, value: types.FunctionType, number: int, place: str) -> Node:
        name = value.__qualname__
        cells = [self.node(_content(cell), _named(key, value)) for key, cell in _cells(value)]
        more = self._fields(vars(value), value) if vars(value) else None
        return ("function", number, name, cells, more)

    def _opaque(self, value: Any, number: int, place: str) -> Node:
        mark = _mark(value)
        if mark is None:
            self._give_up(place, type(value).__qualname__)
        return ("opaque", number, type(value).__qualname__, mark)

    def _give_up(self, place: str, what: str) -> None:
        self.unkept = self.unkept or f"{place} ({what})"


class _Fill:
    """Walks a tree beside what is there, and makes the latter what the tree says."""

    def __init__(self, module: nn.Module, state: ModuleState) -> None:
        self.lost = ""
        self._state = state
        self._values: dict[int, Any] = {}
        self._taken: set[int] = set()
        self._module = module

    def value(self, node: Node, present: Any, place: str) -> Any:
        """Return what the node stands for. present: what is in its place now."""
        if type(node) is not tuple:
            return node
        kind, number, *told = node
        if kind == "seen":
            return self._values[number]
        if kind == "method":
            return self._method(*told, present=present, place=place)
        present = self._candidate(number, present)
        self._values[number] = present
        if kind in ("fixed", "opaque"):
            return self._known(node, present, place)
        value: Any = _FILLED[kind](self, number, *told, present=present, place=place)
        self._values[number] = value
        return value

    @property
    def _is_here(self) -> bool:
        """Whether the objects themselves are known, not only how they lie."""
        return bool(self._state.objects)

    def _candidate(self, number: int, present: Any) -> Any:
        """The very object where it is known; else what is there, unless it serves already."""
        if self._is_here:
            return self._state.objects[number]
        if type(present) in _PLAIN or id(present) in self._taken:
            return None
        self._taken.add(id(present))
        return present

    def _device(self) -> torch.device:
        """That of the model's first tensor."""
        return next(iter(_registered(self._module)), torch.empty(0)).device

    def _lose(self, place: str) -> None:
        self.lost = self.lost or place

    def _known(self, node: Node, present: Any, place: str) -> Any:
        """What can only be recognised."""
        if self._is_here and node[0] == "fixed":
            return present
        now = _Walk().node(present, place)
        if type(now) is not tuple or (now[0], now[2:]) != (node[0], node[2:]):
            self._lose(place)
        return present

    def _method(self, owner: Node, name: str, *, present: Any, place: str) -> Any:
        bound = present.__self__ if isinstance(present, types.MethodType) else None
        found = self.value(owner, bound, place)
        there = present
        if bound is not found and self._is_here:
            there = getattr(found, name.rpartition(".")[2], None)
        if not isinstance(there, types.MethodType) or there.__func__.__qualname__ != name:
            self._lose(place)
        return there

    def _tensor(
        self,
        number: int,
        index: int,
        about: Sequence[bool],
        more: Mapping[str, Node] | None,
        *,
        present: Any,
        place: str,
    ) -> Tensor:
        registered, alias, parameter, requires_grad, on_device = about
        saved = self._state.tensors[index]
        fits = isinstance(present, Tensor) and _fits(present, saved)
        if fits and torch.equal(present, saved.to(present.device)):  # it may be read-only memory
            value: Tensor = present
        elif fits and (registered or alias or self._is_here):
            value = present
            self._write(value, saved, place)
        elif alias:
            self._lose(place)
            value = saved
        else:
            value = self._other(present, saved, parameter, on_device=on_device or registered)
        self._values[number] = value
        if value.is_leaf and value.requires_grad != requires_grad:
            value.requires_grad_(requires_grad)
        if more is not None:
            for key, one in self._filled(more, _beside_tensor(value), value).items():
                if key != "hooks":
                    setattr(value, key, one)
        return value

    def _write(self, value: Tensor, saved: Tensor, place: str) -> None:
        try:
            value.detach().copy_(saved)
        except RuntimeError:  # memory that several of its numbers share
            self._lose(place)

    def _other(self, present: Any, saved: Tensor, parameter: bool, *, on_device: bool) -> Tensor:
        """In the place of a tensor of another size or type, or of none."""
        made = saved.clone() if self._is_here else saved
        made = made.to(self._device()) if on_device else made
        if isinstance(present, Tensor) and self._is_here:
            try:
                present.data = made
                return present
            except RuntimeError:  # of a type that can't be exchanged
                return made
        return nn.Parameter(made, requires_grad=False) if parameter else made

    def _object(
        self, number: int, name: str, fields: Mapping[str, Node], *, present: Any, place: str
    ) -> Any:
        if present is None or type(present).__qualname__ != name:
            self._lose(place)
            return present
        if isinstance(present, nn.Module):
            self._module_filled(present, fields)
            return present
        now = _object_fields(present)
        for key in now.keys() - fields.keys():
            _delete(present, key)
        for key, one in self._filled(fields, now, present).items():
            _assign(present, key, one)
        return present

    def _module_filled(self, module: nn.Module, fields: Mapping[str, Node]) -> None:
        """Past whatever the module does where an attribute is set."""
        now = _module_fields(module)
        values = self._filled(fields, now, module)
        for key in _HOOKS:
            before, after = now.pop(key, ()), values.pop(key, ())
            if (before or after) and list(map(id, before)) != list(map(id, after)):
                self._lose(f"the hooks of {type(module).__name__}")
        for key in now.keys() - fields.keys():
            if key in _REGISTERED:
                vars(module)[key].clear()
            else:
                del vars(module)[key]
        vars(module).update(values)

    def _filled(
        self, fields: Mapping[str, Node], now: Mapping[str, Any], owner: Any
    ) -> dict[str, Any]:
        return {
            key: one
            if type(one) is not tuple
            else self.value(one, now.get(key), _named(key, owner))
            for key, one in fields.items()
        }

    def _items(self, nodes: Sequence[Node], present: Sequence[Any], place: str) -> list[Any]:
        there = list(present) + [None] * (len(nodes) - len(present))
        return [
            node if type(node) is not tuple else self.value(node, one, place)
            for node, one in zip(nodes, there, strict=False)
        ]

    def _container(self, number: int, name: str, present: Any, place: str) -> Any:
        """What is there, or an empty one."""
        if present is None or type(present).__qualname__ != name:
            if name not in _MADE:
                self._lose(place)
            present = _MADE.get(name, dict)()
        self._values[number] = present
        return present

    def _list(
        self, number: int, name: str, nodes: Sequence[Node], *, present: Any, place: str
    ) -> Any:
        value = self._container(number, name, present, place)
        value[:] = self._items(nodes, list(value), place)
        return value

    def _tuple(
        self, number: int, name: str, nodes: Sequence[Node], *, present: Any, place: str
    ) -> Any:
        there = present if isinstance(present, tuple) else ()
        items = self._items(nodes, there, place)
        if len(items) == len(there) and all(map(_is, items, there)):
            return present
        if name == "tuple":
            return tuple(items)
        if name == "Size":
            return torch.Size(items)
        if type(present).__qualname__ == name and hasattr(present, "_make"):
            return present._make(items)
        self._lose(place)
        return present

    def _dict(
        self,
        number: int,
        name: str,
        pairs: Sequence[tuple[Node, Node]],
        *,
        present: Any,
        place: str,
    ) -> Any:
        value = self._container(number, name, present, place)
        now = dict(value)
        items = []
        for key_node, node in pairs:
            key = self.value(key_node, None, place)
            items.append((key, self.value(node, now.get(key), f"{place}, {key!r}")))
        value.clear()
        for key, one in items:
            value[key] = one
        return value

    def _deque(
        self, number: int, maxlen: int | None, nodes: Sequence[Node], *, present: Any, place: str
    ) -> Any:
        fits = isinstance(present, deque) and present.maxlen == maxlen
        value: deque[Any] = present if fits else deque(maxlen=maxlen)
        self._values[number] = value
        items = self._items(nodes, list(value), place)
        value.clear()
        value.extend(items)
        return value

    def _set(
        self, number: int, name: str, nodes: Sequence[Node], *, present: Any, place: str
    ) -> Any:
        items = self._items(nodes, (), place)
        if name == "frozenset":
            return frozenset(items)
        value = self._container(number, name, present, place)
        value.clear()
        value.update(items)
        return value

    def _array(
        self,
        number: int,
        dtype: str,
        shape: Sequence[int],
        content: bytes,
        single: bool,
        *,
        present: Any,
        place: str,
    ) -> Any:
        saved = np.frombuffer(content, dtype).reshape(shape)
        if single:
            return saved[()]
        same_kind = isinstance(present, np.ndarray) and (present.dtype, present.shape) == (
            saved.dtype,
            saved.shape,
        )
        if same_kind and present.tobytes() == content:
            return present
        if same_kind and self._is_here and present.flags.writeable:
            present[...] = saved
            return present
        return saved.copy()

    def _function(
        self,
        number: int,
        name: str,
        cells: Sequence[Node],
        more: Mapping[str, Node] | None,
        *,
        present: Any,
        place: str,
    ) -> Any:
        if not isinstance(present, types.FunctionType) or present.__qualname__ != name:
            self._lose(place)
            return present
        for node, (key, cell) in zip(cells, _cells(present), strict=True):
            now = _content(cell)
            value = self.value(node, now, _named(key, present))
            if value is not now and value is not _UNASSIGNED:
                cell.cell_contents = value
        if more is not None:
            vars(present).update(self._filled(more, vars(present), present))
        return present

    def _partial(
        self, number: int, name: str, fields: Mapping[str, Node], *, present: Any, place: str
    ) -> Any:
        if type(present).__qualname__ != name:
            self._lose(place)
            return present
        now = {"func": present.func, "args": present.args, "keywords": present.keywords}
        values = self._filled(fields, now, present)
        if any(values[key] is not one for key, one in now.items()):
            self._lose(place)
        return present

    def _random(self, number: int, name: str, node: Node, *, present: Any, place: str) -> Any:
        if type(present).__qualname__ != name:
            self._lose(place)
            return present
        _set_random_state(present, self.value(node, None, place))
        return present

    def _script(
        self, number: int, name: str, nodes: Sequence[Node], *, present: Any, place: str
    ) -> Any:
        if type(present).__qualname__ != name:
            self._lose(place)
            return present
        self._items(nodes, _registered(present), place)
        return present


_FILLED: Mapping[str, Callable[..., Any]] = {
    "tensor": _Fill._tensor,
    "object": _Fill._object,
    "list": _Fill._list,
    "tuple": _Fill._tuple,
    "dict": _Fill._dict,
    "deque": _Fill._deque,
    "set": _Fill._set,
    "array": _Fill._array,
    "function": _Fill._function,
    "partial": _Fill._partial,
    "random": _Fill._random,
    "script": _Fill._script,
}


class _Unassigned:
    """In a closure's variable that has no value yet."""


_UNASSIGNED = _Unassigned()


def _registered(module: nn.Module) -> list[Tensor]:
    return [*module.parameters(), *module.buffers()]


def _named(key: str, owner: Any) -> str:
    name = getattr(owner, "__qualname__", None) or type(owner).__name__
    return f"`{key}` of {name}"


def _module_fields(module: nn.Module) -> dict[str, Any]:
    """Hooks without their numbers, which count all hooks of a process."""
    all_fields = vars(module)
    fields = {key: value for key, value in all_fields.items() if key not in _OF_MODULES}
    for key in _REGISTERED:
        if not fields[key]:
            del fields[key]
    for key in _HOOKS:
        if all_fields[key]:
            fields[key] = list(all_fields[key].values())
    return fields


def _object_fields(value: Any) -> dict[str, Any]:
    slots = {name: getattr(value, name) for name in _slots(type(value)) if hasattr(value, name)}
    return {**slots, **getattr(value, "__dict__", {})}


def _slots(kind: type) -> list[str]:
    found: list[str] = []
    for base in kind.__mro__:
        slots = vars(base).get("__slots__", ())
        names = [slots] if isinstance(slots, str) else list(slots)
        found += [
            f"_{base.__name__.lstrip('_')}{one}" if one.startswith("__") else one
            for one in names
            if one not in ("__dict__", "__weakref__")
        ]
    return found


def _assign(owner: Any, key: str, value: Any) -> None:
    """Past whatever `__setattr__` would do."""
    if hasattr(owner, "__dict__") and key not in _slots(type(owner)):
        vars(owner)[key] = value
    else:
        object.__setattr__(owner, key, value)


def _delete(owner: Any, key: str) -> None:
    if hasattr(owner, "__dict__") and key in vars(owner):
        del vars(owner)[key]
    else:
        object.__delattr__(owner, key)


def _is_of_python(kind: type) -> bool:
    """Whether a program defined it, with all its state in attributes."""
    if not kind.__flags__ & _HEAP_TYPE:
        return kind is object
    pointers = [kind.__dictoffset__ > 0, kind.__weakrefoffset__ > 0, *map(bool, _slots(kind))]
    return kind.__basicsize__ <= object.__basicsize__ + 8 * sum(pointers)


def _beside_tensor(value: Tensor) -> dict[str, Any]:
    """Attributes of the tensor itself, and its hooks."""
    more = dict(vars(value))
    if value._backward_hooks:
        more["hooks"] = list(value._backward_hooks.values())
    return more


def _cells(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    return zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return _UNASSIGNED


def _mark(value: Any) -> str | None:
    """Tells its contents from others; None where that can't be known."""
    if isinstance(value, io.IOBase):
        return None
    try:
        return hashlib.sha256(pickle.dumps(value)).hexdigest()
    except Exception:  # pickle and classes raise what they like
        return None


def _random_state(value: Any) -> Any:
    """Of a generator of random numbers, as plain values; None of anything else."""
    if isinstance(value, torch.Generator):
        return value.get_state()
    if isinstance(value, np.random.Generator):
        return value.bit_generator.state
    if isinstance(value, np.random.BitGenerator):
        return value.state
    if isinstance(value, np.random.RandomState):
        return value.get_state(legacy=False)
    if type(value) is Random:
        return value.getstate()
    return None


def _set_random_state(value: Any, state: Any) -> None:
    if isinstance(value, torch.Generator):
        value.set_state(state.cpu())
    elif isinstance(value, np.random.Generator):
        value.bit_generator.state = state
    elif isinstance(value, np.random.BitGenerator):
        value.state = state
    elif isinstance(value, np.random.RandomState):
        value.set_state(state)
    else:
        value.setstate(state)


def _copies(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Their contents; what shares memory shares it in the copies, too."""
    sharing = Counter(_memory(one) for one in tensors)
    made: dict[int, torch.UntypedStorage] = {}
    copies = []
    for one in tensors:
        place = _memory(one)
        if place is None or sharing[place] == 1:
            copies.append(one.detach().clone())
            continue
        if place not in made:
            made[place] = one.untyped_storage().clone()  # type: ignore[no-untyped-call]
        empty = torch.empty(0, dtype=one.dtype, device=one.device)
        copies.append(empty.set_(made[place], one.storage_offset(), one.shape, one.stride()))
    return copies


def _memory(tensor: Tensor) -> int | None:
    if tensor.layout != torch.strided or not tensor.numel():
        return None
    return tensor.untyped_storage().data_ptr()


def _fits(present: Tensor, saved: Tensor) -> bool:
    return (
        not nn.parameter.is_lazy(present)
        and present.shape == saved.shape
        and present.dtype == saved.dtype
        and present.layout == saved.layout
    )


def _same(one: Tensor, other: Tensor) -> bool:
    """To the bit, NaN being NaN."""
    if not _fits(one, other):
        return False
    one, other = one.detach(), other.detach()
    if one.device != other.device:
        one, other = one.cpu(), other.cpu()
    if one.layout != torch.strided:
        one, other = one.to_dense(), other.to_dense()
    return torch.equal(one, other) or (bool(one.isnan().any()) and _same_but_nan(one, other))


def _same_but_nan(one: Tensor, other: Tensor) -> bool:
    return bool(((one == other) | (one.isnan() & other.isnan())).all())


def _same_state(one: ModuleState, other: ModuleState) -> bool:
    if repr(one.tree) != repr(other.tree) or len(one.tensors) != len(other.tensors):
        return False
    return all(map(_same, one.tensors, other.tensors))


def _is_safe(value: Any) -> bool:
    """Whether `torch.load` reads it with `weights_only`."""
    buffer = io.BytesIO()
    try:
        torch.save(value, buffer)
        buffer.seek(0)
        torch.load(buffer, weights_only=True)
    except Exception:  # pickle and torch raise what they like
        return False
    return True


def _is(one: Any, other: Any) -> bool:
    return one is other
