"""Configurations of different data stand side by side; no sentence and no test compares them."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from harness.report.benchmark_results import BenchmarkResults, Configuration
from harness.report.blocks import Block, Section, Table, Text
from harness.report.formatting import is_missing, listed, plural
from harness.results.trial_config import DataIdentity, data_identity

NOT_COMPARED = "Configurations of different data are not compared"


class DatasetResults(NamedTuple):
    """The configurations of one dataset, as results of their own. name: of the dataset."""

    name: str
    results: BenchmarkResults
    data: "_Data | None"

    def is_same(self, other: "DatasetResults") -> bool:
        """Whether both hold configurations of one dataset."""
        return self.data is not None and other.data is not None and self.data.is_same(other.data)


def split_by_dataset(results: BenchmarkResults) -> tuple[DatasetResults, ...]:
    """The results cut by dataset, in the order of the best of each; itself where there is one.

    One dataset with other classes is another task, and counts as another dataset.
    """
    groups: list[tuple[_Data, list[Configuration]]] = []
    for one in results.configurations:
        data = _data_of(results, one)
        own = next((group for known, group in groups if known.is_same(data)), None)
        if own is None:
            groups.append((data, [one]))
        else:
            own.append(one)
    if len(groups) < 2:
        only = groups[0][0] if groups else None
        return (DatasetResults(str(only.identity) if only else "", results, only),)
    names = _names([data for data, _ in groups])
    return tuple(DatasetResults(name, _part(results, group), data)
                 for name, (data, group) in zip(names, groups, strict=True))  # fmt: skip


def section_per_dataset(
    make: Callable[[BenchmarkResults], Section], parts: Sequence[DatasetResults]
) -> Section:
    """The section of a benchmark, made for each dataset by itself where there are several."""
    sections = [make(part.results) for part in parts]
    if all(one.blocks == sections[0].blocks for one in sections):
        return sections[0]  # one dataset, or nothing to show of any
    blocks: list[Block] = [Text(data_sentence(parts))]
    for part, made in zip(parts, sections, strict=True):
        own = [_captioned(block, made.title, part.name) for block in made.blocks]
        blocks += [Text(f"Data: {part.name}."), *own]
    return replace(sections[0], blocks=tuple(blocks))


def data_sentence(parts: Sequence[DatasetResults]) -> str:
    """That several datasets are not compared, and how many configurations each has."""
    counts = [f"{plural(len(part.results.configurations), 'configuration')} of {part.name}"
              for part in parts]  # fmt: skip
    return f"{NOT_COMPARED}: {listed(counts)} stand side by side, each data by itself."


def _captioned(block: Block, title: str, data: str) -> Block:
    """A table with the data in its caption, since it may be printed without what stands above."""
    if not isinstance(block, Table):
        return block
    return replace(block, caption=f"{block.caption or title}, {data}")


class _Data(NamedTuple):
    """classes: None where no row says."""

    identity: DataIdentity
    classes: tuple[str, ...] | None

    def is_same(self, other: "_Data") -> bool:
        unknown = self.classes is None or other.classes is None
        return self.identity.is_same(other.identity) and (unknown or self.classes == other.classes)


def _data_of(results: BenchmarkResults, one: Configuration) -> _Data:
    text = one.row.get("config")
    classes = one.row.get("class_names")
    fingerprint = one.row.get("data_fingerprint")
    return _Data(
        data_identity(
            _planned_config(results, one) if is_missing(text) else json.loads(str(text)),
            None if is_missing(fingerprint) else str(fingerprint),
        ),
        None if is_missing(classes) else tuple(json.loads(str(classes))),
    )


def _planned_config(results: BenchmarkResults, one: Configuration) -> dict[str, Any]:
    """The dataset of a configuration without a row, from the file and its searched values."""
    variants = {variant.name: variant for variant in results.spec.variants}
    variant = variants.get(one.params.get("variant"), results.spec.variants[0])
    given = variant.dataset.options
    return {
        "dataset": {
            "name": one.params.get("dataset.name") or variant.dataset.name,
            "path": one.params.get("dataset.path") or given.get("path"),
        }
    }


def _names(found: Sequence[_Data]) -> list[str]:
    """What tells the datasets apart in as few words as that takes."""
    for name in (
        lambda data: data.identity.name,
        lambda data: str(data.identity),
        lambda data: f"{data.identity} with {len(data.classes or ()):,} classes",
    ):
        names = [name(data) for data in found]
        if len(set(names)) == len(names):
            return names
    return [f"{name} [{place}]" for place, name in enumerate(names, start=1)]


def _part(results: BenchmarkResults, group: Sequence[Configuration]) -> BenchmarkResults:
    ids = {one.trial_id for one in group}
    baseline = results.baseline if results.baseline and results.baseline.trial_id in ids else None
    return replace(
        results,
        configurations=tuple(group),
        baseline=baseline,
        folds=results.folds[results.folds["trial_id"].isin(ids)],
    )
