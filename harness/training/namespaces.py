"""The functions and classes that every model computes with, and whether somebody replaced one.

Python lets a model's file put its own function in the place of `torch.nn.functional.relu`, of
`torch.optim.Adam.__init__`, or of a function's defaults. Here the libraries' namespaces are copied,
so that comparing them takes no longer than looking at each name once.
"""

import builtins
import inspect
import sys
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import Any

import torch

_WATCHED = (
    "builtins",
    "copy",
    "functools",
    "math",
    "operator",
    "random",
    "numpy.fft",
    "numpy.linalg",
    "numpy.random",
    "scipy.special",
    "sklearn.metrics",
    "harness",
    "torch.amp",
    "torch.autograd",
    "torch.backends",
    "torch.distributions",
    "torch.fft",
    "torch.func",
    "torch.linalg",
    "torch.nn",
    "torch.optim",
    "torch.random",
    "torch.sparse",
    "torch.special",
    "torchaudio",
    "torchvision",
)
"""With the modules below them."""
_WATCHED_ALONE = (
    "numpy",
    "torch",
    "torch._C",
    "torch._C._nn",
    "torch._VF",
    "torch._functorch.apis",
    "torch._functorch.eager_transforms",
    "torch._functorch.functional_call",
    "torch._functorch.vmap",
    "torch._jit_internal",
    "torch._tensor",
    "torch._utils",
    "torch.cuda",
    "torch.cuda.amp",
    "torch.functional",
    "torch.overrides",
    "torch.utils.checkpoint",
    "torch.utils.data",
)
_CONTAINERS = ("torch.nn.modules.module", "torch.nn.parameter", "torch.optim.optimizer")
"""Modules whose own dicts hold hooks."""
_BY_THE_WAY = frozenset(
    {
        "__abstractmethods__",
        "__annotations__",
        "__doc__",
        "__parameters__",
        "__slotnames__",
        "__signature__",
        "__static_attributes__",
        "_abc_impl",
        "_default_device_type",  # torch.utils.checkpoint's, at the first checkpoint
    }
)
"""What Python itself, and what makes them, put into a class when it is used."""
_OPENED = ("torch.",)
"""Whose functions are looked into, for code and defaults that somebody replaced."""
_CLOSED = ("torch.distributions", "torch.cuda", "torch.sparse")
"""And whose not."""
_TORCHS_OWN = frozenset(
    {
        "torch.Storage",  # follows the default dtype, which is a switch
        "torch.distributions.distribution.Distribution._validate_args",  # off where torch compiles
        "torch.nn.modules.module.Module.___needs_generation_tag_patch",
    }
)
_INNARDS: Callable[[Any], tuple[Any, ...]] = attrgetter(
    "__code__", "__defaults__", "__kwdefaults__"
)

_TORCH = Path(torch.__file__).parent
_WRAPPERS = tuple(
    str(_TORCH / place) for place in ("optim/optimizer.py", "_compile.py", "_dynamo/")
)
_MUTATION_GUARD = str(_TORCH / "_dynamo" / "mutation_guard.py")
_HEAP_TYPE = 1 << 9  # of a class's flags: of others no attribute can be set

Copy = dict[str, Any]


@dataclass(frozen=True)
class _Space:
    """A namespace. owner: the module, the class, or the dict itself."""

    name: str
    owner: Any
    mapping: Mapping[str, Any]


@dataclass
class _Watch:
    """All that is watched in this process; it only grows.

    copies: of the mappings, as each was seen last; innards: of the functions, as each was seen
    first.
    """

    modules: dict[str, types.ModuleType] = field(default_factory=dict)
    known: set[str] = field(default_factory=set)
    spaces: list[_Space] = field(default_factory=list)
    mappings: list[Mapping[str, Any]] = field(default_factory=list)
    copies: list[Copy] = field(default_factory=list)
    classes: set[type] = field(default_factory=set)
    functions: dict[types.FunctionType, str] = field(default_factory=dict)
    innards: list[tuple[Any, ...]] = field(default_factory=list)


@dataclass(frozen=True)
class Names:
    """What the namespaces held at one moment."""

    copies: tuple[Copy, ...]


@dataclass(frozen=True)
class Replaced:
    """A name that stands for something else than before. put: what puts the old one back."""

    name: str
    put: Callable[[], None]


_watch = _Watch()


def read_names() -> Names:
    """What every watched name stands for now."""
    _look_around()
    for index in _differing(_watch.copies):
        _watch.copies[index] = dict(_watch.spaces[index].mapping)
    return Names(tuple(_watch.copies))


def replaced(before: Names) -> Iterator[Replaced]:
    """What has been replaced since, also in modules that were imported since."""
    for index in _differing(before.copies):
        yield from _replaced_in(_watch.spaces[index], before.copies[index])
    if list(map(_INNARDS, _watch.functions)) != _watch.innards:
        for (function, name), old in zip(_watch.functions.items(), _watch.innards, strict=True):
            if _INNARDS(function) != old:
                yield Replaced(name, _put_innards(function, old))
    for name, module in _watch.modules.items():
        if sys.modules.get(name, module) is not module:
            yield Replaced(name, _put_module(name, module))
    for name in _new_modules():
        yield from _foreign_in(name, sys.modules[name])


def _differing(copies: Sequence[Copy]) -> list[int]:
    """Places of the namespaces that differ from their copies."""
    mappings = _watch.mappings
    try:  # the usual way, in half a millisecond
        return [index for index, copy in enumerate(copies) if mappings[index] != copy]
    except Exception:  # a value without a truth, such as an array, stands where another one stood
        return [index for index, copy in enumerate(copies) if _differs(mappings[index], copy)]


