"""Mistakes against the named model and dataset, found even where the file has others.

A file that does not read as a benchmark has no configurations to check; what it says of its model
and dataset is checked all the same, so that one run of `bench check` tells everything.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.data import catalog
from harness.data.signature import Argument
from harness.errors import BenchError, Problem, SpecError, nearest
from harness.planning.checker import COMMON_DATASET_KEYS, allowed_keys, wrong_value
from harness.results.metrics import metric_names
from harness.spec.benchmark import BenchmarkSpec
from harness.spec.problems import problem_at
from harness.spec.read import read_benchmark
from harness.spec.yaml_text import Document, KeyPath

KINDS: tuple[catalog.Kind, ...] = ("dataset", "model")


def read_checked(
    path: Path, overrides: Sequence[str] = (), *, folder: Path | None = None
) -> BenchmarkSpec:
    """The benchmark in a file. Raises SpecError with all problems that can be found together."""
    try:
        return read_benchmark(path, overrides, known_metrics=metric_names())
    except SpecError as error:
        if error.document is None:
            raise
        more = name_problems(error.document, folder=folder)
        raise SpecError([*error.problems, *more]) from None


def name_problems(document: Document, *, folder: Path | None = None) -> list[Problem]:
    """Unknown models, datasets and hyper-parameters of a document, and values of wrong types.

    A file with `variants` is left to `resolve`: what they share is known only when merged.
    """
    if "variants" in document.value:
        return []
    return [problem for kind in KINDS for problem in _of_kind(document, kind, folder)]


def _of_kind(document: Document, kind: catalog.Kind, folder: Path | None) -> Iterator[Problem]:
    section = document.value.get(kind)
    name = section.get("name") if isinstance(section, Mapping) else None
    if not isinstance(section, Mapping) or not isinstance(name, str):
        return
    known = catalog.entries(kind, folder=folder)
    if name not in known:
        yield problem_at(
            document,
            (kind, "name"),
            catalog.why_unknown(kind, name, folder=folder),
            found=repr(name),
            allowed=", ".join(known),
            nearest=nearest(name, list(known)),
        )
        return
    try:
        arguments = catalog.signature(known[name]).arguments
    except BenchError as error:
        yield problem_at(document, (kind, "name"), str(error))
        return
    for place, key, values in _said(document, kind, section):
        yield from _problems(document, place, key, values, entry=known[name], known=arguments)


def _said(
    document: Document, kind: catalog.Kind, section: Mapping[str, Any]
) -> Iterator[tuple[KeyPath, str, Sequence[Any]]]:
    """Key path, argument and values, of the section and then of the space."""
    common = COMMON_DATASET_KEYS if kind == "dataset" else ("name",)
    for key, value in section.items():
        if key not in common:
            yield (kind, key), key, [value]
    search = document.value.get("search")
    space = search.get("space") if isinstance(search, Mapping) else None
    for path, domain in space.items() if isinstance(space, Mapping) else ():
        prefix, _, key = str(path).partition(".")
        if prefix == kind and "," not in path and key not in common:
            yield ("search", "space", path), key, domain if isinstance(domain, list) else []


def _problems(
    document: Document,
    place: KeyPath,
    key: str,
    values: Sequence[Any],
    *,
    entry: catalog.Entry,
    known: Mapping[str, Argument],
) -> Iterator[Problem]:
    if key not in known:
        allowed = allowed_keys(entry.kind, known)
        yield problem_at(
            document,
            place,
            f"{entry.label} has no such argument",
            allowed=", ".join(allowed) or "none",
            nearest=nearest(key, allowed),
        )
        return
    for value in values:
        try:
            known[key].check(value)
        except ValueError:
            words = wrong_value(f"{entry.kind}.{key}", known[key], value)
            yield problem_at(document, place, words.pop("message"), **words)
            return
