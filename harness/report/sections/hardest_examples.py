"""The examples that most configurations get wrong, which are sometimes mislabelled."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go

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
from harness.report.predictions import PooledPredictions, pooled
from harness.report.theme import figure

KEY, TITLE = "hardest", "Hardest examples"
SHOWN = 25  # examples in the table
MOST_CONFIGURATIONS = 20  # whose predictions are read
MOST_PREDICTIONS = 200_000  # read together, so that the section stays within seconds and memory
INK = "#7b8494"


class HardExample(NamedTuple):
    """One example over all its predictions.

    Attributes:
        example_id: Its id.
        target: Its class.
        n: The number of predictions.
        wrong: How many of them are wrong.
        answer: The most frequent wrong answer.
        times: How often it was given.
        p_truth: The mean probability of the true class.
    """

    example_id: str
    target: str
    n: int
    wrong: int
    answer: str
    times: int
    p_truth: float

    @property
    def share(self) -> float:
        """The share of its predictions that are wrong."""
        return self.wrong / self.n


class HardExamples(NamedTuple):
    """Every example, most often wrong first, then by the lowest probability of the truth."""

    role: str
    n_configurations: int
    examples: tuple[HardExample, ...]


def hardest(results: BenchmarkResults) -> Section:
    """Return the section; it reads the predictions of the best configurations."""
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


def compute(kept: Sequence[PooledPredictions]) -> HardExamples:
    """Gather the predictions of configurations by example.

    Args:
        kept: The predictions of one configuration or more.
    """
    names = kept[0].names
    ids, inverse = np.unique(
        np.concatenate([predictions.example_ids for predictions in kept]), return_inverse=True
    )
    targets = np.concatenate([predictions.targets for predictions in kept])
    predicted = np.concatenate([predictions.predicted for predictions in kept])
    truths = np.concatenate(
        [
            predictions.probabilities[np.arange(len(predictions.targets)), predictions.targets]
            for predictions in kept
        ]
    )
    n = np.bincount(inverse)
    p_truth = np.bincount(inverse, weights=truths) / n
    answers = np.zeros((len(ids), len(names)), dtype=np.int64)
    np.add.at(answers, (inverse, predicted), 1)
    target = np.zeros(len(ids), dtype=np.int64)
    target[inverse] = targets
    answers[np.arange(len(ids)), target] = 0
    wrong, most = answers.sum(axis=1), answers.argmax(axis=1)
    order = np.lexsort((p_truth, -wrong / n))
    return HardExamples(
        kept[0].role,
        len(kept),
        tuple(
            HardExample(
                str(ids[i]),
                names[target[i]],
                int(n[i]),
                int(wrong[i]),
                names[most[i]] if wrong[i] else "",
                int(answers[i, most[i]]),
                float(p_truth[i]),
            )
            for i in order
        ),
    )


def table(found: HardExamples) -> Table:
    """Return the examples that are wrong most often, one row each."""
    columns = (
        Column("example"),
        Column("true class"),
        Column("wrong", numeric=True, hint="share of all predictions of this example"),
        Column("predictions", numeric=True),
        Column("most frequent wrong answer"),
        Column("probability of the truth", numeric=True, hint="mean over its predictions"),
    )
    rows = tuple(
        (
            Cell(example.example_id),
            Cell(example.target),
            Cell(f"{100 * example.share:.0f} %", example.share),
            Cell(f"{example.n:,}", example.n),
            Cell(f"{example.answer} ({example.times})"),
            Cell(number(example.p_truth, 3), example.p_truth),
        )
        for example in found.examples[:SHOWN]
        if example.wrong
    )
    return Table(columns, rows, sortable=True)


def draw(found: HardExamples) -> go.Figure:
    """Draw how many examples are wrong how often."""
    names = ("never", "≤ 25 %", "≤ 50 %", "≤ 75 %", "< 100 %", "always")
    counts = np.bincount([_level(example) for example in found.examples], minlength=len(names))
    made = figure(x="share of its predictions that are wrong", y="examples", height_px=300)
    made.add_trace(
        go.Bar(
            x=list(names),
            y=counts.tolist(),
            text=[f"{example:,}" for example in counts.tolist()],
            textposition="outside",
            marker={"color": INK},
            cliponaxis=False,
            hovertemplate="%{x} wrong: %{y} examples<extra></extra>",
        )
    )
    return made


def _kept(results: BenchmarkResults) -> Iterator[PooledPredictions]:
    total = 0
    for configuration in results.complete[:MOST_CONFIGURATIONS]:
        predictions = pooled(results, configuration)
        if predictions is None:
            continue
        total += len(predictions.targets)
        if total > MOST_PREDICTIONS and total > len(predictions.targets):
            return
        yield predictions


def _level(example: HardExample) -> int:
    if example.wrong in (0, example.n):
        return 0 if example.wrong == 0 else 5
    return min(4, int(np.ceil(4 * example.share)))


def _explanation(found: HardExamples, results: BenchmarkResults) -> str:
    many = len(results.complete)
    over = plural(found.n_configurations, "configuration")
    if found.n_configurations < many:
        over = f"the best {found.n_configurations} of {many:,} configurations"
    return (
        f"{found.role.capitalize()} predictions of {over}, all folds and repeats: what every "
        "model gets wrong is ambiguous, rare in training, or labelled wrongly. Look before "
        "you blame the model."
    )


def _finding(found: HardExamples) -> str:
    total = len(found.examples)
    always = sum(example.wrong == example.n for example in found.examples)
    never = sum(example.wrong == 0 for example in found.examples)
    return (
        f"Of {plural(total, 'example')} {always:,} {'is' if always == 1 else 'are'} always "
        f"wrong, {never:,} never"
    )
