"""What several benchmarks say together: a chapter of its own at the top of the page."""

from collections.abc import Sequence

from harness.report.benchmark_results import BenchmarkResults
from harness.report.blocks import (
    Cell,
    Column,
    Section,
    Table,
    Text,
    section,
    without_empty_columns,
)
from harness.report.cross_benchmark import Meeting, SideBySide, side_by_side
from harness.report.formatting import (
    count,
    estimate_cell,
    interval_text,
    listed,
    magnitude,
    metric_name,
    number,
    p_text,
    plural,
    signed,
    time_text,
)
from harness.report.per_dataset import split_by_dataset
from harness.statistics.comparison import verdict
from harness.statistics.example_tests import ExampleComparison

VERDICTS = {
    "better": "the second is better",
    "worse": "the first is better",
    "equivalent": "practically the same",
    "unclear": "no difference seen",
    "untested": "can't be tested",
}


def across(benchmarks: Sequence[BenchmarkResults]) -> tuple[Section, ...]:
    """Return the sections about several benchmarks: the best of each, their meetings, ranks."""
    found = side_by_side(benchmarks)
    blocks: list[Text | Table] = [Text(_lead(found), lead=True), bests_table(benchmarks)]
    met = [meeting for meeting in found.meetings if not isinstance(meeting.found, str)]
    if met:
        blocks += [Text(_explanation(found)), meetings_table(met)]
    apart = [
        f"{meeting.a.name} and {meeting.b.name}: {meeting.found}"
        for meeting in found.meetings
        if isinstance(meeting.found, str)
    ]
    if apart:
        blocks.append(Text(f"Not compared: {'; '.join(apart)}."))
    if found.ranks is not None:
        blocks += [Text(_ranks_text(found)), ranks_table(found)]
    return (section("side-by-side", "Benchmarks side by side", *blocks),)


def bests_table(benchmarks: Sequence[BenchmarkResults]) -> Table:
    """Return the best configuration of each benchmark, its scores and its costs."""
    columns = (
        Column("benchmark"),
        Column("best configuration"),
        Column("objective"),
        Column("validation", numeric=True),
        Column("test", numeric=True),
        Column("parameters", numeric=True),
        Column("multiply-adds", numeric=True),
        Column("fit time", numeric=True),
        Column("complete", numeric=True),
    )
    rows = tuple(
        _best_row(part.results, part.name if len(parts) > 1 else "")
        for parts in map(split_by_dataset, benchmarks)
        for part in parts
    )
    return Table(columns, rows, sortable=True)


def meetings_table(meetings: Sequence[Meeting]) -> Table:
    """Return one row for each two configurations that met."""
    columns = (
        Column("first"),
        Column("second"),
        Column("verdict"),
        Column("scores"),
        Column("difference", numeric=True, hint="second minus first, mean over folds"),
        Column("95 % interval", numeric=True),
        Column("p, Holm", numeric=True, hint="corrected t on paired folds"),
        Column("P(lower)", numeric=True, hint="posterior: second more than 0.01 below the first"),
        Column("P(same)", numeric=True, hint="posterior: within 0.01"),
        Column("P(higher)", numeric=True, hint="posterior: second more than 0.01 above the first"),
        Column("visible", numeric=True, hint="smallest difference found four times in five"),
        Column("by example", numeric=True, hint="accuracy over examples, bootstrap interval"),
        Column("p, McNemar", numeric=True),
    )
    return without_empty_columns(
        Table(columns, tuple(_meeting_row(meeting) for meeting in meetings))
    )


def ranks_table(found: SideBySide) -> Table:
    """Return mean ranks, best first."""
    assert found.ranks is not None
    pairs = sorted(zip(found.ranks.names, found.ranks.mean_ranks, strict=True), key=lambda p: p[1])
    rows = tuple((Cell(name), Cell(f"{rank:.2f}", rank)) for name, rank in pairs)
    heading = Column("mean rank", numeric=True, hint="1 is best, on validation")
    columns = (Column(found.ranked.removesuffix("s")), heading)
    return Table(columns, rows, caption="Ranks across benchmarks (descriptive)", sortable=True)


