"""Accuracy against cost: the configurations that no other beats on both."""

from collections.abc import Sequence
from typing import NamedTuple

import plotly.graph_objects as go

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

KEY, TITLE = "pareto", "Accuracy and cost"
COSTS = {
    "n_parameters": "parameters",
    "mult_adds": "multiply-adds of one example",
    "fit_time_s": "fit time, all folds (s)",
}
UNITS = {"n_parameters": " parameters", "mult_adds": " multiply-adds"}


class ParetoFront(NamedTuple):
    """Configurations with a cost and a validation mean.

    Attributes:
        cost: A column of `trials`.
        configurations: All with both numbers.
        costs: Their costs.
        scores: Their validation means.
        front: Indices of those that no other dominates, cheapest first.
    """

    cost: str
    configurations: tuple[Configuration, ...]
    costs: tuple[float, ...]
    scores: tuple[float, ...]
    front: tuple[int, ...]


def pareto(results: BenchmarkResults) -> Section:
    """Return the section: a front for each cost that differs."""
    fronts = compute(results)
    if not fronts:
        return empty_section(KEY, TITLE, "No cost differs between the complete configurations.")
    name = metric_name(results.objective)
    figures = [Figure(_finding(front), draw(front, name), True) for front in fronts]
    note = Text("On the line: no configuration is both cheaper and better on validation.")
    return section(KEY, TITLE, note, *figures)


def compute(results: BenchmarkResults) -> tuple[ParetoFront, ...]:
    """Compute the front for every cost that takes two values."""
    column = f"val_{results.objective}_mean"
    fronts = []
    for cost in COSTS:
        known = [
            configuration
            for configuration in results.complete
            if not is_missing(configuration.row.get(cost))
            and not is_missing(configuration.row.get(column))
        ]
        costs = tuple(float(configuration.row[cost]) for configuration in known)
        scores = tuple(float(configuration.row[column]) for configuration in known)
        if len(set(costs)) > 1:
            fronts.append(
                ParetoFront(
                    cost, tuple(known), costs, scores, undominated(costs, scores, results.mode)
                )
            )
    return tuple(fronts)


def undominated(costs: Sequence[float], scores: Sequence[float], mode: str) -> tuple[int, ...]:
    """Return the indices that no other equals or beats on both, cheapest first."""
    sign = 1.0 if mode == "max" else -1.0
    order = sorted(range(len(costs)), key=lambda i: (costs[i], -sign * scores[i]))
    front: list[int] = []
    for index in order:
        if not front or sign * scores[index] > sign * scores[front[-1]]:
            front.append(index)
    return tuple(front)


def draw(found: ParetoFront, metric: str) -> go.Figure:
    """Draw all configurations, and the front as a line."""
    made = figure(x=COSTS[found.cost], y=f"validation {metric}", height_px=340)
    on_front = set(found.front)
    made.add_trace(
        go.Scatter(
            x=[found.costs[i] for i in found.front],
            y=[found.scores[i] for i in found.front],
            mode="lines",
            line={"shape": "hv", "color": OTHER, "width": 1.5},
            hoverinfo="skip",
            showlegend=False,
        )
    )
    made.add_trace(
        go.Scatter(
            x=list(found.costs),
            y=list(found.scores),
            showlegend=False,
            mode="markers+text",
            text=[
                configuration.name if i in on_front else ""
                for i, configuration in enumerate(found.configurations)
            ],
            textposition="bottom right",
            marker={
                "line": {"width": 0},
                "size": [10 if i in on_front else 8 for i in range(len(found.costs))],
                "color": [
                    configuration.colour if i in on_front else faded(configuration.colour, 0.75)
                    for i, configuration in enumerate(found.configurations)
                ],
            },
            customdata=[configuration.name for configuration in found.configurations],
            hovertemplate="%{customdata}: %{y:.4f}, %{x:,}<extra></extra>",
        )
    )
    if max(found.costs) > 20 * min(found.costs) > 0:
        made.update_xaxes(type="log")
    return made


def _finding(found: ParetoFront) -> str:
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
