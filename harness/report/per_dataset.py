"""Split results by dataset: configurations of different data are never compared."""

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
    """The configurations of one dataset, as results of their own, under the dataset's name."""

    name: str
    results: BenchmarkResults
    data: "_Data | None"

    def is_same(self, other: "DatasetResults") -> bool:
        """Return whether both hold configurations of one dataset."""
        return self.data is not None and other.data is not None and self.data.is_same(other.data)


def split_by_dataset(results: BenchmarkResults) -> tuple[DatasetResults, ...]:
    """Split results by dataset, in the order of the best configuration of each.

    One dataset with other classes is another task, and counts as another dataset. Results of one
    dataset stay as they are.
    """
    groups: list[tuple[_Data, list[Configuration]]] = []
    for configuration in results.configurations:
        data = _data_of(results, configuration)
        same = next((group for known, group in groups if known.is_same(data)), None)
        if same is None:
            groups.append((data, [configuration]))
        else:
            same.append(configuration)
    if len(groups) < 2:
        only = groups[0][0] if groups else None
        return (DatasetResults(str(only.identity) if only else "", results, only),)
    names = _names([data for data, _ in groups])
    return tuple(
        DatasetResults(name, _of_group(results, group), data)
        for name, (data, group) in zip(names, groups, strict=True)
    )


def section_per_dataset(
    make: Callable[[BenchmarkResults], Section], parts: Sequence[DatasetResults]
) -> Section:
    """Return a section, made for each dataset separately if there are several.

    Args:
        make: Makes the section of one dataset's results.
        parts: The results by dataset.
    """
    sections = [make(part.results) for part in parts]
    if all(section.blocks == sections[0].blocks for section in sections):
        return sections[0]  # one dataset, or nothing to show of any
    blocks: list[Block] = [Text(data_sentence(parts))]
    for part, made in zip(parts, sections, strict=True):
        own = [_captioned(block, made.title, part.name) for block in made.blocks]
        blocks += [Text(f"Data: {part.name}."), *own]
    return replace(sections[0], blocks=tuple(blocks))


def data_sentence(parts: Sequence[DatasetResults]) -> str:
    """Say that several datasets are not compared, and how many configurations each has."""
    counts = [
        f"{plural(len(part.results.configurations), 'configuration')} of {part.name}"
        for part in parts
    ]
    return f"{NOT_COMPARED}: {listed(counts)} stand side by side, each data by itself."


def _captioned(block: Block, title: str, data: str) -> Block:
    """Name the data in a table's caption, as it may be printed without the text above it."""
    if not isinstance(block, Table):
        return block
    return replace(block, caption=f"{block.caption or title}, {data}")


class _Data(NamedTuple):
    """A dataset and its classes; None where no row names them."""

    identity: DataIdentity
    classes: tuple[str, ...] | None

    def is_same(self, other: "_Data") -> bool:
        unknown = self.classes is None or other.classes is None
        return self.identity.is_same(other.identity) and (unknown or self.classes == other.classes)


def _data_of(results: BenchmarkResults, configuration: Configuration) -> _Data:
    row = configuration.row
    config, classes, fingerprint = (
        row.get(name) for name in ("config", "class_names", "data_fingerprint")
    )
    return _Data(
        data_identity(
            _planned_config(results, configuration)
            if is_missing(config)
            else json.loads(str(config)),
            None if is_missing(fingerprint) else str(fingerprint),
        ),
        None if is_missing(classes) else tuple(json.loads(str(classes))),
    )


def _planned_config(results: BenchmarkResults, configuration: Configuration) -> dict[str, Any]:
    """Return the dataset of a configuration without a row: the file's, and searched values."""
    variants = {variant.name: variant for variant in results.spec.variants}
    variant = variants.get(configuration.params.get("variant"), results.spec.variants[0])
    given = variant.dataset.options
    return {
        "dataset": {
            "name": configuration.params.get("dataset.name") or variant.dataset.name,
            "path": configuration.params.get("dataset.path") or given.get("path"),
        }
    }


def _names(datasets: Sequence[_Data]) -> list[str]:
    """Return names that tell the datasets apart, as short as that allows."""
    for name in (
        lambda data: data.identity.name,
        lambda data: str(data.identity),
        lambda data: f"{data.identity} with {len(data.classes or ()):,} classes",
    ):
        names = [name(data) for data in datasets]
        if len(set(names)) == len(names):
            return names
    return [f"{name} [{place}]" for place, name in enumerate(names, start=1)]


def _of_group(results: BenchmarkResults, group: Sequence[Configuration]) -> BenchmarkResults:
    ids = {configuration.trial_id for configuration in group}
    baseline = results.baseline if results.baseline and results.baseline.trial_id in ids else None
    return replace(
        results,
        configurations=tuple(group),
        baseline=baseline,
        folds=results.folds[results.folds["trial_id"].isin(ids)],
    )