def _best_row(results: BenchmarkResults, data: str) -> tuple[Cell, ...]:
    """Return one benchmark's row, which names the data if it has several."""
    best = results.best
    done = f"{len(results.complete):,} of {len(results.configurations):,}"
    name = f"{results.name}, {data}" if data else results.name
    first = (
        Cell(name),
        Cell(best.label if best else "none is complete"),
        Cell(metric_name(results.objective)),
    )
    if best is None:
        return (*first, *(Cell("–"),) * 5, Cell(done, 0))
    estimates = [results.estimates(f"{split}_{results.objective}") for split in ("val", "test")]
    row = best.row
    return (
        *first,
        *(
            estimate_cell(found[best.trial_id]) if best.trial_id in found else Cell("–")
            for found in estimates
        ),
        Cell(count(row.get("n_parameters")), row.get("n_parameters")),
        Cell(magnitude(row.get("mult_adds")), row.get("mult_adds")),
        Cell(time_text(row.get("fit_time_s")), row.get("fit_time_s")),
        Cell(done, len(results.complete)),
    )


def _meeting_row(meeting: Meeting) -> tuple[Cell, ...]:
    names = tuple(Cell(f"{side.name} ({side.role})") for side in (meeting.a, meeting.b))
    assert not isinstance(meeting.found, str)
    folds = meeting.found.folds
    gap, known = folds.difference, folds.difference.posterior
    shares = (known.p_left, known.p_rope, known.p_right) if known else (None,) * 3
    interval = "–" if gap.low is None else interval_text(gap.low, gap.high)
    how = f"{folds.role}, {folds.counted}" + (", not paired" if folds.unpaired else "")
    return (
        *names,
        Cell(VERDICTS[verdict(meeting.found.headline)]),
        Cell(how),
        Cell(signed(gap.mean), gap.mean),
        Cell(interval),
        Cell(p_text(gap.p_holm), gap.p_holm),
        *(Cell(number(share, 2), share) for share in shares),
        Cell(number(folds.detectable, 3), folds.detectable),
        *_example_cells(meeting.found.examples),
    )


def _example_cells(examples: ExampleComparison | str) -> tuple[Cell, Cell]:
    if isinstance(examples, str):
        return Cell(examples), Cell("–")
    drawn = examples.difference
    text = f"{signed(drawn.mean)} {interval_text(drawn.low, drawn.high)}"
    p = examples.mcnemar.p if examples.mcnemar else None
    return Cell(text, drawn.mean), Cell(p_text(p), p)


def _lead(found: SideBySide) -> str:
    compared = [meeting for meeting in found.meetings if not isinstance(meeting.found, str)]
    if not compared:
        return (
            f"{plural(len(found.benchmarks), 'benchmark')}; no two were scored on the same "
            "examples, so their scores stand side by side without a test."
        )
    if len(compared) == 1:
        return _only_lead(compared[0])
    clear = [meeting for meeting in compared if _is_clear(meeting)]
    text = f"Of {plural(len(compared), 'comparison')} between benchmarks on the same examples, "
    if not clear:
        return text + "none shows a difference (5 %)."
    verb = "shows" if len(clear) == 1 else "show"
    return text + f"{len(clear)} {verb} a difference (5 %)."


def _only_lead(meeting: Meeting) -> str:
    assert not isinstance(meeting.found, str)
    headline = meeting.found.headline
    bounds = "[−inf, +inf]"
    if headline.low is not None:
        bounds = interval_text(headline.low, headline.high)
    size = f"{signed(headline.difference)} {bounds}"
    a, b = (f"{side.results.name} ({side.configuration.label})" for side in (meeting.a, meeting.b))
    if not _is_clear(meeting):
        return f"No difference seen between {a} and {b}: {size}."
    better, worse = (b, a) if verdict(headline) == "better" else (a, b)
    order = f"{meeting.b.results.name} minus {meeting.a.results.name}"
    return f"{better} does better than {worse}: {size}, {order}."


def _is_clear(meeting: Meeting) -> bool:
    """Decide by Holm's p if folds are paired, else by the interval, as the verdict does."""
    if isinstance(meeting.found, str):
        return False
    if meeting.found.folds.difference.p_holm is not None:
        return meeting.found.folds.difference.is_clear
    return verdict(meeting.found.headline) in ("better", "worse")


def _explanation(found: SideBySide) -> str:
    tried = listed([f"{len(results.complete):,}" for results in found.benchmarks])
    return (
        "The best of each benchmark meet, and the baselines where both name one. Folds are paired "
        "where both hold the same examples (the hash of the index sets says so); examples are "
        "compared one by one where both predicted them. Each best was chosen on validation from "
        f"{tried}: the more were tried, the more a validation score flatters. A difference belongs "
        "to all that the two differ in, the data they trained on included."
    )


def _ranks_text(found: SideBySide) -> str:
    assert found.ranks is not None
    return (
        f"Mean ranks of the {len(found.ranks.names)} {found.ranked} that all "
        f"{found.ranks.n_benchmarks} benchmarks hold, by validation mean; "
        f"{found.ranks.label}."
    )
