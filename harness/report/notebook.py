"""The report's numbers and figures by name, for a notebook: the same as on the page."""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import BenchError, nearest
from harness.report.blocks import Block, Cell, Dropdown, Figure, Section, Table, Text

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

    from harness.report.benchmark_results import BenchmarkResults

TITLE_WIDTH = 80  # letters


def load_results(
    benchmark: str,
    *,
    results: str | Path = "results",
    run: str | None = None,
    baseline: str | None = None,
) -> "BenchmarkResults":
    """What every function here reads: the results of a benchmark, by name or folder.

    run: a run's id, or `all` for every trial in the tables; None takes the last run.
    baseline: a selector that goes before the file's. Raises BenchError where there is nothing.
    """
    from harness.report.load import load_benchmark_results
    from harness.report.report_writer import results_folders

    (folder,) = results_folders(Path(results), [benchmark])
    return load_benchmark_results(folder, run_id=run, baseline=baseline)


def leaderboard(results: "BenchmarkResults") -> "pd.DataFrame":
    """One row for each configuration, best first: parameters, estimates with the ends of their
    intervals, counts and costs; those that did not complete come last."""
    import pandas as pd

    from harness.report.renderers import csv_rows

    return pd.DataFrame(csv_rows(results))


def learning_curves(results: "BenchmarkResults", *, loss: bool = False) -> "go.Figure":
    """The objective, or the loss, by epoch: fold means and bands of the best configurations."""
    return _nth(results, "curves", 1 if loss else 0)


def confusion(results: "BenchmarkResults", *, place: int = 1) -> "go.Figure":
    """Counts of true and predicted classes. place: 1 is the best on validation."""
    return _nth(results, "classes", 0, place=place)


def roc_curves(results: "BenchmarkResults", *, place: int = 1) -> "go.Figure":
    """One curve a class against the rest."""
    return _nth(results, "classes", 1, place=place)


def pareto(results: "BenchmarkResults") -> "go.Figure":
    """The objective by the number of parameters, and who is beaten on neither."""
    return _nth(results, "pareto", 0)


def figures(results: "BenchmarkResults", section: str) -> "dict[str, go.Figure]":
    """Every figure of a section of the report, by its title.

    section: its key, such as `effects`, `comparisons` or `folds`; those of a configuration's view
    begin with its place, `#2: …`. Raises BenchError for a key that no section has.
    """
    blocks = _section(results, section).blocks
    return {title: _titled(title, one) for title, one in _figures(blocks)}


def tables(results: "BenchmarkResults", section: str) -> "list[pd.DataFrame]":
    """Every table of a section; cells are numbers where the page sorts by them."""
    import pandas as pd

    return [
        pd.DataFrame(
            [[_value(cell) for cell in row] for row in one.rows],
            columns=[column.name for column in one.columns],
        )
        for one in _tables(_section(results, section).blocks)
    ]


def _section(results: "BenchmarkResults", key: str) -> Section:
    from harness.report.chapters import ORDER, build_section
    from harness.report.per_dataset import split_by_dataset

    makers = {getattr(sys.modules[one.__module__], "KEY", one.__name__): one for one in ORDER}
    if key not in makers:
        close = nearest(key, list(makers))
        hint = f"; did you mean {close!r}?" if close else ""
        raise BenchError(f"no section {key!r}; there are {', '.join(makers)}{hint}")
    return build_section(makers[key], results, split_by_dataset(results))


def _nth(
    results: "BenchmarkResults", key: str, number: int, *, place: int | None = None
) -> "go.Figure":
    part = _section(results, key)
    mine = "" if place is None else f"#{place}: "
    found = [(title, one) for title, one in _figures(part.blocks) if title.startswith(mine)]
    if number >= len(found):
        said = [block.text for block in part.blocks if isinstance(block, Text)]
        raise BenchError(" ".join(said[:1]) or f"nothing to draw of place {place}")
    return _titled(*found[number])


def _figures(blocks: Iterable[Block]) -> "Iterator[tuple[str, go.Figure]]":
    for block in blocks:
        if isinstance(block, Figure):
            yield block.title, block.figure
        elif isinstance(block, Dropdown):
            for option in block.options:
                place = option.name.split(" ")[0]
                for title, one in _figures(option.blocks):
                    yield title if title.startswith(place) else f"{place}: {title}", one


def _tables(blocks: Iterable[Block]) -> Iterator[Table]:
    for block in blocks:
        if isinstance(block, Table):
            yield block
        elif isinstance(block, Dropdown):
            for option in block.options:
                yield from _tables(option.blocks)


def _titled(title: str, figure: "go.Figure") -> "go.Figure":
    """A figure that stands by itself: under its title, its texts escaped as on the page."""
    import textwrap

    import plotly.graph_objects as go

    from harness.report.page import escaped_values
    from harness.report.theme import escaped

    made = go.Figure(escaped_values(figure.to_plotly_json()))
    lines = textwrap.wrap(title, TITLE_WIDTH)
    room = 22 * len(lines) + 16
    margin = made.layout.margin.t or 30
    height = made.layout.height or 380
    return made.update_layout(
        title={"text": "<br>".join(map(escaped, lines)), "x": 0.02, "yref": "container",
               "y": 1 - 10 / (height + room), "yanchor": "top", "font": {"size": 15}},
        margin_t=margin + room,
        height=height + room,
    )  # fmt: skip


def _value(cell: Cell) -> Any:
    return cell.sort if isinstance(cell.sort, int | float) else cell.text
