"""What each search parameter does: marginal means over everything else, and pairs of parameters."""

from collections.abc import Mapping, Sequence
from itertools import combinations, pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.report.colours import PALETTE, SCALE
from harness.report.content import Figure, Section, Text, empty_section, section
from harness.report.draw import figure
from harness.report.intervals import Estimate, estimate
from harness.report.study import Study
from harness.report.wording import is_missing, metric_name, number, value_text
from harness.results.selection import linked_factors

if TYPE_CHECKING:
    import plotly.graph_objects as go

KEY, TITLE = "effects", "Effect of each search parameter"
MOST_LEVELS = 8
BINS = 5
MOST_PAIRS = 4


class Factor(NamedTuple):
    """A parameter, or several that change together: one level for each complete configuration.

    levels: the level of each configuration, None where the parameter does not exist. order: the
    distinct levels. binned: whether a level is a range of values.
    """

    name: str
    levels: tuple[str | None, ...]
    order: tuple[str, ...]
    binned: bool


class Effect(NamedTuple):
    """Marginal means: per level, the mean over the configurations that have it, then over folds."""

    factor: Factor
    means: tuple[Estimate, ...]
    counts: tuple[int, ...]

    @property
    def spread(self) -> float:
        """Highest minus lowest marginal mean."""
        found = [one.mean for one in self.means if one.mean is not None]
        return max(found) - min(found) if found else 0.0


def effects(study: Study) -> Section:
    """The effects as a section."""
    factors = factors_of([one.params for one in study.complete], study.names)
    scores = study.scores(f"val_{study.objective}").to_numpy(dtype=float)
    found = compute(factors, scores, study.size_ratio("val"))
    if not found:
        return empty_section(KEY, TITLE, "No parameter has two values among the complete ones.")
    name = metric_name(study.objective)
    figures = [Figure(_finding(one, study.mode), draw(one, name), True) for one in found]
    ranked = [one.factor for one in sorted(found, key=lambda one: -one.spread)]
    pairs = [
        Figure(f"{a.name} and {b.name}: mean of each pair", draw_pair(a, b, scores, name), True)
        for a, b in list(combinations(ranked, 2))[:MOST_PAIRS]
    ]
    return section(KEY, TITLE, Text(_explanation(name)), *figures, *pairs)


