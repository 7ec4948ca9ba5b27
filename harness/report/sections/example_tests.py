"""The baseline and the best few, example by example."""

from typing import NamedTuple

import plotly.graph_objects as go

from harness.report.benchmark_results import BenchmarkResults, Configuration
from harness.report.blocks import (
    Cell,
    Column,
    Figure,
    Section,
    Table,
    Text,
    empty_section,
    section,
    without_empty_columns,
)
from harness.report.formatting import (
    NOTHING,
    against_baseline,
    count,
    interval_text,
    number,
    p_text,
    signed,
)
from harness.report.theme import ForestRow, forest_plot
from harness.statistics.example_tests import ExampleComparison, compare_examples
from harness.statistics.multiplicity import ALPHA, holm

KEY, TITLE = "items", "Comparisons example by example"
MOST = 10  # configurations; the predictions of each are read


class Pair(NamedTuple):
    """One configuration minus the baseline over the examples that both predicted."""

    configuration: Configuration
    found: ExampleComparison
    p_holm: float | None


class Items(NamedTuple):
    """Pairs with the baseline, and why the others could not be compared."""

    baseline: Configuration
    role: str
    pairs: tuple[Pair, ...]
    refused: tuple[str, ...]


def items(results: BenchmarkResults) -> Section:
    """Return the section; it reads the predictions of a few trials."""
    found = compute(results)
    if found is None:
        return empty_section(KEY, TITLE, "No predictions of two complete configurations are kept.")
    if not found.pairs:
        return empty_section(KEY, TITLE, f"Not compared: {'; '.join(found.refused)}.")
    made = Figure(_finding(found), draw(found))
    return section(KEY, TITLE, Text(_explanation(results, found)), made, table(found))


def compute(results: BenchmarkResults) -> Items | None:
    """Compare the best others with the baseline, on test predictions if there are any."""
    baseline = results.reference
    others = [configuration for configuration in results.complete if configuration is not baseline][
        :MOST
    ]
    if baseline is None or not others:
        return None
    ids = [configuration.trial_id for configuration in (baseline, *others)]
    for role in ("test", "validation"):
        rows = results.items(ids, role)
        if not rows.empty:
            break
    else:
        return None
    of_trial = dict(iter(rows.groupby("trial_id")))
    empty = rows.head(0)
    ours = of_trial.get(baseline.trial_id, empty)
    compared = [
        (
            configuration,
            compare_examples(ours, of_trial.get(configuration.trial_id, empty), role=role),
        )
        for configuration in others
    ]
    kept = [
        (configuration, found)
        for configuration, found in compared
        if isinstance(found, ExampleComparison)
    ]
    p_values = holm([found.mcnemar.p if found.mcnemar else None for _, found in kept])
    pairs = tuple(Pair(*pair, p) for pair, p in zip(kept, p_values, strict=True))
    refused = dict.fromkeys(found for _, found in compared if isinstance(found, str))
    return Items(baseline, role, pairs, tuple(refused))


def table(found: Items) -> Table:
    """Return one row a configuration, best on validation first."""
    columns = (
        Column("#", numeric=True),
        Column("configuration"),
        Column("accuracy", numeric=True, hint="share of these examples, Wilson's 95 % interval"),
        Column("difference", numeric=True, hint="configuration minus baseline"),
        Column("95 % interval", numeric=True, hint="bootstrap over examples, or whole groups"),
        Column("only baseline right", numeric=True),
        Column("only this right", numeric=True),
        Column("p, McNemar", numeric=True, hint="exact, two-sided"),
        Column("p, Holm", numeric=True, hint="adjusted over the rows of this table"),
    )
    rows = tuple(_row(pair) for pair in found.pairs)
    return without_empty_columns(Table(columns, rows, sortable=True))


def draw(found: Items) -> go.Figure:
    """Draw differences of accuracy over examples."""
    rows = [
        ForestRow(pair.configuration.name, pair.configuration.colour, gap.mean, gap.low, gap.high)
        for pair in found.pairs
        for gap in [pair.found.difference]
    ]
    return forest_plot(rows, x=f"{found.role} accuracy: difference to {found.baseline.name}")


def _row(pair: Pair) -> tuple[Cell, ...]:
    drawn, test, share = pair.found.difference, pair.found.mcnemar, pair.found.accuracy_b
    tested = (
        (
            Cell(count(test.only_a), test.only_a),
            Cell(count(test.only_b), test.only_b),
            Cell(p_text(test.p), test.p),
            Cell(p_text(pair.p_holm), pair.p_holm),
        )
        if test
        else (Cell(NOTHING),) * 4
    )
    return (
        Cell(str(pair.configuration.place), pair.configuration.place),
        Cell(pair.configuration.label, None, pair.configuration.colour),
        Cell(f"{number(share.mean)} [{number(share.low, 3)}, {number(share.high, 3)}]", share.mean),
        Cell(signed(drawn.mean), drawn.mean),
        Cell(interval_text(drawn.low, drawn.high), drawn.low),
        *tested,
    )


def _explanation(results: BenchmarkResults, found: Items) -> str:
    first = found.pairs[0].found
    drawn = first.difference
    text = f"{drawn.n_examples:,} {found.role} examples"
    text += f" in {drawn.n_units:,} groups that are drawn whole" if first.grouped else ""
    text += f", {found.baseline.name} ({found.baseline.label}) against "
    text += f"the best {len(found.pairs)} others" if len(found.pairs) > 1 else "the other one"
    if first.mcnemar is None:
        text += (
            f". No McNemar test, as {first.why_no_mcnemar}: each example counts once, as its "
            "mean over folds and repeats, and examples are drawn by bootstrap."
        )
    else:
        text += (
            ". The interval is a paired bootstrap; no example is predicted twice in a repeat, "
            "so McNemar's exact test holds too (first repeat)."
        )
        text += " Its p is too small where members of a group are alike." if first.grouped else ""
    asks = "It asks" if first.mcnemar is None else "Both ask"
    text += (
        f" {asks} whether these trained models differ on other examples of this kind; how "
        "much training anew would change them is what the folds say."
    )
    text += " Accuracy, whatever the objective." if results.objective != "accuracy" else ""
    return text + (f" Left out: {'; '.join(found.refused)}." if found.refused else "")


def _finding(found: Items) -> str:
    tested = [pair for pair in found.pairs if pair.p_holm is not None]
    if tested:
        clear = sum((pair.p_holm or 0.0) < ALPHA for pair in tested)
        return f"{against_baseline(clear, len(tested))} (McNemar, Holm, 5 %)"
    apart = sum(
        pair.found.difference.low > 0 or pair.found.difference.high < 0 for pair in found.pairs
    )
    return f"{against_baseline(apart, len(found.pairs))} (each 95 % interval alone)"
