"""What each search parameter does: marginal means over everything else, pairs, and time."""

from collections.abc import Sequence
from itertools import combinations
from typing import Any

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
from harness.report.fold_matching import same_folds
from harness.report.formatting import (
    estimate_cell,
    interval_text,
    metric_name,
    number,
    signed,
    time_text,
    value_text,
)
from harness.report.theme import PALETTE, SCALE, figure
from harness.statistics.factors import (
    Effect,
    Factor,
    Scores,
    factors_of,
    interaction,
    is_balanced,
    marginal_effects,
    pair_means,
)

KEY, TITLE = "effects", "Effect of each search parameter"
MOST_PAIRS = 4  # heat maps, of the parameters with the largest effects
UNPAIRED = (
    "Not all of these configurations met the same examples, so no lead of one value over "
    "another is tested."
)


def effects(results: BenchmarkResults) -> Section:
    """Return the section."""
    found = compute(results)
    if not found:
        return empty_section(KEY, TITLE, "No parameter has two values among the complete ones.")
    name = metric_name(results.objective)
    scores = results.scores(f"val_{results.objective}").to_numpy(dtype=float)
    ranked = [effect.factor for effect in sorted(found, key=lambda effect: -effect.spread)]
    return section(
        KEY,
        TITLE,
        *(Text(text) for text in _explanations(name, ranked)),
        *([] if _on_same_folds(results) else [Text(UNPAIRED)]),
        *(Figure(_finding(effect), draw(effect, name), True) for effect in found),
        *(
            Figure(_pair_finding(a, b, scores, results.mode), draw_pair(a, b, scores, name), True)
            for a, b in list(combinations(ranked, 2))[:MOST_PAIRS]
        ),
        *(
            Figure(_time_finding(effect), draw_time(effect), True)
            for effect in found
            if effect.times
        ),
        table(found, name),
    )


def compute(results: BenchmarkResults) -> tuple[Effect, ...]:
    """Return the effect of every factor on the validation scores of complete configurations."""
    return marginal_effects(
        factors_of(
            [configuration.params for configuration in results.complete],
            results.names,
            text=value_text,
        ),
        results.scores(f"val_{results.objective}").to_numpy(dtype=float),
        results.size_ratio("val"),
        mode=results.mode,
        fit_time_s=[configuration.row.get("fit_time_s") for configuration in results.complete],
        on_same_folds=_on_same_folds(results),
    )


def table(found: Sequence[Effect], metric: str) -> Table:
    """Return one row for each level of each factor."""
    columns = (
        Column("parameter"),
        Column("value"),
        Column("configurations", numeric=True),
        Column(f"validation {metric}", numeric=True, hint="marginal mean ± half its 95 % interval"),
        Column("fit time", numeric=True, hint="mean over its configurations"),
        Column("fastest to slowest", numeric=True),
    )
    rows = []
    for effect in found:
        times = effect.times or ((None, None, None),) * len(effect.means)
        for level, mean, amount, (middle, low, high) in zip(
            effect.factor.order, effect.means, effect.counts, times, strict=True
        ):
            name = Cell(effect.factor.name), Cell(level), Cell(str(amount), amount)
            ends = dict.fromkeys(time_text(end) for end in (low, high))
            span = " to ".join(ends)
            rows.append(
                (*name, estimate_cell(mean), Cell(time_text(middle), middle), Cell(span, low))
            )
    return Table(columns, tuple(rows), sortable=True)


def draw(effect: Effect, metric: str) -> go.Figure:
    """Draw marginal means with intervals, in the order of the values."""
    halves = [
        0.0 if one.high is None or one.mean is None else one.high - one.mean for one in effect.means
    ]
    made = _dots(effect, [one.mean for one in effect.means], halves, halves)
    made.update_yaxes(title_text=f"validation {metric}")
    return made


def draw_time(effect: Effect) -> go.Figure:
    """Draw the mean fit time of each level, with bars from the fastest to the slowest."""
    times = effect.times or ()
    made = _dots(
        effect,
        [mean for mean, _, _ in times],
        [high - mean for mean, _, high in times],
        [mean - low for mean, low, _ in times],
    )
    made.update_yaxes(title_text="fit time (s)", rangemode="tozero")
    return made