def factors_of(params: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> tuple[Factor, ...]:
    """The parameters that vary; those that never change alone are one factor.

    params: of each configuration. names: path -> the name to print.
    """
    present = [{path: value for path, value in one.items() if not is_missing(value)}
               for one in params]  # fmt: skip
    groups: list[list[str]] = [[path] for path in names]
    for a, b in linked_factors(present):
        of_a, of_b = (next(group for group in groups if path in group) for path in (a, b))
        if of_a is not of_b:
            of_a += of_b
            groups.remove(of_b)
    made = (_factor(group, present, names) for group in groups)
    return tuple(one for one in made if len(one.order) > 1)


def compute(
    factors: Sequence[Factor], scores: NDArray[np.float64], size_ratio: float
) -> tuple[Effect, ...]:
    """Marginal means of scores (configurations, folds), with corrected t intervals over folds."""
    return tuple(_effect(one, scores, size_ratio) for one in factors)


def draw(effect: Effect, metric: str) -> "go.Figure":
    """Marginal means with intervals, in the order of the values."""
    import plotly.graph_objects as go

    made = figure(x=effect.factor.name, y=f"validation {metric}", height_px=300)
    halves = [0.0 if one.high is None or one.mean is None else one.high - one.mean
              for one in effect.means]  # fmt: skip
    made.add_trace(go.Scatter(
        x=list(effect.factor.order), y=[one.mean for one in effect.means], mode="markers",
        marker={"size": 10, "color": PALETTE[0]}, showlegend=False,
        error_y={"array": halves, "color": PALETTE[0], "thickness": 1.6},
        customdata=list(effect.counts),
        hovertemplate="%{x}: %{y:.4f} (%{customdata} configurations)<extra></extra>",
    ))  # fmt: skip
    made.update_xaxes(type="category", range=[-0.5, len(effect.factor.order) - 0.5])
    return made


def draw_pair(a: Factor, b: Factor, scores: NDArray[np.float64], metric: str) -> "go.Figure":
    """Mean score of every pair of levels."""
    import plotly.graph_objects as go

    means = pair_means(a, b, scores)
    made = figure(x=b.name, y=a.name, height_px=300)
    made.add_trace(go.Heatmap(
        z=np.round(means, 5), x=list(b.order), y=list(a.order), colorscale=SCALE, xgap=1, ygap=1,
        texttemplate="%{z:.3f}", colorbar={"thickness": 10, "title": {"text": metric,
                                                                      "side": "right"}},
        hovertemplate="%{y}, %{x}: %{z:.4f}<extra></extra>",
    ))  # fmt: skip
    made.update_xaxes(type="category", showgrid=False)
    made.update_yaxes(type="category", showgrid=False)
    return made


def pair_means(a: Factor, b: Factor, scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean score (levels of a, levels of b); nan where no configuration has the pair."""
    means = scores.mean(axis=1)
    cells = np.full((len(a.order), len(b.order)), np.nan)
    for row, of_a in enumerate(a.order):
        for column, of_b in enumerate(b.order):
            chosen = [x == of_a and y == of_b for x, y in zip(a.levels, b.levels, strict=True)]
            if any(chosen):
                cells[row, column] = means[chosen].mean()
    return cells


def _factor(
    group: Sequence[str], params: Sequence[Mapping[str, Any]], names: Mapping[str, str]
) -> Factor:
    name = ", ".join(names[path] for path in group)
    values = [tuple(one[path] for path in group if path in one) for one in params]
    distinct = sorted({one for one in values if one}, key=_sort_key)
    numeric = len(group) == 1 and all(isinstance(one[0], int | float) for one in distinct)
    if len(distinct) > MOST_LEVELS and numeric:
        return _binned(name, [float(one[0]) if one else None for one in values])
    texts = [", ".join(value_text(part) for part in one) or None for one in values]
    order = tuple(dict.fromkeys(", ".join(value_text(x) for x in one) for one in distinct))
    return Factor(name, tuple(texts), order, False)


def _binned(name: str, values: Sequence[float | None]) -> Factor:
    known = np.array([value for value in values if value is not None])
    edges = np.unique(np.quantile(known, np.linspace(0, 1, BINS + 1)))
    order = tuple(f"{low:.3g} to {high:.3g}" for low, high in pairwise(edges))
    levels = [None if value is None else
              order[min(int(np.searchsorted(edges, value, "right")) - 1, len(order) - 1)]
              for value in values]  # fmt: skip
    return Factor(name, tuple(levels), order, True)


def _effect(factor: Factor, scores: NDArray[np.float64], size_ratio: float) -> Effect:
    chosen = [np.array([level == one for level in factor.levels]) for one in factor.order]
    means = tuple(estimate(scores[rows].mean(axis=0), size_ratio) for rows in chosen)
    return Effect(factor, means, tuple(int(rows.sum()) for rows in chosen))


def _sort_key(value: tuple[Any, ...]) -> tuple[tuple[bool, Any], ...]:
    return tuple((isinstance(one, str), one if isinstance(one, int | float) else str(one))
                 for one in value)  # fmt: skip


def _finding(effect: Effect, mode: str) -> str:
    known = [(one.mean, level) for one, level in zip(effect.means, effect.factor.order, strict=True)
             if one.mean is not None]  # fmt: skip
    if not known:
        return effect.factor.name
    best = max(known) if mode == "max" else min(known)
    return f"{effect.factor.name}: {best[1]} is best on average, {number(best[0])}"


def _explanation(name: str) -> str:
    return (
        f"Points are marginal means of validation {name}: over all configurations with that value, "
        "then over folds, with 95 % intervals (corrected t). Parameters that never change one "
        "without the other are one factor; many values are cut into ranges of equal count."
    )
