"""What a process was at one moment, as far as it can reach the numbers of whatever runs in it.

Three kinds of things are compared, and put back: switches, which torch, NumPy and Python keep for a
whole process or thread and compute by; names, since Python lets a model's file put its own function
in the place of `torch.nn.functional.relu`, of `torch.optim.Adam.__init__` or of a function's
defaults; and threads and modules that came meanwhile. The libraries' namespaces are copied, so that
comparing them takes no longer than looking at each name once.
"""

import builtins
import gc
import locale
import os
import random
import sys
import threading
import types
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from operator import attrgetter
from typing import Any

import numpy as np

from harness.plugins.catalog import is_user_module
from harness.training.torch_internals import is_wrapped_by_torch, torch_switches


@dataclass(frozen=True, eq=False)
class ProcessState:
    """What a process was at one moment, as far as it can reach numbers."""

    switches: tuple[Any, ...]
    names: "Names"
    modules: frozenset[str]
    threads: frozenset[threading.Thread]


def process_state() -> ProcessState:
    """Return the process as it is now."""
    return ProcessState(
        read_switches(), read_names(), frozenset(sys.modules), frozenset(threading.enumerate())
    )


def what_changed(before: ProcessState) -> tuple[str, ...]:
    """Return what is different now and may reach the numbers of whatever comes, in words."""
    switched = _switched(before.switches, read_switches())
    names = dict.fromkeys(found.name for found in replaced(before.names))
    return (*switched, *names, *_started(before.threads))


def restore_process(before: ProcessState, *, surroundings: bool = True) -> tuple[str, ...]:
    """Put back what is different now, as far as that can be done; gives what `what_changed` does.

    surroundings: the environment, the working directory and the like are put back too, without a
    word.
    """
    changed = what_changed(before)
    restore_switches(before.switches, harmless=surroundings)
    if changed:
        for found in list(replaced(before.names)):
            found.put()
    for name in sys.modules.keys() - before.modules:
        if is_user_module(name):
            del sys.modules[name]
    return changed


@contextmanager
def unchanged_process(*, surroundings: bool = True) -> Iterator[None]:
    """Puts back whatever the block has changed; see `restore_process`."""
    before = process_state()
    try:
        yield
    finally:
        restore_process(before, surroundings=surroundings)


def _switched(before: tuple[Any, ...], now: tuple[Any, ...]) -> Iterator[str]:
    for switch, old, new in zip(all_switches(), before, now, strict=True):
        if old != new and not switch.harmless:
            yield f"{switch.name}{_values(old, new)}"


def _values(old: Any, new: Any) -> str:
    """The values where they are short enough to be read."""
    text = f" ({old} -> {new})"
    return text if len(text) < 60 and " at 0x" not in text else ""


def _started(before: frozenset[threading.Thread]) -> Iterator[str]:
    """Threads that run a model's own code."""
    for thread in threading.enumerate():
        target = getattr(thread, "_target", None) or type(thread)
        if thread not in before and is_user_module(str(getattr(target, "__module__", ""))):
            yield f"a thread that runs {getattr(target, '__qualname__', target)}"


_RANDOM: Any = np.random


@dataclass(frozen=True)
class Switch:
    """One thing that a process keeps. read: its value, to be compared; put: sets it to that value.

    put: None where only a new process gets rid of another value.
    harmless: it reaches no number once it is put back, so that nobody needs to know.
    """

    name: str
    read: Callable[[], Any]
    put: Callable[[Any], object] | None = None
    harmless: bool = False


@cache
def all_switches() -> tuple[Switch, ...]:
    """Return all of them, in the order in which they are put back."""
    of_torch = (Switch(*switch) for switch in torch_switches())
    return (*of_torch, *_libraries(), *_surroundings())


def read_switches() -> tuple[Any, ...]:
    """Return the value of each, in their order."""
    return tuple(_read(switch) for switch in all_switches())


def restore_switches(before: Iterable[Any], *, harmless: bool = True) -> None:
    """Set those that differ to values of `read_switches`; the harmless ones if asked to."""
    for switch, value in zip(all_switches(), before, strict=True):
        if switch.harmless and not harmless:
            continue
        if switch.put is not None and _read(switch) != value:
            switch.put(value)


def _read(switch: Switch) -> Any:
    try:
        return switch.read()
    except Exception as error:  # such as old and new precision settings mixed, or no directory
        return f"{type(error).__name__}: {error}"


def _libraries() -> Iterable[Switch]:
    yield Switch("NumPy's error handling", np.geterr, lambda value: np.seterr(**value))
    yield Switch("NumPy's random generator", _RANDOM.get_bit_generator, _RANDOM.set_bit_generator)
    yield Switch("Python's random generator", lambda: getattr(random.random, "__self__", None))
    yield Switch(
        "locale",
        lambda: locale.setlocale(locale.LC_ALL),
        lambda value: locale.setlocale(locale.LC_ALL, value),
    )


def _surroundings() -> Iterable[Switch]:
    yield Switch("recursion limit", sys.getrecursionlimit, sys.setrecursionlimit, harmless=True)
    yield Switch("environment", lambda: dict(os.environ), _put_environment, harmless=True)
    yield Switch("working directory", os.getcwd, os.chdir, harmless=True)
    yield Switch("sys.path", lambda: tuple(sys.path), _put_search_path, harmless=True)
    yield Switch("warnings", lambda: tuple(warnings.filters), _put_warnings, harmless=True)
    yield Switch(
        "garbage collection",
        lambda: (gc.isenabled(), gc.get_threshold()),
        _put_garbage_collection,
        harmless=True,
    )


def _put_environment(before: dict[str, str]) -> None:
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)


def _put_search_path(before: tuple[str, ...]) -> None:
    sys.path[:] = before


def _put_warnings(before: tuple[Any, ...]) -> None:
    warnings.filters[:] = before  # type: ignore[index]
    warnings._filters_mutated()  # type: ignore[attr-defined]


def _put_garbage_collection(before: tuple[bool, tuple[int, int, int]]) -> None:
    enabled, threshold = before
    (gc.enable if enabled else gc.disable)()
    gc.set_threshold(*threshold)


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
    """Return what every watched name stands for now."""
    _look_around()
    for index in _differing(_watch.copies):
        _watch.copies[index] = dict(_watch.spaces[index].mapping)
    return Names(tuple(_watch.copies))


def replaced(before: Names) -> Iterator[Replaced]:
    """Yield what has been replaced since, also in modules that were imported since."""
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
    """Whether Python or torch put it there by the way."""
    if isinstance(space.owner, type) and (name in _BY_THE_WAY or name.startswith("__pydantic_")):
        return True
    if _full_name(space, name) in _TORCHS_OWN:
        return True
    return is_wrapped_by_torch(new, old)


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
    return [
        name for name in new if _is_watched(name) and type(sys.modules[name]) is types.ModuleType
    ]


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
