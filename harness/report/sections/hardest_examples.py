"""The examples that most configurations get wrong: worth looking at, and sometimes mislabelled."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from harness.report.benchmark_results import BenchmarkResults
from harness.report.blocks import (
    Cell,
    Column,
    Figure,
    Section,
    Table,
    Text,
    empty_section,
    section,
)
from harness.report.formatting import number, plural
from harness.report.predictions import Pooled, pooled
from harness.report.theme import figure

if TYPE_CHECKING:
    import plotly.graph_objects as go

KEY, TITLE = "hardest", "Hardest examples"
SHOWN = 25
MOST_CONFIGURATIONS = 20
MOST_PREDICTIONS = 200_000
INK = "#7b8494"


class Hard(NamedTuple):
    """One example over all predictions of it. wrong: how many. answer, times: the most frequent
    wrong answer. p_truth: mean probability of the true class."""

    example_id: str
    target: str
    n: int
    wrong: int
    answer: str
    times: int
    p_truth: float

    @property
    def share(self) -> float:
        """Share of its predictions that are wrong."""
        return self.wrong / self.n


class Hardest(NamedTuple):
    """Every example, most often wrong first, then by least probability of the truth."""

    role: str
    n_configurations: int
    examples: tuple[Hard, ...]


def hardest(results: BenchmarkResults) -> Section:
    """The hardest examples as a section; it reads the predictions of the best configurations."""
    kept = tuple(_kept(results))
    if not kept:
        return empty_section(KEY, TITLE, "No predictions of a complete configuration are kept.")
    found = compute(kept)
    return section(
        KEY,
        TITLE,
        Text(_explanation(found, results)),
        Figure(_finding(found), draw(found)),
        table(found),
    )


def compute(kept: Sequence[Pooled]) -> Hardest:
    """All predictions of these configurations, gathered by example. kept: not empty."""
    names = kept[0].names
    ids, inverse = np.unique(np.concatenate([one.example_ids for one in kept]),
                             return_inverse=True)  # fmt: skip
    targets = np.concatenate([one.targets for one in kept])
    predicted = np.concatenate([one.predicted for one in kept])
    truths = np.concatenate([one.probabilities[np.arange(len(one.targets)), one.targets]
                             for one in kept])  # fmt: skip
    n = np.bincount(inverse)
    p_truth = np.bincount(inverse, weights=truths) / n
    answers = np.zeros((len(ids), len(names)), dtype=np.int64)
    np.add.at(answers, (inverse, predicted), 1)
    target = np.zeros(len(ids), dtype=np.int64)
    target[inverse] = targets
    answers[np.arange(len(ids)), target] = 0
    wrong, most = answers.sum(axis=1), answers.argmax(axis=1)
    order = np.lexsort((p_truth, -wrong / n))
    return Hardest(kept[0].role, len(kept), tuple(
        Hard(str(ids[i]), names[target[i]], int(n[i]), int(wrong[i]),
             names[most[i]] if wrong[i] else "", int(answers[i, most[i]]), float(p_truth[i]))
        for i in order
    ))  # fmt: skip


def table(found: Hardest) -> Table:
    """The examples that are wrong most often, one row each."""
    columns = (
        Column("example"),
        Column("true class"),
        Column("wrong", numeric=True, hint="share of all predictions of this example"),
        Column("predictions", numeric=True),
        Column("most frequent wrong answer"),
        Column("probability of the truth", numeric=True, hint="mean over its predictions"),
    )
    rows = tuple(
        (Cell(one.example_id), Cell(one.target), Cell(f"{100 * one.share:.0f} %", one.share),
         Cell(f"{one.n:,}", one.n), Cell(f"{one.answer} ({one.times})"),
         Cell(number(one.p_truth, 3), one.p_truth))
        for one in found.examples[:SHOWN] if one.wrong
    )  # fmt: skip
    return Table(columns, rows, sortable=True)


def draw(found: Hardest) -> "go.Figure":
    """How many examples are wrong how often."""
    import plotly.graph_objects as go

    names = ("never", "≤ 25 %", "≤ 50 %", "≤ 75 %", "< 100 %", "always")
    counts = np.bincount([_level(one) for one in found.examples], minlength=len(names))
    made = figure(x="share of its predictions that are wrong", y="examples", height_px=300)
    made.add_trace(go.Bar(
        x=list(names), y=counts.tolist(), text=[f"{one:,}" for one in counts.tolist()],
        textposition="outside", marker={"color": INK}, cliponaxis=False,
        hovertemplate="%{x} wrong: %{y} examples<extra></extra>",
    ))  # fmt: skip
    return made


def _kept(results: BenchmarkResults) -> Iterator[Pooled]:
    total = 0
    for one in results.complete[:MOST_CONFIGURATIONS]:
        found = pooled(results, one)
        if found is None:
            continue
        total += len(found.targets)
        if total > MOST_PREDICTIONS and total > len(found.targets):
            return
        yield found


def _level(one: Hard) -> int:
    if one.wrong in (0, one.n):
        return 0 if one.wrong == 0 else 5
    return min(4, int(np.ceil(4 * one.share)))


def _explanation(found: Hardest, results: BenchmarkResults) -> str:
    many = len(results.complete)
    over = plural(found.n_configurations, "configuration")
    if found.n_configurations < many:
        over = f"the best {found.n_configurations} of {many:,} configurations"
    return (f"{found.role.capitalize()} predictions of {over}, all folds and repeats: what every "
            "model gets wrong is ambiguous, rare in training, or labelled wrongly. Look before "
            "you blame the model.")  # fmt: skip


def _finding(found: Hardest) -> str:
    total = len(found.examples)
    always = sum(one.wrong == one.n for one in found.examples)
    never = sum(one.wrong == 0 for one in found.examples)
    return (f"Of {plural(total, 'example')} {always:,} {'is' if always == 1 else 'are'} always "
            f"wrong, {never:,} never")  # fmt: skip
