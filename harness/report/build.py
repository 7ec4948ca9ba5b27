"""A study's sections, in the order of the report."""

from collections.abc import Callable

from harness.report.content import Section
from harness.report.sections.answer import answer
from harness.report.sections.classes import classes
from harness.report.sections.comparisons import comparisons
from harness.report.sections.curves import curves
from harness.report.sections.data_card import data_card
from harness.report.sections.effects import effects
from harness.report.sections.findings import findings
from harness.report.sections.fold_map import fold_map
from harness.report.sections.importance import importance
from harness.report.sections.leaderboard import leaderboard
from harness.report.sections.methods import methods
from harness.report.sections.pareto import pareto
from harness.report.sections.provenance import provenance
from harness.report.sections.published import published
from harness.report.study import Study

ORDER: tuple[Callable[[Study], Section], ...] = (
    answer,
    leaderboard,
    published,
    effects,
    comparisons,
    pareto,
    fold_map,
    curves,
    classes,
    importance,
    findings,
    data_card,
    methods,
    provenance,
)
"""To add a section, write its file and name it here."""


def build_sections(study: Study) -> tuple[Section, ...]:
    """Every section of the report; one without data says so in a line."""
    return tuple(make(study) for make in ORDER)