def _differs(mapping: Mapping[str, Any], copy: Copy) -> bool:
    try:
        return bool(mapping != copy)
    except Exception:
        return True


def _replaced_in(space: _Space, copy: Copy) -> Iterator[Replaced]:
    now = dict(space.mapping)
    for name, old in copy.items():
        new = now.get(name)
        if new is old or (name in now and _is_equal(new, old)):
            continue
        if not _is_torchs_own(space, name, new, old):
            yield Replaced(_full_name(space, name), _put_value(space, name, old))
    if isinstance(space.owner, types.ModuleType) and space.owner is not builtins:
        return  # a further name in a module is nobody's concern
    for name in now.keys() - copy.keys():
        if not _is_torchs_own(space, name, now[name], _inherited(space.owner, name)):
            yield Replaced(_full_name(space, name), _put_nothing(space, name))


def _inherited(owner: Any, name: str) -> Any:
    """What a class had under a name before it got one of its own."""
    bases = owner.__mro__[1:] if isinstance(owner, type) else ()
    return next((vars(base)[name] for base in bases if name in vars(base)), None)


def _is_equal(new: Any, old: Any) -> bool:
    try:
        return type(new) is type(old) and bool(new == old)
    except Exception:
        return False


def _is_torchs_own(space: _Space, name: str, new: Any, old: Any) -> bool:
    """Whether torch put it there: it wraps the steps of optimizers that are made, and more where
    something is compiled."""
    if isinstance(space.owner, type) and (name in _BY_THE_WAY or name.startswith("__pydantic_")):
        return True
    if _full_name(space, name) in _TORCHS_OWN:
        return True
    file = getattr(getattr(new, "__code__", None), "co_filename", "")
    wraps = file.startswith(_WRAPPERS) and inspect.unwrap(new) is inspect.unwrap(old)
    return wraps or file == _MUTATION_GUARD


def _full_name(space: _Space, name: str) -> str:
    if isinstance(space.owner, types.ModuleType | type):
        return f"{space.name}.{name}"
    return space.name


def _foreign_in(name: str, module: types.ModuleType) -> Iterator[Replaced]:
    """Of a library's module that nobody had imported before: what is a model's own."""
    for key, value in dict(vars(module)).items():
        if _is_user_code(value):
            yield Replaced(f"{name}.{key}", lambda: None)
        elif isinstance(value, type) and value.__module__ == name:
            for inner, found in dict(vars(value)).items():
                if _is_user_code(found):
                    yield Replaced(f"{name}.{key}.{inner}", lambda: None)


def _is_user_code(value: Any) -> bool:
    return str(getattr(value, "__module__", "")).startswith("bench_")


def _look_around() -> None:
    """Takes in what has been imported since the last look."""
    for name in _new_modules():
        module = sys.modules[name]
        _watch.modules[name] = module
        _add(_Space(name, module, vars(module)))
        if name in _CONTAINERS:
            _add_containers(name, module)
        for value in dict(vars(module)).values():
            if isinstance(value, type) and _is_watched(str(value.__module__)):
                _add_class(value)
    _watch.known |= sys.modules.keys()


def _new_modules() -> list[str]:
    new = sys.modules.keys() - _watch.known
    return [name for name in new
            if _is_watched(name) and type(sys.modules[name]) is types.ModuleType]  # fmt: skip


def _is_watched(name: str) -> bool:
    if name in _WATCHED_ALONE or name in _WATCHED:
        return True
    return name.startswith(tuple(f"{one}." for one in _WATCHED))


def _add(space: _Space) -> None:
    copy = dict(space.mapping)
    _watch.spaces.append(space)
    _watch.mappings.append(space.mapping)
    _watch.copies.append(copy)
    if space.name.startswith(_OPENED) and not space.name.startswith(_CLOSED):
        _add_functions(space.name, copy)


def _add_functions(space_name: str, copy: Copy) -> None:
    for name, value in copy.items():
        function = value.__func__ if isinstance(value, staticmethod | classmethod) else value
        if type(function) is types.FunctionType and function not in _watch.functions:
            _watch.functions[function] = f"{space_name}.{name}"
            _watch.innards.append(_INNARDS(function))


def _add_class(found: type) -> None:
    if found in _watch.classes or not found.__flags__ & _HEAP_TYPE:
        return
    _watch.classes.add(found)
    _add(_Space(f"{found.__module__}.{found.__qualname__}", found, vars(found)))


def _add_containers(name: str, module: types.ModuleType) -> None:
    for key, value in vars(module).items():
        if isinstance(value, dict) and not key.startswith("__"):
            _add(_Space(f"{name}.{key}", value, value))


def _put_value(space: _Space, name: str, old: Any) -> Callable[[], None]:
    if isinstance(space.owner, dict):
        return lambda: space.owner.__setitem__(name, old)
    return lambda: setattr(space.owner, name, old)


def _put_nothing(space: _Space, name: str) -> Callable[[], None]:
    if isinstance(space.owner, dict):
        return lambda: space.owner.__delitem__(name)
    return lambda: delattr(space.owner, name)


def _put_innards(function: types.FunctionType, old: tuple[Any, ...]) -> Callable[[], None]:
    def put() -> None:
        function.__code__, function.__defaults__, function.__kwdefaults__ = old

    return put


def _put_module(name: str, module: types.ModuleType) -> Callable[[], None]:
    return lambda: sys.modules.__setitem__(name, module)
