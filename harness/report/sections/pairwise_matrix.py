"""All pairs of configurations as one matrix: a map to look at, not a list of claims."""

from itertools import combinations
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from harness.report.benchmark_results import ROLE_OF, BenchmarkResults, Configuration
from harness.report.blocks import Figure, Section, Text, empty_section, section
from harness.report.fold_matching import same_folds
from harness.report.formatting import metric_name, plural, signed
from harness.report.theme import figure
from harness.statistics.differences import adjusted, paired_difference

KEY, TITLE = "pairs", "All pairs"
MOST = 30  # configurations a side
MOST_WRITTEN = 12  # configurations up to which differences are written into the cells


class Pairs(NamedTuple):
    """All pairs of the best configurations.

    Attributes:
        split: `val` or `test`.
        configurations: The rows and columns.
        differences: Row minus column; nan on the diagonal and if the folds can't be paired.
        clear: Whether a pair differs after Holm's correction over all `n_pairs`.
        n_pairs: The number of pairs that were tested.
    """

    split: str
    configurations: tuple[Configuration, ...]
    differences: NDArray[np.float64]
    clear: NDArray[np.bool_]
    n_pairs: int


def pairs(results: BenchmarkResults) -> Section:
    """Return the section."""
    found = compute(results)
    if found is None:
        reason = "Fewer than three complete configurations: the comparisons above hold every pair."
        return empty_section(KEY, TITLE, reason)
    made = Figure(_finding(results, found), draw(found, metric_name(results.objective)))
    return section(KEY, TITLE, Text(_explanation(found)), made)


def compute(results: BenchmarkResults) -> Pairs | None:
    """Compare the best MOST configurations, each with each, on paired folds."""
    chosen = results.complete[:MOST]
    if len(chosen) < 3:
        return None
    split = results.compared_split
    scores = results.scores(f"{split}_{results.objective}").to_numpy(dtype=float)
    same, ratio = same_folds(results), results.size_ratio(split)
    size = len(chosen)
    gaps, clear = np.full((size, size), np.nan), np.zeros((size, size), bool)
    places = [(i, j) for i, j in combinations(range(size), 2) if same(chosen[i], chosen[j])]
    differences = adjusted(
        [paired_difference(scores[i], scores[j], test_train_ratio=ratio) for i, j in places]
    )
    for (i, j), difference in zip(places, differences, strict=True):
        gaps[i, j], gaps[j, i] = difference.mean, -difference.mean
        clear[i, j] = clear[j, i] = difference.is_clear
    return Pairs(split, chosen, gaps, clear, len(places))


def draw(found: Pairs, metric: str) -> go.Figure:
    """Draw blue if the row is higher, red if lower, and a star if the pair is clear."""
    names = [configuration.name for configuration in found.configurations]
    largest = float(np.nanmax(np.abs(found.differences), initial=0.0)) or 1.0
    written = len(names) <= MOST_WRITTEN
    texts = [
        [_text(gap, star, written=written) for gap, star in zip(*row, strict=True)]
        for row in zip(found.differences, found.clear, strict=True)
    ]
    made = figure(x="minus this one", y="this one", height_px=140 + 21 * max(len(names), 6))
    made.add_trace(
        go.Heatmap(
            z=[
                [None if np.isnan(gap) else round(float(gap), 5) for gap in row]
                for row in found.differences
            ],
            x=names,
            y=names,
            text=texts,
            texttemplate="%{text}",
            textfont={"size": 11},
            colorscale="RdBu",
            zmin=-largest,
            zmax=largest,
            xgap=1,
            ygap=1,
            hoverongaps=False,
            colorbar={
                "thickness": 12,
                "title": {"text": f"{ROLE_OF[found.split]} {metric}", "side": "right"},
            },
            hovertemplate="%{y} minus %{x}: %{z:+.4f}<extra></extra>",
        )
    )
    made.update_yaxes(autorange="reversed", type="category", showgrid=False)
    made.update_xaxes(type="category", showgrid=False)
    return made


def _text(gap: float, star: bool, *, written: bool) -> str:
    if np.isnan(gap):
        return ""
    return (signed(gap, 3) if written else "") + ("*" if star else "")


def _explanation(found: Pairs) -> str:
    return (
        f"Row minus column on {ROLE_OF[found.split]} scores, the same folds paired. A star marks "
        f"pairs that differ at 5 % after Holm's correction over all {found.n_pairs:,} (corrected "
        "t): the price of looking at all pairs. The comparisons with the baseline are the test of "
        "the question; this is a map."
    )


def _finding(results: BenchmarkResults, found: Pairs) -> str:
    clear = int(found.clear.sum()) // 2
    text = (
        f"{clear:,} of {plural(found.n_pairs, 'pair')} differ"
        if clear
        else (f"No difference seen in any of {plural(found.n_pairs, 'pair')}")
    )
    text += " (Holm, 5 %)"
    hidden = len(results.complete) - len(found.configurations)
    return f"{text}; the best {MOST} of {len(results.complete):,}" if hidden else text
