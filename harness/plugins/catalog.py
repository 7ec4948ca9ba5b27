"""From a name to a file: models and datasets, the user's before the shipped.

The only import by name: a name can only mean a file in one of four folders, and nothing written
in a benchmark file is ever imported or executed otherwise.
"""

import ast
import hashlib
import importlib.util
import os
import sys
import sysconfig
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from harness.errors import BenchError, nearest
from harness.plugins.shipped_folders import PACKAGE
from harness.plugins.shipped_folders import SHIPPED as SHIPPED
from harness.plugins.shipped_folders import SHIPPED_BENCHMARKS as SHIPPED_BENCHMARKS
from harness.plugins.signature import Signature, defines, read_signature, syntax_tree
from harness.random_state import fixed_random_state
from harness.user_code_errors import USER_CODE_ERRORS, named

Kind = Literal["model", "dataset"]
FOLDERS: dict[Kind, str] = {"model": "models", "dataset": "data_prep"}
FUNCTIONS: dict[Kind, str] = {"model": "build", "dataset": "load"}
NEEDED: dict[Kind, tuple[str, ...]] = {
    "model": ("build",),
    "dataset": ("describe", "prepare", "files", "load"),
}
GIVEN: dict[Kind, tuple[str, ...]] = {"model": ("input_shape", "num_classes"), "dataset": ("root",)}
TRAVELLED = "bench_user"  # the package in which the user's folders reach the nodes of a cluster

AFTERWARDS = ("preview", "read_input")  # of a dataset's file: show examples, read new ones
DECIDE_NOTHING = ("prepare", *AFTERWARDS)

_PREFIX = "bench"  # of the names under which files are imported
_INSTALLED = tuple({*sysconfig.get_paths().values(), str(PACKAGE)})
_known_siblings: dict[str, tuple[str, ...]] = {}  # module name -> those of the files it imports

TRAINING_VERSION = 4  # raised whenever the same configuration would give other numbers
TRAINING_VERSION_LABEL = "the harness's training version"


@dataclass(frozen=True)
class Entry:
    """One model or dataset: its name, its file, and whether it hides a shipped one."""

    kind: Kind
    name: str
    file: Path
    shipped: bool
    hides_shipped: bool = False

    @property
    def label(self) -> str:
        """Return the file as a person would name it, such as `models/vit.py`."""
        return f"{FOLDERS[self.kind]}/{self.file.name}"


def entries(kind: Kind, *, folder: Path | None = None) -> dict[str, Entry]:
    """Return name -> entry of every model or dataset that a folder sees.

    Args:
        kind: `model` or `dataset`.
        folder: The user's; default: the working directory.
    """
    shipped = _listed(kind, SHIPPED, shipped=True)
    own = (folder or Path.cwd()).resolve()
    users = {} if own == SHIPPED else _listed(kind, own, shipped=False)
    hiding = {
        name: Entry(kind, name, entry.file, shipped=False, hides_shipped=name in shipped)
        for name, entry in users.items()
    }
    return dict(sorted({**shipped, **hiding}.items()))


def find(kind: Kind, name: str, *, folder: Path | None = None) -> Entry:
    """Return the entry of that name, the user's before the shipped.

    Args:
        kind: `model` or `dataset`.
        name: The file's name without `.py`.
        folder: The user's; default: the working directory.

    Raises:
        BenchError: There is none; the message has the nearest known name.
    """
    known = entries(kind, folder=folder)
    if name in known:
        return known[name]
    close = nearest(name, list(known))
    hint = f"; did you mean {close!r}?" if close else ""
    reason = why_unknown(kind, name, folder=folder)
    raise BenchError(f"{reason}; found {name!r}; known: {', '.join(known)}{hint}")


def why_unknown(kind: Kind, name: str, *, folder: Path | None = None) -> str:
    """Return `unknown model`, or what the file of that name lacks."""
    file = (folder or Path.cwd()) / FOLDERS[kind] / f"{name}.py"
    if os.path.isfile(file):  # False, not an error, for names that no file can have
        return f"{FOLDERS[kind]}/{file.name} has no plain `def {FUNCTIONS[kind]}`"
    return f"unknown {kind}"


