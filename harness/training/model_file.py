"""A model's file as one trial uses it: imported anew for every model that is built.

What a file keeps between two models (a cache, a global, a default argument) would let a fold start
from what another fold learned, and a trial from what another trial did.
"""

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from harness.errors import BenchError
from harness.plugins import catalog
from harness.plugins.signature import defines
from harness.training.file_globals import FileGlobals, file_globals
from harness.training.isolation import process_state, what_changed

if TYPE_CHECKING:
    from types import ModuleType

    from torch import Tensor, nn

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
        """Imports the file for the first time. Raises BenchError where that fails."""
        self._imported()
        self._is_unused = True

    def build(self, **arguments: Any) -> "nn.Module":
        """The file's `build`, of a fresh import."""
        module = self._imported()
        model: nn.Module = module.build(**arguments)
        with contextlib.suppress(TypeError):  # no model, which whoever asked for one will see
            self._modules[model] = module
        return model

    @property
    def attention(self) -> "Callable[[nn.Module, Tensor], Tensor] | None":
        """The file's own, of the import that built the model; None where it has none."""
        if not defines(catalog.here(self._entry).file, "attention"):
            return None
        return self._attention

    def changed_names(self) -> tuple[str, ...]:
        """What the file's globals, classes and functions keep of the model that was built last."""
        return () if self._globals is None else self._globals.changed_names()

    def _attention(self, model: "nn.Module", *arguments: Any) -> "Tensor":
        module = self._modules.get(model, self._module) or self._imported()
        weights: Tensor = module.attention(model, *arguments)
        return weights

    def _imported(self) -> "ModuleType":
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

    def _import_again(self, last: "ModuleType") -> "ModuleType":
        try:
            return self._import_file()
        except BenchError:
            _repeatable[last.__name__] = False
            return last

    def _first_import(self) -> "ModuleType":
        name = catalog.module_name(self._entry)
        before = None if name in _repeatable else process_state()
        module = self._import_file()
        if before is not None:
            _repeatable[name] = not what_changed(before)
        return module

    def _import_file(self) -> "ModuleType":
        if self._import is None:
            self._import = catalog.importer(self._entry)
        return self._import()
