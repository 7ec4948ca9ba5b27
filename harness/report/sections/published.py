"""Published numbers beside ours: the difference, and whether ours would have allowed for it."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from harness.report.colours import OTHER
from harness.report.content import (
    Cell,
    Column,
    Figure,
    Section,
    Table,
    Text,
    empty_section,
    section,
)
from harness.report.draw import figure
from harness.report.intervals import Estimate
from harness.report.study import ROLE_OF, Configuration, Study
from harness.report.wording import (
    estimate_text,
    is_missing,
    metric_name,
    number,
    plural,
    signed,
    value_text,
)
from harness.results.items import wilson
from harness.spec.benchmark import BenchmarkSpec
from harness.spec.expand import configurations
from harness.spec.sections import Published

if TYPE_CHECKING:
    import plotly.graph_objects as go

KEY, TITLE = "published", "Published beside reproduced"
SIZE_COLUMN = {"val": "n_validation", "test": "n_test", "train": "n_train"}


class Comparison(NamedTuple):
    """One published number beside ours.

    ours: of `fold` alone where the number names one, else the mean over folds. difference: ours
    minus published. inside: whether the published number lies in our interval; None without one.
    matches: how many complete configurations the number could mean; the best of them is compared.
    planned: whether the file holds a configuration that the number could mean, trained or not.
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


def published(study: Study) -> Section:
    """Published beside reproduced, as a section."""
    found = compute(study)
    if not found:
        return empty_section(KEY, TITLE, "The benchmark file names no published numbers.")
    blocks: list[Text | Table | Figure] = [Text(_explanation(study, found))]
    if any(one.difference is not None for one in found):
        blocks.append(Figure(_finding(found), draw(found)))
    return section(KEY, TITLE, *blocks, table(found))


def compute(study: Study) -> tuple[Comparison, ...]:
    """Every published number, in the order of the file."""
    means = {column: study.estimates(column) for row in study.spec.published
             for column in row.numbers if column in study.folds.columns}  # fmt: skip
    return tuple(
        _comparison(study, row, column, value, means.get(column, {}))
        for row in study.spec.published
        for column, value in row.numbers.items()
    )


def table(found: tuple[Comparison, ...]) -> Table:
    """One row a published number."""
    columns = (Column("where"), Column("number"), Column("published", numeric=True),
               Column("ours", numeric=True), Column("compared with"),
               Column("difference", numeric=True, hint="ours minus published"),
               Column("inside our interval?"), Column("source"),
               Column("flaws", hint="of the source, as numbered in the file"))  # fmt: skip
    return Table(columns, tuple(_row(one) for one in found), sortable=True)


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
    study: Study, row: Published, column: str, value: float, means: Mapping[str, Estimate]
) -> Comparison:
    matching = [one for one in study.complete if _matches(row.where, one)]
    best = matching[0] if matching else None
    ours = Estimate(None)
    if best is not None:
        ours = (means.get(best.trial_id, ours) if row.fold is None
                else _of_fold(study, best, column, row.fold))  # fmt: skip
    inside = None
    if ours.low is not None and ours.high is not None:
        inside = ours.low <= value <= ours.high
    return Comparison(
        row, column, value, best, ours,
        difference=None if ours.mean is None else ours.mean - value,
        inside=inside,
        compared_with="mean over folds" if row.fold is None else f"fold {row.fold}",
        matches=len(matching),
        planned=bool(matching) or _is_planned(study.spec, row.where),
    )  # fmt: skip


def _of_fold(study: Study, one: Configuration, column: str, fold: int) -> Estimate:
    """Our score of one fold, mean over repeats; with Wilson's interval where it is an accuracy."""
    rows = study.folds[(study.folds["trial_id"] == one.trial_id) & (study.folds["fold"] == fold)]
    if column not in rows.columns or rows.empty or rows[column].isna().any():
        return Estimate(None)
    mean = float(rows[column].mean())
    split, _, metric = column.partition("_")
    examples = int(rows[SIZE_COLUMN[split]].iloc[0])
    if metric != "accuracy" or len(rows) > 1 or examples < 1:
        return Estimate(mean)
    found = wilson(round(mean * examples), examples)
    return Estimate(mean, found.low, found.high)


def _matches(where: Mapping[str, Any], one: Configuration) -> bool:
    return all(value_text(_lookup(one, path)) == value_text(value) for path, value in where.items())


def _is_planned(spec: BenchmarkSpec, where: Mapping[str, Any]) -> bool:
    """A published value need not be one that a random search draws."""
    split = {path: path.split(".", 1) for path in where}
    return any(
        all(
            value_text(one.sections[section].get(key)) == value_text(where[path])
            for path, (section, key) in split.items()
        )
        for one in configurations(spec)
    )


def _lookup(one: Configuration, path: str) -> Any:
    if path in one.params:
        return one.params[path]
    value: Any = json.loads(one.row.get("config") or "{}")
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _row(one: Comparison) -> tuple[Cell, ...]:
    split, _, metric = one.column.partition("_")
    where = ", ".join(f"{path.rpartition('.')[2]}={value_text(value)}"
                      for path, value in one.row.where.items())  # fmt: skip
    compared = one.compared_with + (
        f"; best of {one.matches} that match" if one.matches > 1 else ""
    )
    inside = "–" if one.inside is None else "yes" if one.inside else "no"
    epoch = "" if is_missing(one.row.epoch) else f", epoch {one.row.epoch}"
    return (
        Cell(where or "any", None, one.configuration.colour if one.configuration else None),
        Cell(f"{ROLE_OF.get(split, split)} {metric_name(metric)}{epoch}"),
        Cell(number(one.published), one.published),
        Cell(estimate_text(one.ours), one.ours.mean) if one.configuration else Cell(_absence(one)),
        Cell(compared),
        Cell(signed(one.difference), one.difference),
        Cell(inside),
        Cell(one.row.source),
        Cell(", ".join(str(flaw) for flaw in one.row.flaws) or "none"),
    )


def _absence(one: Comparison) -> str:
    return "not trained" if one.planned else "not in this plan"


def _explanation(study: Study, found: tuple[Comparison, ...]) -> str:
    text = ("A number that names a fold is compared with our row of that fold (Wilson's 95 % "
            "interval over its examples for accuracy), any other with our mean over folds "
            "(95 % corrected t).")  # fmt: skip
    epochs = {one.row.epoch for one in found if one.row.epoch is not None}
    ours = {one.row.get("selected_on") for one in study.complete if one.row}
    if epochs and study.complete:
        said = ", ".join(sorted(str(epoch) for epoch in epochs))
        text += (
            f" Published epoch: {said}; ours was chosen by: {', '.join(sorted(map(str, ours)))}."
        )
    return text


def _finding(found: tuple[Comparison, ...]) -> str:
    judged = [one for one in found if one.inside is not None]
    if not judged:
        return f"{plural(len(found), 'published number')}; none has an interval of ours to lie in"
    inside = sum(bool(one.inside) for one in judged)
    return f"{inside} of {plural(len(judged), 'published number')} lie inside our interval"


def _is_loss(one: Comparison) -> bool:
    return one.column.endswith(("_loss", "_log_loss"))
