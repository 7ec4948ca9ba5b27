"""Checks that read no data and build no model: names, arguments, values, installed packages.

A file that does not read as a benchmark has no configurations to check; what it gives of its model
and dataset is checked all the same, so that one run of `bench check` reports every mistake.
"""

import importlib.util
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.config.benchmark import BenchmarkSpec
from harness.config.problems import problem_at, several_values
from harness.config.read import read_benchmark
from harness.config.sections import DatasetSection
from harness.config.yaml_io import Document, KeyPath, show
from harness.errors import BenchError, Problem, SpecError, nearest
from harness.plugins import catalog
from harness.plugins.signature import Argument, Signature

COMMON_DATASET_KEYS = ("name", *(key for key in DatasetSection.model_fields if key != "name"))
KINDS: tuple[catalog.Kind, ...] = ("dataset", "model")
TRACKING_PACKAGES = {"tensorboard": "tensorboardX", "mlflow": "mlflow", "wandb": "wandb"}
INSTALLED_AS = {"tensorboard": "tensorboard tensorboardX"}  # where the names differ

GivenValues = Mapping[tuple[str, bool], tuple[KeyPath, Sequence[Any]]]
"""Path, and whether it is searched -> where it stands in the document, and its values."""


def read_checked(
    path: Path, overrides: Sequence[str] = (), *, folder: Path | None = None
) -> BenchmarkSpec:
    """Read a benchmark file, with all problems that can be found together.

    Args:
        path: The file.
        overrides: `key=value` texts of the command line.
        folder: Whose `models/` and `data_prep/` come first; the working directory by default.

    Raises:
        SpecError: The file has mistakes.
    """
    try:
        return read_benchmark(path, overrides)
    except SpecError as error:
        if error.document is None:
            raise
        more = name_problems(error.document, folder=folder)
        raise SpecError([*error.problems, *more], ended_early=error.ended_early) from None


def check_tracking(spec: BenchmarkSpec) -> None:
    """Check that the packages are installed that `tracking` needs; imports none of them.

    Raises:
        SpecError: One is missing; at the file's line, with the command that installs it.
    """
    missing = [name for name in spec.tracking if not _is_installed(TRACKING_PACKAGES[name])]
    if missing:
        packages = " ".join(INSTALLED_AS.get(name, name) for name in missing)
        text = f"not installed: run `pip install {packages}`"
        raise SpecError([spec.problem("tracking", text, found=", ".join(missing))])


def _is_installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


@dataclass
class Checker:
    """Checks each distinct name and value once, however many configurations share it.

    Attributes:
        spec: The benchmark.
        folder: Whose `models/` and `data_prep/` come first.
        root: Of the raw data.
        variant: Of the configuration that is checked now; a mistake that several variants make is
            reported at a line of each.
        problems: The mistakes so far.
        known: Answers so far.
    """

    spec: BenchmarkSpec
    folder: Path
    root: Path
    variant: str | None = None
    problems: list[Problem] = field(default_factory=list)
    known: dict[tuple[str | None, ...], Any] = field(default_factory=dict)

    def entry(self, kind: catalog.Kind, name: str) -> catalog.Entry | None:
        """Return the file of that name; None where there is none, or where it can't be used."""
        key = ("entry", kind, name, self.variant)
        if key not in self.known:
            self.known[key] = self._find(kind, name)
        return self.known[key]  # type: ignore[no-any-return]

    def _find(self, kind: catalog.Kind, name: str) -> catalog.Entry | None:
        listed = catalog.entries(kind, folder=self.folder)
        if name not in listed:
            self.add(f"{kind}.name", **_unknown_name(kind, name, listed, self.folder))
            return None
        try:
            self.signature(listed[name])
        except BenchError as error:
            self.add(f"{kind}.name", str(error))
            return None
        return listed[name]

    def add(self, path: str, message: str, **details: Any) -> None:
        """Add a problem at the line where the variant gives a path."""
        self.problems.append(self.spec.problem(path, message, variant=self.variant, **details))

    def signature(self, entry: catalog.Entry) -> Signature:
        """Return the arguments of a file's function, read without importing it."""
        key = ("signature", str(entry.file))
        if key not in self.known:
            self.known[key] = catalog.signature(entry)
        return self.known[key]  # type: ignore[no-any-return]

    def value(self, kind: catalog.Kind, argument: Argument, value: Any) -> Any:
        """Return a value as its annotation's type; a wrong one as it is, with a problem."""
        text = json.dumps(value, default=str)
        key = (kind, argument.name, argument.annotation, text, self.variant)
        if key not in self.known:
            path = f"{kind}.{argument.name}"
            try:
                self.known[key] = argument.check(value)
            except ValueError:
                self.add(path, **_wrong_value(path, argument, value))
                self.known[key] = value
        return self.known[key]

    def unknown(self, kind: catalog.Kind, name: str, *, entry: catalog.Entry) -> None:
        """Add the problem of an argument that a file does not take."""
        key = ("unknown", kind, entry.name, name, self.variant)
        if key not in self.known:
            self.known[key] = True
            arguments = self.signature(entry).arguments
            self.add(f"{kind}.{name}", **_unknown_argument(entry, name, arguments))

    def lacks(self, entry: catalog.Entry, given: Mapping[str, Any]) -> bool:
        """Add a problem for each argument without a default that is not given; True if any."""
        arguments = self.signature(entry).arguments.values()
        missing = [arg.name for arg in arguments if arg.required and arg.name not in given]
        for name in missing:
            key = ("missing", entry.kind, entry.name, name, self.variant)
            if key not in self.known:
                self.known[key] = True
                text = f"{entry.label} needs it and has no default"
                self.add(f"{entry.kind}.{name}", text)
        return bool(missing)


