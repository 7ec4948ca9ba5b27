"""Mistakes against the named model and dataset, found even where the file has others.

A file that does not read as a benchmark has no configurations to check; what it says of its model
and dataset is checked all the same, so that one run of `bench check` tells everything.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.config.benchmark import BenchmarkSpec
from harness.config.problems import problem_at
from harness.config.read import read_benchmark
from harness.config.yaml_io import Document, KeyPath
from harness.engine.argument_checks import (
    COMMON_DATASET_KEYS,
    allowed_keys,
    wrong_value,
)
from harness.errors import BenchError, Problem, SpecError, nearest
from harness.plugins import catalog
from harness.plugins.signature import Argument

KINDS: tuple[catalog.Kind, ...] = ("dataset", "model")

Given = Mapping[tuple[str, bool], tuple[KeyPath, Sequence[Any]]]
"""Path, and whether it is searched -> where it stands, and its values."""


def read_checked(
    path: Path, overrides: Sequence[str] = (), *, folder: Path | None = None
) -> BenchmarkSpec:
    """The benchmark in a file. Raises SpecError with all problems that can be found together."""
    try:
        return read_benchmark(path, overrides)
    except SpecError as error:
        if error.document is None:
            raise
        more = name_problems(error.document, folder=folder)
        raise SpecError([*error.problems, *more], ended_early=error.ended_early) from None


def name_problems(document: Document, *, folder: Path | None = None) -> list[Problem]:
    """Unknown models, datasets and hyper-parameters of a document, and values of wrong types."""
    return [
        problem
        for given in _given(document)
        for kind in KINDS
        for problem in _of_kind(document, kind, given, folder)
    ]


def _of_kind(
    document: Document, kind: catalog.Kind, given: Given, folder: Path | None
) -> Iterator[Problem]:
    place, (name,) = given.get((f"{kind}.name", False), ((), (None,)))
    if not isinstance(name, str):
        return
    known = catalog.entries(kind, folder=folder)
    if name not in known:
        yield problem_at(
            document,
            place,
            catalog.why_unknown(kind, name, folder=folder),
            found=repr(name),
            allowed=", ".join(known),
            nearest=nearest(name, list(known)),
        )
        return
    try:
        arguments = catalog.signature(known[name]).arguments
    except BenchError as error:
        yield problem_at(document, place, str(error))
        return
    common = COMMON_DATASET_KEYS if kind == "dataset" else ("name",)
    for (path, _), (at, values) in given.items():
        prefix, _, key = path.partition(".")
        if prefix == kind and key not in common:
            yield from _problems(document, at, key, values, entry=known[name], known=arguments)


def _given(document: Document) -> list[Given]:
    """What each variant gives of its model and dataset, over the base; the base without variants.

    What the command line gives goes before the variants, as everywhere.
    """
    base = _layer(document.value, ())
    variants = document.value.get("variants")
    if not isinstance(variants, Mapping):
        return [base]
    return [
        _over(base, _layer(own, ("variants", name)), document)
        for name, own in variants.items()
        if isinstance(own, Mapping)
    ]


def _layer(value: Mapping[str, Any], at: KeyPath) -> Given:
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


def _over(base: Given, own: Given, document: Document) -> Given:
    typed = {path for (path, _), (place, _) in base.items() if document.is_overridden(place)}
    paths = {path for path, _ in own} - typed
    kept = {key: value for key, value in base.items() if key[0] not in paths}
    return {**kept, **{key: value for key, value in own.items() if key[0] in paths}}


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
