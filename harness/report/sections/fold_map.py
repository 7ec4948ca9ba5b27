"""Every fold of every configuration: one fold that is hard for all, or one uneven configuration."""

from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from harness.report.benchmark_results import BenchmarkResults, Configuration
from harness.report.blocks import Figure, Section, empty_section, section
from harness.report.formatting import metric_name, number
from harness.report.theme import SCALE, figure

KEY, TITLE = "folds", "Fold by configuration"
SHOWN = 40  # configurations
WRITTEN = 400  # cells whose numbers can still be read


class FoldMap(NamedTuple):
    """Validation scores of every fold.

    Attributes:
        configurations: The rows.
        folds: Names of the columns.
        scores: (configurations, folds).
        between_folds: The share of the variance that the folds' means account for.
        between_configurations: The share that the configurations' means account for.
    """

    configurations: tuple[Configuration, ...]
    folds: tuple[str, ...]
    scores: NDArray[np.float64]
    between_folds: float | None
    between_configurations: float | None


def fold_map(results: BenchmarkResults) -> Section:
    """Return the section."""
    found = compute(results)
    if found is None:
        return empty_section(KEY, TITLE, "No fold of a complete configuration is recorded.")
    return section(KEY, TITLE, Figure(_finding(found), draw(found, metric_name(results.objective))))


def compute(results: BenchmarkResults) -> FoldMap | None:
    """Return the scores of all complete configurations; None if there are none."""
    wide = results.scores(f"val_{results.objective}")
    if wide.empty:
        return None
    scores = wide.to_numpy(dtype=float)
    keys: list[Any] = wide.columns.tolist()
    several = len({repeat for repeat, _ in keys}) > 1
    names = tuple(f"{fold} ({repeat})" if several else str(fold) for repeat, fold in keys)
    return FoldMap(results.complete, names, scores, _share(scores, axis=0), _share(scores, axis=1))


def draw(found: FoldMap, metric: str) -> go.Figure:
    """Draw the best configurations as rows, folds as columns."""
    shown = found.configurations[:SHOWN]
    made = figure(x="fold that validates", height_px=110 + 21 * max(len(shown), 4))
    written = len(shown) * len(found.folds) <= WRITTEN and len(found.folds) <= 12
    made.add_trace(
        go.Heatmap(
            z=np.round(found.scores[: len(shown)], 5),
            x=list(found.folds),
            y=[configuration.name for configuration in shown],
            colorscale=SCALE,
            xgap=1,
            ygap=1,
            texttemplate="%{z:.3f}" if written else None,
            textfont={"size": 11},
            colorbar={"thickness": 12, "title": {"text": metric, "side": "right"}},
            hovertemplate="%{y}, fold %{x}: %{z:.4f}<extra></extra>",
        )
    )
    made.update_yaxes(autorange="reversed", type="category", showgrid=False)
    made.update_xaxes(type="category", showgrid=False)
    return made


def _share(scores: NDArray[np.float64], axis: int) -> float | None:
    total = np.nanvar(scores)
    if scores.shape[axis] < 1 or scores.shape[1 - axis] < 2 or not total > 0:
        return None
    return float(np.nanvar(np.nanmean(scores, axis=axis)) / total)


def _finding(found: FoldMap) -> str:
    text = "Validation score of every fold"
    if found.between_folds is not None and len(found.configurations) > 1:
        hard = found.folds[int(np.nanargmin(np.nanmean(found.scores, axis=0)))]
        lowest = number(float(np.nanmin(np.nanmean(found.scores, axis=0))), 3)
        text = (
            f"{100 * found.between_folds:.0f} % of the variance lies between folds; "
            f"fold {hard} has the lowest mean, {lowest}"
        )
    hidden = len(found.configurations) - SHOWN
    return f"{text}; the best {SHOWN} of {len(found.configurations):,}" if hidden > 0 else text
