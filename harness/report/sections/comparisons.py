"""Every configuration against the baseline, on the same folds."""

import plotly.graph_objects as go

from harness.report.baseline_comparison import (
    Against,
    Comparisons,
    compare_all,
    power_text,
    sign_text,
)
from harness.report.benchmark_results import ROLE_OF, BenchmarkResults
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
    against_baseline,
    interval_text,
    is_missing,
    metric_name,
    number,
    p_text,
    plural,
    signed,
)
from harness.report.theme import ForestRow, forest_plot

KEY, TITLE = "comparisons", "Comparisons with the baseline"
SHOWN = 20  # configurations in the figure; the table has all


def comparisons(results: BenchmarkResults) -> Section:
    """Return the section."""
    found = compute(results)
    if found is None:
        return empty_section(KEY, TITLE, "Fewer than two configurations are complete.")
    blocks: list[Text | Figure | Table] = [Text(_explanation(results, found))]
    blocks += [Text(text) for text in (_able(found), _unpaired(found)) if text]
    if any(row.difference.low is not None for row in found.rows):
        blocks.append(Figure(_finding(found), draw(found, metric_name(results.objective))))
    return section(KEY, TITLE, *blocks, table(found))


def compute(results: BenchmarkResults) -> Comparisons | None:
    """Compare each complete configuration with the baseline, else with the best one."""
    return compare_all(results, results.reference)


def table(found: Comparisons) -> Table:
    """Return one row a configuration, best on validation first."""
    columns = (
        Column("#", numeric=True),
        Column("configuration"),
        Column("difference", numeric=True, hint="configuration minus baseline"),
        Column("95 % interval", numeric=True),
        Column("p", numeric=True),
        Column("p, Holm", numeric=True, hint="adjusted over all comparisons"),
        Column("P(lower)", numeric=True, hint="posterior: more than 0.01 below"),
        Column("P(same)", numeric=True, hint="posterior: within 0.01"),
        Column("P(higher)", numeric=True, hint="posterior: more than 0.01 above"),
    )
    return Table(columns, tuple(_row(row) for row in found.rows), sortable=True)


def draw(found: Comparisons, metric: str) -> go.Figure:
    """Draw differences with intervals around the line of no difference."""
    rows = [
        ForestRow(row.configuration.name, row.configuration.colour, gap.mean, gap.low, gap.high)
        for row in found.rows
        for gap in [row.difference]
        if gap.low is not None and gap.high is not None
    ]
    axis = f"{ROLE_OF[found.split]} {metric}: difference to {found.baseline.name}"
    return forest_plot(rows[:SHOWN], x=axis)


def _row(row: Against) -> tuple[Cell, ...]:
    found, configuration = row.difference, row.configuration
    interval = "–" if found.paired else "not paired"
    if found.low is not None:
        interval = interval_text(found.low, found.high)
    known = found.posterior
    shares = (known.p_left, known.p_rope, known.p_right) if known else (None,) * 3
    return (
        Cell(str(configuration.place), configuration.place),
        Cell(configuration.label, None, configuration.colour),
        Cell(signed(found.mean), None if is_missing(found.mean) else found.mean),
        Cell(interval, found.low),
        Cell(p_text(found.p), found.p),
        Cell(p_text(found.p_holm), found.p_holm),
        *(Cell(number(share, 2), share) for share in shares),
    )


def _explanation(results: BenchmarkResults, found: Comparisons) -> str:
    text = f"Baseline: {found.baseline.name} ({found.baseline.label})"
    if results.baseline is None:
        missing = results.spec.baseline is not None
        reason = (
            "the file's baseline is not among the complete ones"
            if missing
            else "the file names none"
        )
        text += f", the best on validation, as {reason}"
    why = "the test part rotates" if found.split == "test" else "the test part does not rotate"
    text += (
        f". Compared on {ROLE_OF[found.split]} scores, since {why}; the same folds are paired "
        "(Nadeau and Bengio's corrected t). The three P are posterior probabilities that the "
        "configuration lies more than 0.01 below the baseline, within 0.01 of it, or more "
        "than 0.01 above (Bayesian correlated t)."
    )
    if results.baseline is None and found.split == "val":
        text += (
            " The same scores chose this baseline, so the others look worse beside it than "
            "they are."
        )
    return text


def _able(found: Comparisons) -> str:
    able = power_text(found.power) if found.power else ""
    return f"{able} {sign_text(found.n)}".strip()


def _unpaired(found: Comparisons) -> str:
    amount = sum(not row.difference.paired for row in found.rows)
    return (
        amount
        and (
            f"{plural(amount, 'configuration')} met other examples than the baseline: their "
            "differences stand without interval and test."
        )
    ) or ""


def _finding(found: Comparisons) -> str:
    clear = sum(row.difference.is_clear for row in found.rows)
    text = f"{against_baseline(clear, len(found.rows))} (Holm, 5 %)"
    hidden = len(found.rows) - SHOWN
    return f"{text}; the first {SHOWN} are drawn" if hidden > 0 else text
