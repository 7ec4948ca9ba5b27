"""Published numbers beside ours: the difference, and whether ours would allow for it."""

import json
import shlex
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import plotly.graph_objects as go

from harness.config.expand import configurations
from harness.config.sections import Published
from harness.metrics import is_fraction
from harness.report.benchmark_results import ROLE_OF, BenchmarkResults, Configuration
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
from harness.report.formatting import (
    estimate_text,
    is_missing,
    metric_name,
    number,
    plural,
    signed,
    value_text,
)
from harness.report.known_issues import FLAWS, flaw_name
from harness.report.published_match import (
    find_reproduced_score,
    impossible_count,
    needs_epochs,
)
from harness.report.theme import OTHER, figure
from harness.results.trial_config import param_value
from harness.statistics.intervals import Estimate

KEY, TITLE = "published", "Published beside reproduced"


class PublishedComparison(NamedTuple):
    """One published number beside ours.

    Attributes:
        row: The published row.
        column: The column that its number belongs to.
        published: The number.
        configuration: The best complete one that the number could mean; None without one.
        ours: Our number: of `fold` alone if the row names one, else the mean over folds.
        difference: Ours minus published.
        inside: Whether the published number is inside our interval; None without an interval.
        compared_with: What our number is.
        matches: How many complete configurations the number could mean.
        planned: Whether the file holds a configuration that the number could mean.
        status: That of this configuration if it is not complete.
        impossible: The number of examples of which no whole number gives the published accuracy.
    """

    row: Published
    column: str
    published: float
    configuration: Configuration | None
    ours: Estimate
    difference: float | None
    inside: bool | None
    compared_with: str
    matches: int
    planned: bool = True
    status: str = ""
    impossible: int | None = None


def published(results: BenchmarkResults) -> Section:
    """Return the section."""
    comparisons = compute(results)
    if not comparisons:
        return empty_section(KEY, TITLE, "The benchmark file names no published numbers.")
    blocks: list[Text | Table | Figure] = [Text(_explanation(comparisons) + _trained(results))]
    blocks += [Text(text) for text in (*changed_settings(results), *_remarks(comparisons))]
    if any(comparison.difference is not None for comparison in comparisons):
        blocks.append(Figure(_finding(comparisons, results), draw(comparisons)))
    blocks.append(table(comparisons))
    if any(comparison.row.flaws for comparison in comparisons):
        blocks.append(flaws_table(comparisons))
    return section(KEY, TITLE, *blocks)


def compute(results: BenchmarkResults) -> tuple[PublishedComparison, ...]:
    """Compare every published number, in the order of the file."""
    rows = results.spec.published
    configs = (
        {
            configuration.trial_id: json.loads(configuration.row.get("config") or "{}")
            for configuration in results.configurations
        }
        if rows
        else {}
    )
    means = [_meant(results, row.where, configs) for row in rows]
    wanted = {
        meant[0].trial_id
        for row, meant in zip(rows, means, strict=True)
        if meant and any(needs_epochs(row, column) for column in row.numbers)
    }
    epochs = results.epochs(sorted(wanted))
    planned = configurations(results.spec) if not all(means) else []
    return tuple(
        _comparison(results, row, column, meant, epochs)._replace(
            planned=bool(meant) or _is_planned(planned, row.where),
            impossible=impossible_count(results, row, column, row.numbers[column]),
        )
        for row, meant in zip(rows, means, strict=True)
        for column in row.numbers
    )


def table(comparisons: tuple[PublishedComparison, ...]) -> Table:
    """Return one row a published number."""
    columns = (
        Column("where"),
        Column("number"),
        Column("published", numeric=True),
        Column("ours", numeric=True),
        Column("compared with"),
        Column("difference", numeric=True, hint="ours minus published"),
        Column("inside our interval?"),
        Column("source"),
        Column("flaws of the source", hint="their meaning is listed below"),
    )
    return Table(columns, tuple(_row(comparison) for comparison in comparisons), sortable=True)


def flaws_table(comparisons: tuple[PublishedComparison, ...]) -> Table:
    """Return what the flaws that occur mean, and how many of these numbers have them."""
    occurring = sorted({flaw for comparison in comparisons for flaw in comparison.row.flaws})
    rows = tuple(
        (
            Cell(str(flaw), flaw),
            Cell(FLAWS[flaw].name if flaw in FLAWS else "unknown"),
            Cell(FLAWS[flaw].meaning if flaw in FLAWS else ""),
            Cell(str(amount), amount),
        )
        for flaw in occurring
        for amount in [sum(flaw in comparison.row.flaws for comparison in comparisons)]
    )
    columns = (
        Column("", numeric=True),
        Column("flaw"),
        Column("what it does to a number"),
        Column("numbers here", numeric=True),
    )
    return Table(columns, rows, caption="Flaws of the sources")


