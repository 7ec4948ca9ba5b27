"""All configurations at once, and which parameters the objective depends on (fANOVA)."""

from typing import Any, NamedTuple

import plotly.graph_objects as go

from harness.report.benchmark_results import BenchmarkResults, Configuration
from harness.report.blocks import Figure, Section, Text, empty_section, section
from harness.report.formatting import is_missing, metric_name, value_text
from harness.report.theme import PALETTE, SCALE, figure, layout
from harness.statistics.factors import linked_factors

KEY, TITLE = "importance", "Parallel coordinates and importance"
FEWEST = 4  # configurations; with fewer, a forest has nothing to split
ROUGH_BELOW = 10  # configurations a parameter
TREES, DEPTH = 16, 8  # Optuna's defaults, 64 and 64, take several times as long
MANY = 300  # configurations; from there on half the trees say the same in half the time


class Importance(NamedTuple):
    """Which parameters the objective depends on.

    Attributes:
        shares: Shares of the objective's variance, largest first.
        left_out: Parameters that not every trial has.
        linked: Pairs that always change together, whose shares can't be told apart.
    """

    shares: tuple[tuple[str, float], ...]
    left_out: tuple[str, ...]
    linked: tuple[tuple[str, str], ...]


def importance(results: BenchmarkResults) -> Section:
    """Return the section."""
    if len(results.complete) < 2 or not results.names:
        return empty_section(KEY, TITLE, "Fewer than two complete configurations to draw.")
    metric = metric_name(results.objective)
    title = f"Each line is a configuration; bright is high validation {metric}"
    blocks: list[Text | Figure] = [Figure(title, draw_parallel(results, metric))]
    try:
        found = compute(results)
    except ImportError:
        missing = "Importance needs optuna, which is not installed here."
        return section(KEY, TITLE, *blocks, Text(missing))
    if found is None:
        blocks.append(
            Text(
                f"Importance needs {FEWEST} complete configurations that differ in "
                "score and in a parameter that all of them have."
            )
        )
        return section(KEY, TITLE, *blocks)
    blocks.append(Figure(_finding(found), draw(found)))
    return section(KEY, TITLE, *blocks, Text(_explanation(found, len(results.complete))))


def compute(results: BenchmarkResults) -> Importance | None:
    """Compute the fANOVA importance of every parameter that all complete configurations have."""
    column = f"val_{results.objective}_mean"
    known = [
        configuration
        for configuration in results.complete
        if not is_missing(configuration.row.get(column))
    ]
    everywhere = [
        path
        for path in results.names
        if not any(is_missing(configuration.params[path]) for configuration in known)
        and len({value_text(configuration.params[path]) for configuration in known}) > 1
    ]
    left_out = tuple(results.names[path] for path in results.names if path not in everywhere)
    values = [float(configuration.row[column]) for configuration in known]
    if len(known) < FEWEST or len(set(values)) < 2 or not everywhere:
        return None
    shares = _fanova(known, everywhere, values, seed=results.spec.seed)
    ordered = sorted(shares.items(), key=lambda pair: -pair[1])
    linked = linked_factors(
        [
            {results.names[path]: configuration.params[path] for path in everywhere}
            for configuration in known
        ]
    )
    named = tuple((results.names[path], share) for path, share in ordered)
    return Importance(named, left_out, linked)


def draw(found: Importance) -> go.Figure:
    """Draw one bar a parameter."""
    made = figure(x="share of the variance", height_px=90 + 30 * len(found.shares))
    made.add_trace(
        go.Bar(
            x=[share for _, share in found.shares],
            y=[name for name, _ in found.shares],
            orientation="h",
            marker={"color": PALETTE[0]},
            text=[f"{s:.0%}" for _, s in found.shares],
            hovertemplate="%{y}: %{x:.3f}<extra></extra>",
        )
    )
    made.update_yaxes(autorange="reversed", type="category")
    return made


def draw_parallel(results: BenchmarkResults, metric: str) -> go.Figure:
    """Draw one axis a parameter, the objective last."""
    column = f"val_{results.objective}_mean"
    known = [
        configuration
        for configuration in results.complete
        if not is_missing(configuration.row.get(column))
    ]
    scores = [float(configuration.row[column]) for configuration in known]
    axes = [
        _axis(results.names[path], [configuration.params[path] for configuration in known])
        for path in results.names
    ]
    axes.append({"label": metric, "values": scores})
    made = go.Figure(
        go.Parcoords(
            dimensions=axes,
            line={"color": scores, "colorscale": SCALE},
            unselected={"line": {"opacity": 0.08}},
        )
    )
    made.update_layout(**layout(height_px=400, legend=False))
    made.update_layout(margin={"t": 60, "l": 60, "r": 60, "b": 30})
    return made


def _axis(name: str, values: list[Any]) -> dict[str, Any]:
    distinct = sorted({value_text(value) for value in values})
    numbers = [
        value for value in values if isinstance(value, int | float) and not isinstance(value, bool)
    ]
    if len(distinct) > 12 and len(numbers) == len(values):
        return {"label": name, "values": [float(value) for value in numbers]}
    if len(numbers) == len(values) and not any(is_missing(value) for value in values):
        distinct.sort(key=float)
    places = {text: place for place, text in enumerate(distinct)}
    return {
        "label": name,
        "values": [places[value_text(value)] for value in values],
        "tickvals": list(places.values()),
        "ticktext": distinct,
    }


def _fanova(
    configurations: list[Configuration], paths: list[str], scores: list[float], seed: int
) -> dict[str, float]:
    # a report can do without it, and it is slow to import
    import optuna
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    distributions: dict[str, Any] = {}
    columns: dict[str, list[Any]] = {}
    for path in paths:
        column = [value.params[path] for value in configurations]
        numeric = all(
            isinstance(value, int | float) and not isinstance(value, bool) for value in column
        )
        columns[path] = [float(value) if numeric else value_text(value) for value in column]
        distinct = sorted(set(columns[path]))
        distributions[path] = (
            FloatDistribution(distinct[0], distinct[-1])
            if numeric
            else CategoricalDistribution(distinct)
        )
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize")
    study.add_trials(
        [
            optuna.trial.create_trial(
                params={path: columns[path][row] for path in paths},
                distributions=distributions,
                value=value,
            )
            for row, value in enumerate(scores)
        ]
    )
    evaluator = optuna.importance.FanovaImportanceEvaluator(
        n_trees=TREES if len(configurations) < MANY else TREES // 2, max_depth=DEPTH, seed=seed
    )
    return dict(optuna.importance.get_param_importances(study, evaluator=evaluator))


def _finding(found: Importance) -> str:
    name, share = found.shares[0]
    return f"{name} accounts for the largest share of the variance, {share:.0%}"


def _explanation(found: Importance, n_configurations: int) -> str:
    text = (
        f"fANOVA (up to {TREES} trees of depth {DEPTH}, as Optuna computes it) on validation "
        "means; it describes these configurations and is no test."
    )
    if n_configurations < ROUGH_BELOW * len(found.shares):
        text += f" {n_configurations} configurations are few: take the shares as rough."
    if found.left_out:
        text += f" Left out, as not every configuration has them: {', '.join(found.left_out)}."
    for a, b in found.linked:
        text += f" {a} and {b} change together: how their share is split means nothing."
    return text
