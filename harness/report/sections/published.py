"""Published numbers beside ours: the difference, and whether ours would have allowed for it."""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

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
from harness.report.overridden_settings import changed_settings, limit_of
from harness.report.published_match import find_ours, impossible, needs_epochs
from harness.report.theme import OTHER, figure
from harness.results.trial_config import param_value
from harness.statistics.intervals import Estimate

if TYPE_CHECKING:
    import plotly.graph_objects as go

KEY, TITLE = "published", "Published beside reproduced"


class Comparison(NamedTuple):
    """One published number beside ours.

    ours: of `fold` alone where the number names one, else the mean over folds. difference: ours
    minus published. inside: whether the published number lies in our interval; None without one.
    matches: how many complete configurations the number could mean; the best of them is compared.
    planned: whether the file holds a configuration that the number could mean, trained or not.
    status: of that configuration where it is not complete. impossible: the number of examples of
    which no whole number gives the published accuracy.
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
    """Published beside reproduced, as a section."""
    found = compute(results)
    if not found:
        return empty_section(KEY, TITLE, "The benchmark file names no published numbers.")
    blocks: list[Text | Table | Figure] = [Text(_explanation(found) + _trained(results))]
    blocks += [Text(text) for text in (*changed_settings(results), *_remarks(found))]
    if any(one.difference is not None for one in found):
        blocks.append(Figure(_finding(found, results), draw(found)))
    blocks.append(table(found))
    if any(one.row.flaws for one in found):
        blocks.append(flaws_table(found))
    return section(KEY, TITLE, *blocks)


def compute(results: BenchmarkResults) -> tuple[Comparison, ...]:
    """Every published number, in the order of the file."""
    rows = results.spec.published
    configs = {one.trial_id: json.loads(one.row.get("config") or "{}")
               for one in results.configurations} if rows else {}  # fmt: skip
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
            impossible=impossible(results, row, column, row.numbers[column]),
        )
        for row, meant in zip(rows, means, strict=True)
        for column in row.numbers
    )


def table(found: tuple[Comparison, ...]) -> Table:
    """One row a published number."""
    columns = (Column("where"), Column("number"), Column("published", numeric=True),
               Column("ours", numeric=True), Column("compared with"),
               Column("difference", numeric=True, hint="ours minus published"),
               Column("inside our interval?"), Column("source"),
               Column("flaws of the source", hint="their meaning is listed below"))  # fmt: skip
    return Table(columns, tuple(_row(one) for one in found), sortable=True)


def flaws_table(found: tuple[Comparison, ...]) -> Table:
    """What the flaws that occur mean, and how many of these numbers have them."""
    occurring = sorted({flaw for one in found for flaw in one.row.flaws})
    rows = tuple(
        (Cell(str(flaw), flaw), Cell(FLAWS[flaw].name if flaw in FLAWS else "unknown"),
         Cell(FLAWS[flaw].meaning if flaw in FLAWS else ""),
         Cell(str(amount), amount))
        for flaw in occurring
        for amount in [sum(flaw in one.row.flaws for one in found)]
    )  # fmt: skip
    columns = (Column("", numeric=True), Column("flaw"), Column("what it does to a number"),
               Column("numbers here", numeric=True))  # fmt: skip
    return Table(columns, rows, caption="Flaws of the sources")


def draw(found: tuple[Comparison, ...]) -> "go.Figure":
    """Published against ours; on the diagonal they agree."""
    pairs = [one for one in found if one.difference is not None and not _is_loss(one)]
    made = figure(x="published (fraction)", y="ours (fraction)", height_px=420)
    values = [value for one in pairs for value in (one.published, *one.ours) if value is not None]
    low, high = min(values, default=0.0) - 0.02, max(values, default=1.0) + 0.02
    made.add_shape(type="line", x0=low, y0=low, x1=high, y1=high, layer="below",
                   line={"dash": "dot", "color": OTHER})  # fmt: skip
    made.update_xaxes(range=[low, high])
    made.update_yaxes(range=[low, high])
    for one in pairs:
        made.add_trace(_point(one))
    return made


def _point(one: Comparison) -> "go.Scatter":
    import plotly.graph_objects as go

    assert one.configuration is not None
    mean, low, high = one.ours.mean or 0.0, one.ours.low, one.ours.high
    bars = None if low is None or high is None else {
        "array": [high - mean], "arrayminus": [mean - low], "thickness": 1.2, "width": 0,
    }  # fmt: skip
    symbol = "circle" if one.column.startswith("test") else "circle-open"
    return go.Scatter(
        x=[one.published], y=[mean], mode="markers", showlegend=False, error_y=bars,
        marker={"color": one.configuration.colour, "size": 9, "symbol": symbol},
        name=f"{one.configuration.name} {one.column}, {one.compared_with}",
    )  # fmt: skip


def _comparison(
    results: BenchmarkResults,
    row: Published,
    column: str,
    meant: Sequence[Configuration],
    epochs: Any,
) -> Comparison:
    complete = [one for one in meant if one.place]
    value = row.numbers[column]
    if not complete:
        status = meant[0].status if meant else ""
        return Comparison(row, column, value, None, Estimate(None), None, None, "–", 0,
                          status=status)  # fmt: skip
    ours, words = find_ours(results, row, column, complete[0], epochs)
    inside = None
    if ours.low is not None and ours.high is not None:
        inside = ours.low <= value <= ours.high
    gap = None if ours.mean is None else ours.mean - value
    return Comparison(row, column, value, complete[0], ours, gap, inside, words, len(complete))


def _meant(
    results: BenchmarkResults, where: Mapping[str, Any], configs: Mapping[str, Mapping[str, Any]]
) -> list[Configuration]:
    """The configurations that a number could mean, the complete ones first, best first."""

    def value(one: Configuration, path: str) -> Any:
        config = configs.get(one.trial_id)
        return param_value(config, path) if config else one.params.get(path)

    return [one for one in results.configurations
            if all(value_text(value(one, path)) == value_text(wanted)
                   for path, wanted in where.items())]  # fmt: skip


def _is_planned(planned: Sequence[Any], where: Mapping[str, Any]) -> bool:
    """A published value need not be one that a random search draws."""
    return any(
        all(value_text(param_value(one.sections, path)) == value_text(wanted)
            for path, wanted in where.items())
        for one in planned
    )  # fmt: skip


def _row(one: Comparison) -> tuple[Cell, ...]:
    split, _, metric = one.column.partition("_")
    where = ", ".join(f"{path.rpartition('.')[2]}={value_text(value)}"
                      for path, value in one.row.where.items())  # fmt: skip
    compared = one.compared_with + (
        f"; best of {one.matches} that match" if one.matches > 1 else ""
    )
    inside = "–" if one.inside is None else "yes" if one.inside else "no"
    epoch = "" if is_missing(one.row.epoch) else f", epoch {one.row.epoch}"
    flaws = [flaw_name(flaw) for flaw in one.row.flaws]
    flaws += [f"impossible on {one.impossible:,} examples"] if one.impossible else []
    return (
        Cell(where or "any", None, one.configuration.colour if one.configuration else None),
        Cell(f"{ROLE_OF.get(split, split)} {metric_name(metric)}{epoch}"),
        Cell(number(one.published), one.published),
        Cell(estimate_text(one.ours), one.ours.mean) if one.configuration else Cell(_absence(one)),
        Cell(compared),
        Cell(signed(one.difference), one.difference),
        Cell(inside),
        Cell(one.row.source),
        Cell("; ".join(flaws) or "none"),
    )


def _absence(one: Comparison) -> str:
    if one.status in ("failed", "pruned", "interrupted"):
        return one.status
    return "not trained" if one.planned else "not in this plan"


def _explanation(found: tuple[Comparison, ...]) -> str:
    text = ("A number that names a fold is compared with our row of that fold (Wilson's 95 % "
            "interval over its examples for accuracy), any other with our mean over folds "
            "(95 % corrected t).")  # fmt: skip
    if any(needs_epochs(one.row, one.column) for one in found):
        text += (" Validation and train values of a named epoch come from our learning curves; "
                 "test values belong to the epoch that we chose.")  # fmt: skip
    return text + (" That a number lies inside our interval says that both can be true, not that "
                   "both are the same.")  # fmt: skip


def _trained(results: BenchmarkResults) -> str:
    """How long ours trained: the first thing to look at where a number is missed."""
    if "training.epochs" in results.names:
        return ""
    return f" Ours trained for {plural(results.spec.training.epochs, 'epoch')}."


def _remarks(found: tuple[Comparison, ...]) -> list[str]:
    absent = [one for one in found if one.configuration is None]
    texts = []
    if absent:
        ways = sorted({_absence(one) for one in absent})
        counts = ", ".join(f"{sum(_absence(one) == way for one in absent)} {way}" for way in ways)
        texts.append(f"{len(absent)} of {plural(len(found), 'published number')} have nothing of "
                     f"ours beside them: {counts}.")  # fmt: skip
    wrong = sum(one.impossible is not None for one in found)
    if wrong:
        texts.append(f"{plural(wrong, 'published accuracy').replace('accuracys', 'accuracies')} "
                     "cannot have been measured on these examples: no whole number of right "
                     "answers gives it.")  # fmt: skip
    return texts


def _finding(found: tuple[Comparison, ...], results: BenchmarkResults) -> str:
    judged = [one for one in found if one.inside is not None]
    if not judged:
        return f"{plural(len(found), 'published number')}; none has an interval of ours to lie in"
    inside = sum(bool(one.inside) for one in judged)
    verb = "lies" if inside == 1 else "lie"
    text = f"{inside} of {plural(len(judged), 'published number')} {verb} inside our interval"
    return text if limit_of(results) is None else f"{text}; ours trained on fewer examples"


def _is_loss(one: Comparison) -> bool:
    return not is_fraction(one.column.partition("_")[2])