def draw(comparisons: tuple[PublishedComparison, ...]) -> go.Figure:
    """Draw published against ours; on the diagonal they agree."""
    pairs = [
        comparison
        for comparison in comparisons
        if comparison.difference is not None and not _is_loss(comparison)
    ]
    made = figure(x="published (fraction)", y="ours (fraction)", height_px=420)
    values = [
        value
        for comparison in pairs
        for value in (comparison.published, *comparison.ours)
        if value is not None
    ]
    low, high = min(values, default=0.0) - 0.02, max(values, default=1.0) + 0.02
    made.add_shape(
        type="line",
        x0=low,
        y0=low,
        x1=high,
        y1=high,
        layer="below",
        line={"dash": "dot", "color": OTHER},
    )
    made.update_xaxes(range=[low, high])
    made.update_yaxes(range=[low, high])
    for comparison in pairs:
        made.add_trace(_point(comparison))
    return made


def _point(comparison: PublishedComparison) -> go.Scatter:
    assert comparison.configuration is not None
    mean, low, high = comparison.ours.mean or 0.0, comparison.ours.low, comparison.ours.high
    bars = (
        None
        if low is None or high is None
        else {
            "array": [high - mean],
            "arrayminus": [mean - low],
            "thickness": 1.2,
            "width": 0,
        }
    )
    symbol = "circle" if comparison.column.startswith("test") else "circle-open"
    return go.Scatter(
        x=[comparison.published],
        y=[mean],
        mode="markers",
        showlegend=False,
        error_y=bars,
        marker={"color": comparison.configuration.colour, "size": 9, "symbol": symbol},
        name=f"{comparison.configuration.name} {comparison.column}, {comparison.compared_with}",
    )


def _comparison(
    results: BenchmarkResults,
    row: Published,
    column: str,
    meant: Sequence[Configuration],
    epochs: Any,
) -> PublishedComparison:
    complete = [configuration for configuration in meant if configuration.place]
    value = row.numbers[column]
    if not complete:
        status = meant[0].status if meant else ""
        return PublishedComparison(
            row, column, value, None, Estimate(None), None, None, "–", 0, status=status
        )
    ours, words = find_reproduced_score(results, row, column, complete[0], epochs)
    inside = None
    if ours.low is not None and ours.high is not None:
        inside = ours.low <= value <= ours.high
    gap = None if ours.mean is None else ours.mean - value
    return PublishedComparison(
        row, column, value, complete[0], ours, gap, inside, words, len(complete)
    )


def _meant(
    results: BenchmarkResults, where: Mapping[str, Any], configs: Mapping[str, Mapping[str, Any]]
) -> list[Configuration]:
    """Return the configurations that a number could mean, the complete ones first, best first."""

    def value(configuration: Configuration, path: str) -> Any:
        config = configs.get(configuration.trial_id)
        return param_value(config, path) if config else configuration.params.get(path)

    return [
        configuration
        for configuration in results.configurations
        if all(
            value_text(value(configuration, path)) == value_text(wanted)
            for path, wanted in where.items()
        )
    ]


def _is_planned(planned: Sequence[Any], where: Mapping[str, Any]) -> bool:
    """Return whether the file has such a configuration; a random search may not draw it."""
    return any(
        all(
            value_text(param_value(configuration.sections, path)) == value_text(wanted)
            for path, wanted in where.items()
        )
        for configuration in planned
    )


def _row(comparison: PublishedComparison) -> tuple[Cell, ...]:
    split, _, metric = comparison.column.partition("_")
    where = ", ".join(
        f"{path.rpartition('.')[2]}={value_text(value)}"
        for path, value in comparison.row.where.items()
    )
    compared = comparison.compared_with + (
        f"; best of {comparison.matches} that match" if comparison.matches > 1 else ""
    )
    inside = "–" if comparison.inside is None else "yes" if comparison.inside else "no"
    epoch = "" if is_missing(comparison.row.epoch) else f", epoch {comparison.row.epoch}"
    flaws = [flaw_name(flaw) for flaw in comparison.row.flaws]
    flaws += [f"impossible on {comparison.impossible:,} examples"] if comparison.impossible else []
    return (
        Cell(
            where or "any",
            None,
            comparison.configuration.colour if comparison.configuration else None,
        ),
        Cell(f"{ROLE_OF.get(split, split)} {metric_name(metric)}{epoch}"),
        Cell(number(comparison.published), comparison.published),
        Cell(estimate_text(comparison.ours), comparison.ours.mean)
        if comparison.configuration
        else Cell(_absence(comparison)),
        Cell(compared),
        Cell(signed(comparison.difference), comparison.difference),
        Cell(inside),
        Cell(comparison.row.source),
        Cell("; ".join(flaws) or "none"),
    )