def signature(entry: Entry) -> Signature:
    """Return the options of a dataset's `load` or the hyper-parameters of a model's `build`.

    Raises:
        BenchError: The file lacks a function that its kind needs, or breaks a rule of arguments.
    """
    found = read_signature(entry.file, FUNCTIONS[entry.kind], given=GIVEN[entry.kind])
    lacking = [name for name in NEEDED[entry.kind] if not defines(entry.file, name)]
    if found is None or lacking:
        listed = ", ".join(f"`def {name}`" for name in lacking)
        raise BenchError(f"{entry.label} has no plain {listed}")
    return found


def arguments_of(entry: Entry, section: Mapping[str, Any]) -> dict[str, Any]:
    """Return those values of a resolved section that the file's own function takes."""
    known = signature(entry).arguments
    return {name: value for name, value in section.items() if name in known}


def here(entry: Entry) -> Entry:
    """Return the entry with the file that this process has of it.

    On a node of a cluster, which may have no file of the driver's or older ones, that is the copy
    that travelled with the run.
    """
    travelled = _package_folder(TRAVELLED)
    if travelled is None:
        return entry
    name = FOLDERS[entry.kind]
    folder = _shipped_on_worker(name) if entry.shipped else travelled / name
    return entry if folder is None else replace(entry, file=folder / entry.file.name)


def has_travelled() -> bool:
    """Return whether this process runs on a node of a cluster, with code that a driver gave it."""
    return _package_folder(TRAVELLED) is not None


def load(entry: Entry) -> ModuleType:
    """Import the file under a module name of its own, so that nothing else is shadowed.

    Raises:
        BenchError: The import fails; the message names the file and the reason.
    """
    entry = here(entry)
    name = module_name(entry)
    return sys.modules[name] if name in sys.modules else _imported(entry, name)


def importer(entry: Entry) -> Callable[[], ModuleType]:
    """Return a function that imports the file again, each time it is called.

    The siblings that the file needs are imported again with it. The call raises BenchError where
    the import fails; the modules that were imported before then stay.
    """
    entry, name = here(entry), module_name(entry)
    if name not in _known_siblings:
        sources = (file.stem for file in source_files(entry) if file != entry.file)
        _known_siblings[name] = tuple(f"{FOLDERS[entry.kind]}.{stem}" for stem in sources)
    siblings = _known_siblings[name]

    def import_anew() -> ModuleType:
        before = {name: sys.modules.pop(name) for name in siblings if name in sys.modules}
        for sibling in before:
            package, _, stem = sibling.rpartition(".")
            if package in sys.modules:  # where `from models import x` looks first
                vars(sys.modules[package]).pop(stem, None)
        try:
            return _imported(entry, name)
        except BenchError:
            sys.modules.update(before)
            raise

    return import_anew


def module_name(entry: Entry) -> str:
    """Return the name under which the file is imported; it changes with its content."""
    file = here(entry).file
    digest = hashlib.sha256(file.read_bytes() + str(file).encode()).hexdigest()[:12]
    return f"{_PREFIX}_{entry.kind}_{entry.name}_{digest}"


def is_user_module(name: str) -> bool:
    """Return whether an imported module is a user's.

    Such are models, datasets and their siblings, and every file that is no part of an installed
    library.
    """
    if name.startswith((f"{_PREFIX}_", *(f"{folder}." for folder in FOLDERS.values()))):
        return True
    file = getattr(sys.modules.get(name), "__file__", None)
    return file is not None and not file.startswith(_INSTALLED) and name not in FOLDERS.values()


