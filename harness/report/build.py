"""A study's sections, in the order of the report, and the chapters of several studies."""

from collections.abc import Callable, Sequence

from harness.report.blocks import Section
from harness.report.by_data import DataPart, parts_by_data, section_by_data
from harness.report.page import Chapter
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
from harness.report.study import Study

ORDER: tuple[Callable[[Study], Section], ...] = (
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
"""To add a section, write its file and name it here."""

OF_ALL_DATA = {published, pretraining, layers, attention, findings, data_card, methods, provenance}
"""Sections that compare no configurations; the others are made for each dataset by itself."""


def build_sections(study: Study) -> tuple[Section, ...]:
    """Every section of the report; one without data says so in a line."""
    parts = parts_by_data(study)
    return tuple(build_section(make, study, parts) for make in ORDER)


def build_section(
    make: Callable[[Study], Section], study: Study, parts: Sequence[DataPart]
) -> Section:
    """One section of `ORDER`. parts: of the study, by data."""
    return make(study) if make in OF_ALL_DATA else section_by_data(make, parts)


def build_chapters(studies: Sequence[Study]) -> tuple[Chapter, ...]:
    """A chapter for each study; several are led by one about all of them."""
    own = tuple(Chapter(one.name, one.spec.question, build_sections(one)) for one in studies)
    if len(studies) < 2:
        return own
    title = "How do the benchmarks compare?"
    return (Chapter(" and ".join(one.name for one in studies), title, across(studies)), *own)
