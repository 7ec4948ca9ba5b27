"""Every configuration against the baseline, on the same folds."""

from typing import TYPE_CHECKING, Any, NamedTuple

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
from harness.report.intervals import Difference, difference, holm
from harness.report.study import ROLE_OF, Configuration, Study
from harness.report.wording import metric_name, number, signed
from harness.results.paired import smallest_detectable

if TYPE_CHECKING:
    import plotly.graph_objects as go

KEY, TITLE = "comparisons", "Comparisons with the baseline"
SHOWN = 20
ALPHA = 0.05


class Against(NamedTuple):
    """One configuration minus the baseline. p_holm: adjusted over all comparisons."""

    configuration: Configuration
    difference: Difference
    p_holm: float | None


class Comparisons(NamedTuple):
    """All comparisons, in order of place. detectable: the smallest true difference that so few
    folds find with 80 % power, at the median spread of the differences; None for one fold."""

    baseline: Configuration
    split: str
    rows: tuple[Against, ...]
    detectable: float | None


def comparisons(study: Study) -> Section:
    """The comparisons as a section."""
    found = compute(study)
    if found is None:
        return empty_section(KEY, TITLE, "Fewer than two configurations are complete.")
    blocks: list[Text | Figure | Table] = [Text(_explanation(study, found))]
    if any(one.difference.low is not None for one in found.rows):
        blocks.append(Figure(_finding(found), draw(found, metric_name(study.objective))))
    return section(KEY, TITLE, *blocks, table(found))


def compute(study: Study) -> Comparisons | None:
    """Each complete configuration against the baseline, else against the best on validation."""
    baseline = study.reference
    if baseline is None or len(study.complete) < 2:
        return None
    split = study.compared_split
    ratio = study.size_ratio(split)
    wide = study.scores(f"{split}_{study.objective}")
    reference = wide.loc[baseline.trial_id].to_numpy(dtype=float)
    others = [one for one in study.complete if one is not baseline]
    found = [difference(wide.loc[one.trial_id].to_numpy(dtype=float), reference, ratio)
             for one in others]  # fmt: skip
    adjusted = _holm(found)
    rows = tuple(Against(*row) for row in zip(others, found, adjusted, strict=True))
    return Comparisons(baseline, split, rows, _detectable(wide.to_numpy(float) - reference, ratio))


def table(found: Comparisons) -> Table:
    """One row a configuration, best on validation first."""
    columns = (
               Column("#", numeric=True), Column("configuration"),
               Column("difference", numeric=True, hint="configuration minus baseline"),
               Column("95 % interval", numeric=True), Column("p", numeric=True),
               Column("p, Holm", numeric=True, hint="adjusted over all comparisons"),
               Column("P(lower)", numeric=True, hint="posterior: more than 0.01 below"),
               Column("P(same)", numeric=True, hint="posterior: within 0.01"),
               Column("P(higher)", numeric=True, hint="posterior: more than 0.01 above"),
    )  # fmt: skip
    return Table(columns, tuple(_row(one) for one in found.rows), sortable=True)


def draw(found: Comparisons, metric: str) -> "go.Figure":
    """Differences with intervals around the line of no difference."""
    import plotly.graph_objects as go

    shown = [one for one in found.rows if one.difference.high is not None][:SHOWN]
    made = figure(x=f"{ROLE_OF[found.split]} {metric}: difference to {found.baseline.name}",
                  height_px=100 + 21 * len(shown))  # fmt: skip
    made.add_vline(x=0, line={"color": "#8f959e", "dash": "dot"})
    for one in shown:
        mean, half = one.difference.mean or 0.0, (one.difference.high or 0.0)
        colour = one.configuration.colour
        made.add_trace(go.Scatter(
            x=[mean], y=[one.configuration.name], mode="markers", showlegend=False,
            marker={"color": colour, "size": 9}, name=one.configuration.name,
            error_x={"array": [half - mean], "color": colour, "thickness": 1.6},
            hovertemplate="%{y}: %{x:+.4f}<extra></extra>",
        ))  # fmt: skip
    made.update_yaxes(autorange="reversed", type="category")
    return made


def _holm(found: list[Difference]) -> list[float | None]:
    known = [index for index, one in enumerate(found) if one.p_value is not None]
    adjusted: list[float | None] = [None] * len(found)
    p_values = [found[index].p_value or 0.0 for index in known]
    for index, p in zip(known, holm(p_values), strict=True):
        adjusted[index] = p
    return adjusted


def _detectable(differences: Any, size_ratio: float) -> float | None:
    import numpy as np

    values = np.asarray(differences, dtype=float)
    if values.shape[1] < 2:
        return None
    spreads = values.std(axis=1, ddof=1)
    spread = float(np.nanmedian(spreads[spreads > 0])) if (spreads > 0).any() else 0.0
    if spread == 0:
        return None
    return smallest_detectable(spread, n=values.shape[1], test_train_ratio=size_ratio)


def _row(one: Against) -> tuple[Cell, ...]:
    found, configuration = one.difference, one.configuration
    interval = "–"
    if found.low is not None and found.high is not None:
        interval = f"[{signed(found.low)}, {signed(found.high)}]"
    posterior = (found.p_lower, found.p_same, found.p_higher)
    return (
        Cell(str(configuration.place), configuration.place),
        Cell(configuration.label, None, configuration.colour),
        Cell(signed(found.mean), found.mean),
        Cell(interval, found.low),
        Cell(number(found.p_value, 3), found.p_value),
        Cell(number(one.p_holm, 3), one.p_holm),
        *(Cell(number(share, 2), share) for share in posterior),
    )


def _explanation(study: Study, found: Comparisons) -> str:
    named = study.baseline is not None
    text = f"Baseline: {found.baseline.name} ({found.baseline.label})"
    if not named:
        missing = study.spec.baseline is not None
        reason = "the file's baseline is not complete" if missing else "the file names none"
        text += f", the best on validation, as {reason}"
    text += "."
    why = "the test part rotates" if found.split == "test" else "the test part does not rotate"
    text += (f" Compared on {ROLE_OF[found.split]} scores, since {why}; the same folds are paired "
             "(Nadeau and Bengio's corrected t; Bayesian correlated t with a region of practical "
             "equivalence of 0.01).")  # fmt: skip
    if found.detectable is not None:
        text += (f" With so few folds a true difference of about {number(found.detectable, 3)} is "
                 "the smallest that would be found four times in five.")  # fmt: skip
    return text


def _finding(found: Comparisons) -> str:
    clear = sum(one.p_holm is not None and one.p_holm < ALPHA for one in found.rows)
    text = f"{clear or 'None'} of the {len(found.rows):,} others differ from the baseline"
    hidden = len(found.rows) - SHOWN
    return (
        f"{text} (Holm, 5 %); the first {SHOWN} are drawn" if hidden > 0 else f"{text} (Holm, 5 %)"
    )
