"""The sections of a benchmark in the report's order, and a chapter for each benchmark."""

from collections.abc import Callable, Sequence

from harness.report.benchmark_results import BenchmarkResults
from harness.report.blocks import Section
from harness.report.page import Chapter
from harness.report.per_dataset import (
    DatasetResults,
    section_per_dataset,
    split_by_dataset,
)
from harness.report.sections.across_benchmarks import across
from harness.report.sections.answer import answer
from harness.report.sections.attention import attention
from harness.report.sections.calibration import calibration
from harness.report.sections.classes import classes
from harness.report.sections.comparisons import comparisons
from harness.report.sections.curves import curves
from harness.report.sections.data_card import data_card
from harness.report.sections.effects import effects
from harness.report.sections.example_tests import items
from harness.report.sections.findings import findings
from harness.report.sections.fold_map import fold_map
from harness.report.sections.hardest_examples import hardest
from harness.report.sections.importance import importance
from harness.report.sections.layer_statistics import layers
from harness.report.sections.leaderboard import leaderboard
from harness.report.sections.methods import methods
from harness.report.sections.pairwise_matrix import pairs
from harness.report.sections.pareto import pareto
from harness.report.sections.pretraining import pretraining
from harness.report.sections.provenance import provenance
from harness.report.sections.published import published

ORDER: tuple[Callable[[BenchmarkResults], Section], ...] = (
    answer,
    leaderboard,
    published,
    effects,
    comparisons,
    items,
    pairs,
    pareto,
    fold_map,
    curves,
    pretraining,
    layers,
    classes,
    calibration,
    attention,
    importance,
    hardest,
    findings,
    data_card,
    methods,
    provenance,
)
"""The sections of the report. To add one, write its file and name it here."""

OF_ALL_DATA = {published, pretraining, layers, attention, findings, data_card, methods, provenance}
"""Sections that compare no configurations; the others are made for each dataset separately."""


def build_sections(results: BenchmarkResults) -> tuple[Section, ...]:
    """Return every section of the report; one without data says so in a line."""
    parts = split_by_dataset(results)
    return tuple(build_section(make, results, parts) for make in ORDER)


def build_section(
    make: Callable[[BenchmarkResults], Section],
    results: BenchmarkResults,
    parts: Sequence[DatasetResults],
) -> Section:
    """Return one section of `ORDER`.

    Args:
        make: Makes the section.
        results: Of the benchmark.
        parts: The same results by dataset.
    """
    return make(results) if make in OF_ALL_DATA else section_per_dataset(make, parts)


def build_chapters(benchmarks: Sequence[BenchmarkResults]) -> tuple[Chapter, ...]:
    """Return a chapter for each benchmark; several are led by one about all of them."""
    chapters = tuple(
        Chapter(results.name, results.spec.question, build_sections(results))
        for results in benchmarks
    )
    if len(benchmarks) < 2:
        return chapters
    names = " and ".join(results.name for results in benchmarks)
    return (Chapter(names, "How do the benchmarks compare?", across(benchmarks)), *chapters)