def draw_pair(a: Factor, b: Factor, scores: Scores, metric: str) -> go.Figure:
    """Draw the mean score of every pair of levels."""
    means = pair_means(a, b, scores)
    made = figure(x=b.name, y=a.name, height_px=300)
    made.add_trace(
        go.Heatmap(
            z=np.round(means, 5),
            x=list(b.order),
            y=list(a.order),
            colorscale=SCALE,
            xgap=1,
            ygap=1,
            texttemplate="%{z:.3f}",
            colorbar={"thickness": 10, "title": {"text": metric, "side": "right"}},
            hovertemplate="%{y}, %{x}: %{z:.4f}<extra></extra>",
        )
    )
    made.update_xaxes(type="category", showgrid=False)
    made.update_yaxes(type="category", showgrid=False)
    return made


def _on_same_folds(results: BenchmarkResults) -> bool:
    same = same_folds(results)
    return all(same(configuration, results.complete[0]) for configuration in results.complete[1:])


def _dots(effect: Effect, values: Sequence[Any], up: Sequence[float], down: Sequence[float]) -> Any:
    made = figure(x=effect.factor.name, height_px=300)
    made.add_trace(
        go.Scatter(
            x=list(effect.factor.order),
            y=list(values),
            mode="markers",
            marker={"size": 10, "color": PALETTE[0]},
            showlegend=False,
            error_y={
                "array": list(up),
                "arrayminus": list(down),
                "color": PALETTE[0],
                "thickness": 1.6,
            },
            customdata=list(effect.counts),
            hovertemplate="%{x}: %{y:.4f} (%{customdata} configurations)<extra></extra>",
        )
    )
    made.update_xaxes(type="category", range=[-0.5, len(effect.factor.order) - 0.5])
    return made


def _finding(effect: Effect) -> str:
    lead = effect.lead
    if lead is None:
        return effect.factor.name
    mean = effect.means[effect.factor.order.index(lead.best)].mean
    gap = lead.difference
    text = f"{effect.factor.name}: {lead.best} is best on average, {number(mean)}"
    if gap.low is None or gap.high is None:
        return text
    size = f"{signed(gap.mean)} {interval_text(gap.low, gap.high)}"
    chance = "more than chance would give" if gap.is_clear else "which may be chance"
    return f"{text}; its lead over {lead.second} is {size}, {chance}"


def _pair_finding(a: Factor, b: Factor, scores: Scores, mode: str) -> str:
    cells = pair_means(a, b, scores)
    if np.isnan(cells).all():
        return f"{a.name} and {b.name}: no score"
    place = int(np.nanargmax(cells) if mode == "max" else np.nanargmin(cells))
    row, column = divmod(place, cells.shape[1])
    best = f"{a.order[row]} with {b.order[column]} is best"
    off = interaction(cells)
    added = "" if off is None else (f"; adding up the two effects is at most {number(off, 3)} off")
    return f"{a.name} and {b.name}: {best}{added}"


def _time_finding(effect: Effect) -> str:
    times = [mean for mean, _, _ in effect.times or ()]
    slow, fast = int(np.argmax(times)), int(np.argmin(times))
    order = effect.factor.order
    if times[fast] <= 0 or times[slow] < 1.05 * times[fast]:
        return f"{effect.factor.name} hardly changes the fit time"
    factor = times[slow] / times[fast]
    return (
        f"{effect.factor.name}: {order[slow]} takes {factor:.2g} times as long as {order[fast]}"
        f" ({time_text(times[slow])} against {time_text(times[fast])})"
    )


def _explanations(name: str, factors: Sequence[Factor]) -> list[str]:
    texts = [
        f"Points are marginal means of validation {name}: over all configurations with that value, "
        "then over folds, with 95 % intervals (corrected t); a lead is tested on the same folds. "
        "Many values are cut into ranges of equal count. Fit times are as measured, whatever ran "
        "beside; their bars reach from the fastest to the slowest configuration."
    ]
    texts += [
        f"{' and '.join([', '.join(factor.linked[:-1]), factor.linked[-1]])} always change "
        "together: the effect belongs to all of them, and nothing is claimed of one alone."
        for factor in factors
        if factor.linked
    ]
    if not is_balanced(factors):
        texts.append(
            "The values did not all meet each other equally often, so a marginal mean "
            "also holds the company that its value happened to keep."
        )
    return texts
