"""A model's file as one trial uses it: imported anew for every model that is built.

What a file keeps between two models (a cache, a global, a default argument) would let a fold start
from what another fold learned, and a trial from what another trial did. What it keeps all the same
is noticed: its globals, its classes, and what its functions remember.
"""

import contextlib
import functools
import itertools
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import FunctionType, ModuleType
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from harness.errors import BenchError
from harness.plugins import catalog
from harness.plugins.signature import defines
from harness.training.process_state import process_state, what_changed
from harness.training.seeds import generator_state

# Whether a second import does nothing that the first one has not done: of each file, by its name
# in sys.modules, which changes with its content.
_repeatable: dict[str, bool] = {}


class ModelFile:
    """One model's file during one trial.

    A file that changes the process when it is imported, or that can't be imported twice, is
    imported once for the trial.
    """

    def __init__(self, entry: catalog.Entry) -> None:
        self._entry = entry
        self._import: Callable[[], ModuleType] | None = None
        self._module: ModuleType | None = None
        self._globals: FileGlobals | None = None
        self._is_unused = False
        self._modules: WeakKeyDictionary[nn.Module, ModuleType] = WeakKeyDictionary()

    def load(self) -> None:
        """Import the file for the first time. Raises BenchError where that fails."""
        self._imported()
        self._is_unused = True

    def build(self, **arguments: Any) -> nn.Module:
        """Call the file's `build`, of a fresh import."""
        module = self._imported()
        model: nn.Module = module.build(**arguments)
        with contextlib.suppress(TypeError):  # no model, which whoever asked for one will see
            self._modules[model] = module
        return model

    @property
    def attention(self) -> Callable[[nn.Module, Tensor], Tensor] | None:
        """The file's own, of the import that built the model; None where it has none."""
        if not defines(catalog.here(self._entry).file, "attention"):
            return None
        return self._attention

    def changed_names(self) -> tuple[str, ...]:
        """Return what globals, classes and functions of the file keep of the model built last."""
        return () if self._globals is None else self._globals.changed_names()

    def _attention(self, model: nn.Module, *arguments: Any) -> Tensor:
        module = self._modules.get(model, self._module) or self._imported()
        weights: Tensor = module.attention(model, *arguments)
        return weights

    def _imported(self) -> ModuleType:
        last = self._module
        if last is not None and self._is_unused:
            self._is_unused = False
            return last
        if last is None:
            module = self._first_import()
        elif _repeatable[last.__name__]:
            module = self._import_again(last)
        else:
            return last
        self._module, self._globals = module, file_globals(module)
        return module

    def _import_again(self, last: ModuleType) -> ModuleType:
        try:
            return self._import_file()
        except BenchError:
            _repeatable[last.__name__] = False
            return last

    def _first_import(self) -> ModuleType:
        name = catalog.module_name(self._entry)
        before = None if name in _repeatable else process_state()
        module = self._import_file()
        if before is not None:
            _repeatable[name] = not what_changed(before)
        return module

    def _import_file(self) -> ModuleType:
        if self._import is None:
            self._import = catalog.importer(self._entry)
        return self._import()


# Containers inside containers: a dict of lists of tuples is three, more than a file's own cache
# needs; containers that hold one another would be walked for ever.
DEEPEST = 3
# Entries of a container that are compared. What a file keeps of its models is short; a table of
# words that it has read is long and stays as it is, and its length is compared all the same.
LARGEST = 1000
# Bytes of an array whose numbers are compared, each time a model is built: statistics and counters
# are smaller, and of a table of embeddings a copy would have to be made and hashed.
LARGEST_ARRAY = 100_000


@dataclass(frozen=True, eq=False)
class FileGlobals:
    """What an imported file kept at one moment.

    marks: dotted name -> something that is equal as long as what it stands for does not change.
    """

    module: ModuleType
    marks: Mapping[str, Any]

    def changed_names(self) -> tuple[str, ...]:
        """Return the names that now stand for something else, or for something that has changed."""
        before, now = self.marks, file_globals(self.module).marks
        return tuple(name for name in {**before, **now} if before.get(name) != now.get(name))


def file_globals(module: ModuleType) -> FileGlobals:
    """Return what the file keeps now. module: the file as it was imported."""
    return FileGlobals(module, dict(_entries(module, vars(module), prefix="")))


def _entries(module: ModuleType, names: Any, *, prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in list(names.items()):
        if name.startswith("__") and not isinstance(value, FunctionType):
            continue
        if isinstance(value, type) and value.__module__ == module.__name__:
            yield f"{prefix}{name}", id(value)
            yield from _entries(module, vars(value), prefix=f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", _state(value, module, DEEPEST)


def _state(value: Any, module: ModuleType, depth: int) -> Any:
    """Something that is equal as long as the value is the same object with the same contents."""
    if value is None or isinstance(value, bool | int | float | complex | str | bytes):
        return type(value).__name__, value
    return id(value), _contents(value, module, depth)


def _contents(value: Any, module: ModuleType, depth: int) -> Any:
    for kind, read in _READ.items():
        if isinstance(value, kind):
            return read(value)
    if depth == 0 or isinstance(value, type | ModuleType):
        return None
    if isinstance(value, staticmethod | classmethod):
        value = value.__func__
    if isinstance(value, FunctionType):
        return _of_function(value, module, depth)
    if isinstance(value, dict):
        value = [*value, *value.values()] if len(value) <= LARGEST else [len(value)]
    if isinstance(value, list | tuple | set | frozenset):
        entries = itertools.islice(value, LARGEST)
        return len(value), *(_state(entry, module, depth - 1) for entry in entries)
    own = type(value).__module__ == module.__name__ and getattr(value, "__dict__", None)
    return _contents(own, module, depth) if own else None


def _of_function(function: FunctionType, module: ModuleType, depth: int) -> Any:
    """Its code, defaults and attributes, and what it closes over; of the module's own alone."""
    if function.__module__ != module.__name__:
        return None
    kept = (function.__defaults__, function.__kwdefaults__, vars(function))
    closed = (_cell(cell) for cell in function.__closure__ or ())
    return id(function.__code__), *(_state(value, module, depth) for value in (*kept, *closed))


def _cell(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # empty
        return None


def _of_array(array: NDArray[Any]) -> int | None:
    return hash(array.tobytes()) if array.nbytes <= LARGEST_ARRAY else None


def _of_module(module: nn.Module) -> tuple[int, ...]:
    return tuple(tensor._version for tensor in module.state_dict(keep_vars=True).values())


_READ: dict[type, Callable[[Any], Any]] = {
    Tensor: lambda tensor: tensor._version,
    nn.Module: _of_module,
    np.ndarray: _of_array,
    torch.Generator: generator_state,
    np.random.Generator: generator_state,
    np.random.RandomState: generator_state,
    random.Random: generator_state,
    type(functools.cache(lambda: None)): lambda cached: cached.cache_info(),
    type(itertools.count()): repr,
}
"""How far something that changes in its place has come."""