def _imported(entry: Entry, name: str) -> ModuleType:
    """Import the file; random numbers that it draws at import come from a seed of their own."""
    spec = importlib.util.spec_from_file_location(name, entry.file)
    if spec is None or spec.loader is None:
        raise BenchError(f"{entry.file} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    before = sys.modules.get(name)
    sys.modules[name] = module
    try:
        with fixed_random_state():
            spec.loader.exec_module(module)
    except USER_CODE_ERRORS as error:
        del sys.modules[name]
        if before is not None:
            sys.modules[name] = before
        raise BenchError(f"{entry.file}: {named(error)}") from error
    return module


def file_fingerprint(entry: Entry) -> str:
    """Hash the file's syntax tree without docstrings, and those of the siblings that it imports.

    Siblings are files of the same folder, followed through their own imports. What only a dataset's
    `prepare` imports is left out, since the raw files have a fingerprint of their own; so are its
    `preview` and its `read_input`, as long as nothing else in the file calls them.

    Returns:
        16 hex digits.
    """
    digest = hashlib.sha256()
    for file in sorted(_with_siblings(entry.file, FOLDERS[entry.kind], DECIDE_NOTHING, seen=set())):
        digest.update(file.name.encode())
        digest.update(_bare_code(syntax_tree(file)).encode())
    return digest.hexdigest()[:16]


def source_files(entry: Entry) -> list[Path]:
    """Return the file and the siblings it uses, shipped ones where its own folder lacks them.

    What only `prepare` imports is left out.
    """
    package = FOLDERS[entry.kind]
    fallback = SHIPPED / package
    return sorted(_with_siblings(entry.file, package, ("prepare",), seen=set(), fallback=fallback))


def code_fingerprint(model: Entry, dataset: Entry) -> str:
    """Return `<model>-<dataset>-<training version>`, which changes where results may change."""
    return f"{file_fingerprint(model)}-{file_fingerprint(dataset)}-{TRAINING_VERSION}"


def changed_code(old: str, new: str, *, model: Entry, dataset: Entry) -> str:
    """Name the file that made two code fingerprints differ."""
    names = (model.label, dataset.label, TRAINING_VERSION_LABEL)
    pairs = zip(old.split("-"), new.split("-"), names, strict=False)
    return " and ".join(name for before, after, name in pairs if before != after) or "code"


def _shipped_on_worker(name: str) -> Path | None:
    """Return a shipped folder as it travelled: in harness from a wheel, next to it from a clone.

    The name alone may lead to a package of the user's project, whose folder is on a worker's path.
    """
    folder = SHIPPED / name
    return folder if folder.is_dir() else _package_folder(name)


def _package_folder(name: str) -> Path | None:
    spec = importlib.util.find_spec(name)
    places = [] if spec is None else list(spec.submodule_search_locations or ())
    return Path(places[0]) if places else None


def _listed(kind: Kind, root: Path, *, shipped: bool) -> dict[str, Entry]:
    folder = root / FOLDERS[kind]
    if not folder.is_dir():
        return {}
    files = sorted(folder.glob("[!._]*.py"))  # macOS leaves `._name.py` on other systems' drives
    offered = [file for file in files if _offers(file, FUNCTIONS[kind])]
    return {file.stem: Entry(kind, file.stem, file, shipped=shipped) for file in offered}


def _offers(file: Path, function: str) -> bool:
    try:
        return defines(file, function)
    except BenchError:
        return True  # a broken file is named when it is used, not hidden


def _bare_code(tree: ast.Module) -> str:
    tree.body = _without(tree, AFTERWARDS)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and _is_docstring(body[0]):
            node.body = body[1:]  # type: ignore[attr-defined]
    return ast.dump(tree)


def _without(tree: ast.Module, names: Iterable[str]) -> list[ast.stmt]:
    """Leave out the functions of these names that no other statement mentions."""
    mentioned = {
        node.id
        for statement in tree.body
        for node in ast.walk(statement)
        if isinstance(node, ast.Name) and not _is_function(statement, node.id)
    }
    left_out = set(names) - mentioned
    return [node for node in tree.body if not any(_is_function(node, name) for name in left_out)]


def _is_function(node: ast.stmt, name: str) -> bool:
    return isinstance(node, ast.FunctionDef) and node.name == name


def _is_docstring(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _with_siblings(
    file: Path, package: str, but: Iterable[str], *, seen: set[Path], fallback: Path | None = None
) -> set[Path]:
    """Return the file and what it imports of its package, but for what these functions import.

    Args:
        file: Where to begin.
        package: `models` or `data_prep`.
        but: Names of functions whose imports don't count.
        seen: The files so far; extended in place.
        fallback: A folder to look in where the file's own has no such sibling.
    """
    if file in seen:
        return seen
    seen.add(file)
    tree = syntax_tree(file)
    tree.body = _without(tree, but)
    for name in _imported_names(tree, package):
        for folder in (file.parent, fallback):
            sibling = (folder or file.parent) / f"{name}.py"
            if sibling.exists():
                _with_siblings(sibling, package, but, seen=seen, fallback=fallback)
                break
    return seen


def _imported_names(tree: ast.Module, package: str) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            dotted = [alias.name.split(".") for alias in node.names]
            names |= {parts[1] for parts in dotted if parts[0] == package and len(parts) > 1}
        elif isinstance(node, ast.ImportFrom):
            parts = (node.module or "").split(".")
            if node.level == 0 and parts[0] != package:
                continue
            inner = parts if node.level else parts[1:]
            names |= {inner[0]} if inner and inner[0] else {alias.name for alias in node.names}
    return names
