"""Accuracy against cost: which configurations no other beats on both."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from harness.report.benchmark_results import BenchmarkResults, Configuration
from harness.report.blocks import Figure, Section, Text, empty_section, section
from harness.report.formatting import (
    count,
    is_missing,
    magnitude,
    metric_name,
    plural,
    time_text,
)
from harness.report.theme import OTHER, faded, figure

if TYPE_CHECKING:
    import plotly.graph_objects as go

KEY, TITLE = "pareto", "Accuracy and cost"
COSTS = {"n_parameters": "parameters", "mult_adds": "multiply-adds of one example",
         "fit_time_s": "fit time, all folds (s)"}  # fmt: skip
UNITS = {"n_parameters": " parameters", "mult_adds": " multiply-adds"}


class Front(NamedTuple):
    """Configurations with a cost and a validation mean; front: those that none dominates."""

    cost: str
    configurations: tuple[Configuration, ...]
    costs: tuple[float, ...]
    scores: tuple[float, ...]
    front: tuple[int, ...]


def pareto(results: BenchmarkResults) -> Section:
    """The fronts as a section, one for each cost that differs."""
    found = compute(results)
    if not found:
        return empty_section(KEY, TITLE, "No cost differs between the complete configurations.")
    name = metric_name(results.objective)
    figures = [Figure(_finding(one), draw(one, name), True) for one in found]
    note = Text("On the line: no configuration is both cheaper and better on validation.")
    return section(KEY, TITLE, note, *figures)


def compute(results: BenchmarkResults) -> tuple[Front, ...]:
    """The front for every cost that takes two values."""
    column = f"val_{results.objective}_mean"
    fronts = []
    for cost in COSTS:
        known = [
            one
            for one in results.complete
            if not is_missing(one.row.get(cost)) and not is_missing(one.row.get(column))
        ]
        costs = tuple(float(one.row[cost]) for one in known)
        scores = tuple(float(one.row[column]) for one in known)
        if len(set(costs)) > 1:
            fronts.append(Front(cost, tuple(known), costs, scores,
                                undominated(costs, scores, results.mode)))  # fmt: skip
    return tuple(fronts)


def undominated(costs: Sequence[float], scores: Sequence[float], mode: str) -> tuple[int, ...]:
    """Indices that no other equals or beats on both, cheapest first."""
    sign = 1.0 if mode == "max" else -1.0
    order = sorted(range(len(costs)), key=lambda i: (costs[i], -sign * scores[i]))
    front: list[int] = []
    for index in order:
        if not front or sign * scores[index] > sign * scores[front[-1]]:
            front.append(index)
    return tuple(front)


def draw(found: Front, metric: str) -> "go.Figure":
    """All configurations, the front as a line through its points."""
    import plotly.graph_objects as go

    made = figure(x=COSTS[found.cost], y=f"validation {metric}", height_px=340)
    on_front = set(found.front)
    made.add_trace(go.Scatter(
        x=[found.costs[i] for i in found.front], y=[found.scores[i] for i in found.front],
        mode="lines", line={"shape": "hv", "color": OTHER, "width": 1.5}, hoverinfo="skip",
        showlegend=False,
    ))  # fmt: skip
    made.add_trace(go.Scatter(
        x=list(found.costs), y=list(found.scores), showlegend=False,
        mode="markers+text",
        text=[one.name if i in on_front else "" for i, one in enumerate(found.configurations)],
        textposition="bottom right",
        marker={"line": {"width": 0},
                "size": [10 if i in on_front else 8 for i in range(len(found.costs))],
                "color": [one.colour if i in on_front else faded(one.colour, 0.75)
                          for i, one in enumerate(found.configurations)]},
        customdata=[one.name for one in found.configurations],
        hovertemplate="%{customdata}: %{y:.4f}, %{x:,}<extra></extra>",
    ))  # fmt: skip
    if max(found.costs) > 20 * min(found.costs) > 0:
        made.update_xaxes(type="log")
    return made


def _finding(found: Front) -> str:
    cheapest, best = found.front[0], found.front[-1]
    show = time_text if found.cost == "fit_time_s" else magnitude
    if cheapest == best:
        name = found.configurations[best].name
        return f"{name} is both cheapest ({show(found.costs[best])}) and best"
    names = ", ".join(found.configurations[i].name for i in found.front[:4])
    text = f"{plural(len(found.front), 'configuration')} on the front: {names}"
    text += "…" if len(found.front) > 4 else ""
    low, high = show(found.costs[cheapest]), show(found.costs[best])
    if low == high:
        low, high = count(found.costs[cheapest]), count(found.costs[best])
    unit = UNITS.get(found.cost, "")
    return f"{text}; from {low} to {high}{unit}"