def _absence(comparison: PublishedComparison) -> str:
    if comparison.status in ("failed", "pruned", "interrupted"):
        return comparison.status
    return "not trained" if comparison.planned else "not in this plan"


def _explanation(comparisons: tuple[PublishedComparison, ...]) -> str:
    text = (
        "A number that names a fold is compared with our row of that fold (Wilson's 95 % "
        "interval over its examples for accuracy), any other with our mean over folds "
        "(95 % corrected t)."
    )
    if any(needs_epochs(comparison.row, comparison.column) for comparison in comparisons):
        text += (
            " Validation and train values of a named epoch come from our learning curves; "
            "test values belong to the epoch that we chose."
        )
    return text + (
        " That a number lies inside our interval says that both can be true, not that "
        "both are the same."
    )


def _trained(results: BenchmarkResults) -> str:
    """Say how long ours trained: the first thing to check if a number is missed."""
    if "training.epochs" in results.names:
        return ""
    return f" Ours trained for {plural(results.spec.training.epochs, 'epoch')}."


def _remarks(comparisons: tuple[PublishedComparison, ...]) -> list[str]:
    absent = [comparison for comparison in comparisons if comparison.configuration is None]
    texts = []
    if absent:
        ways = sorted({_absence(comparison) for comparison in absent})
        counts = ", ".join(
            f"{sum(_absence(comparison) == way for comparison in absent)} {way}" for way in ways
        )
        texts.append(
            f"{len(absent)} of {plural(len(comparisons), 'published number')} have nothing of "
            f"ours beside them: {counts}."
        )
    wrong = sum(comparison.impossible is not None for comparison in comparisons)
    if wrong:
        texts.append(
            f"{plural(wrong, 'published accuracy', 'published accuracies')} "
            "cannot have been measured on these examples: no whole number of right "
            "answers gives it."
        )
    return texts


def _finding(comparisons: tuple[PublishedComparison, ...], results: BenchmarkResults) -> str:
    judged = [comparison for comparison in comparisons if comparison.inside is not None]
    if not judged:
        count = plural(len(comparisons), "published number")
        return f"{count}; none has an interval of ours to lie in"
    inside = sum(bool(comparison.inside) for comparison in judged)
    verb = "lies" if inside == 1 else "lie"
    text = f"{inside} of {plural(len(judged), 'published number')} {verb} inside our interval"
    return text if limit_of(results) is None else f"{text}; ours trained on fewer examples"


def _is_loss(comparison: PublishedComparison) -> bool:
    return not is_fraction(comparison.column.partition("_")[2])


def changed_settings(results: BenchmarkResults) -> list[str]:
    """Say what explains a gap before chance does: fewer examples, a changed command."""
    texts = []
    limit = limit_of(results)
    if limit is not None:
        texts.append(
            f"Ours trained on fewer examples than the published ones: dataset.limit kept "
            f"{limit:,} of all{_n_trained_text(results)}."
        )
    changes = _changes(results.record.get("command"))
    if changes:
        texts.append(
            f"The run's command changed the file ({', '.join(changes)}), so ours may "
            "differ from the published ones by more than chance."
        )
    return texts


def limit_of(results: BenchmarkResults) -> int | None:
    """Return the largest `dataset.limit` of the file's variants; None if there is none."""
    limits = [
        variant.dataset.limit
        for variant in results.spec.variants
        if variant.dataset.limit is not None
    ]
    return max(limits, default=None)


def _n_trained_text(results: BenchmarkResults) -> str:
    sizes = results.folds["n_train"].dropna() if "n_train" in results.folds.columns else ()
    return f", {int(max(sizes)):,} to train in a fold" if len(sizes) else ""


def _changes(command: object) -> list[str]:
    """Return the `key=value` words of a command that change how a configuration trains."""
    try:
        words = shlex.split(command) if isinstance(command, str) else []
    except ValueError:
        return []
    return [word for word in words if "=" in word and not word.startswith(("-", "search."))]