def name_problems(document: Document, *, folder: Path | None = None) -> list[Problem]:
    """Check the model and the dataset that a document names, and the values it gives them.

    Returns:
        The problems of unknown models, datasets and arguments, and of values of wrong types.
    """
    return [
        problem
        for given in _given_values(document)
        for kind in KINDS
        for problem in _problems_of_kind(document, kind, given, folder)
    ]


def _problems_of_kind(
    document: Document, kind: catalog.Kind, given: GivenValues, folder: Path | None
) -> Iterator[Problem]:
    place, (name,) = given.get((f"{kind}.name", False), ((), (None,)))
    if not isinstance(name, str):
        return
    listed = catalog.entries(kind, folder=folder)
    if name not in listed:
        yield problem_at(document, place, **_unknown_name(kind, name, listed, folder))
        return
    try:
        arguments = catalog.signature(listed[name]).arguments
    except BenchError as error:
        yield problem_at(document, place, str(error))
        return
    common = COMMON_DATASET_KEYS if kind == "dataset" else ("name",)
    for (path, _), (at, values) in given.items():
        prefix, _, key = path.partition(".")
        if prefix != kind or key in common:
            continue
        if key not in arguments:
            details = _unknown_argument(listed[name], key, arguments)
            yield problem_at(document, at, **details)
        elif details := _first_wrong_value(path, arguments[key], values):
            yield problem_at(document, at, **details)


def _first_wrong_value(path: str, argument: Argument, values: Sequence[Any]) -> dict[str, Any]:
    for value in values:
        try:
            argument.check(value)
        except ValueError:
            return _wrong_value(path, argument, value)
    return {}


def _given_values(document: Document) -> list[GivenValues]:
    """List what each variant gives over the base; the base alone without variants.

    What the command line gives goes before the variants, as everywhere.
    """
    base = _layer(document.value, ())
    variants = document.value.get("variants")
    if not isinstance(variants, Mapping):
        return [base]
    return [
        _laid_over(base, _layer(sections, ("variants", name)), document)
        for name, sections in variants.items()
        if isinstance(sections, Mapping)
    ]


def _layer(value: Mapping[str, Any], at: KeyPath) -> GivenValues:
    given: dict[tuple[str, bool], tuple[KeyPath, Sequence[Any]]] = {}
    for kind in KINDS:
        section = value.get(kind)
        for key, fixed in section.items() if isinstance(section, Mapping) else ():
            given[f"{kind}.{key}", False] = (*at, kind, key), [fixed]
    search = value.get("search")
    space = search.get("space") if isinstance(search, Mapping) else None
    for path, domain in space.items() if isinstance(space, Mapping) else ():
        if str(path).partition(".")[0] in KINDS and "," not in path:
            choices = domain if isinstance(domain, list) else []
            given[path, True] = (*at, "search", "space", path), choices
    return given


def _laid_over(base: GivenValues, own: GivenValues, document: Document) -> GivenValues:
    typed = {path for (path, _), (place, _) in base.items() if document.is_overridden(place)}
    replaced = {path for path, _ in own} - typed
    kept = {key: value for key, value in base.items() if key[0] not in replaced}
    return {**kept, **{key: value for key, value in own.items() if key[0] in replaced}}


def _unknown_name(
    kind: catalog.Kind, name: str, listed: Mapping[str, catalog.Entry], folder: Path | None
) -> dict[str, Any]:
    return {
        "message": catalog.why_unknown(kind, name, folder=folder),
        "found": repr(name),
        "allowed": ", ".join(listed),
        "nearest": nearest(name, list(listed)),
    }


def _unknown_argument(
    entry: catalog.Entry, name: str, arguments: Mapping[str, Argument]
) -> dict[str, Any]:
    allowed = [*(COMMON_DATASET_KEYS[1:] if entry.kind == "dataset" else ()), *arguments]
    return {
        "message": f"{entry.label} has no such argument",
        "allowed": ", ".join(allowed) or "none",
        "nearest": nearest(name, allowed),
    }


def _wrong_value(path: str, argument: Argument, value: Any) -> dict[str, Any]:
    allowed = argument.allowed
    if isinstance(value, list) and not allowed.startswith(("list", "tuple")):
        return {"message": several_values(path, value), "allowed": allowed}
    is_text = isinstance(value, str)
    return {
        "message": "not a valid value",
        "found": repr(value) if is_text else show(value),
        "allowed": allowed,
        "nearest": nearest(value, allowed.split(", ")) if is_text else None,
    }
