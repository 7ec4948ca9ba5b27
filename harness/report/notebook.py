"""The report's numbers and figures for a notebook, the same as on the page.

`harness.api` imports this module, so pandas, plotly and the sections are imported when a function
is called.
"""

import sys
import textwrap
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
    """Load the results of a benchmark, which every other function here takes.

    Args:
        benchmark: A name or a results folder.
        results: The folder that holds one folder per benchmark.
        run: A run's id, or `all` for every trial in the tables; by default the last run.
        baseline: A selector in place of the file's.

    Raises:
        BenchError: If there is nothing to load.
    """
    from harness.report.load import load_benchmark_results
    from harness.report.report_writer import results_folders

    (folder,) = results_folders(Path(results), [benchmark])
    return load_benchmark_results(folder, run_id=run, baseline=baseline)


def leaderboard(results: "BenchmarkResults") -> "pd.DataFrame":
    """Return one row for each configuration, best first.

    Columns are parameters, estimates with the ends of their intervals, counts and costs;
    configurations that did not complete come last.
    """
    import pandas as pd

    from harness.report.renderers import csv_rows

    return pd.DataFrame(csv_rows(results))


def learning_curves(results: "BenchmarkResults", *, loss: bool = False) -> "go.Figure":
    """Draw the objective, or the loss, by epoch: fold means and bands of the best ones."""
    return _nth_figure(results, "curves", 1 if loss else 0)


def confusion(results: "BenchmarkResults", *, place: int = 1) -> "go.Figure":
    """Draw counts of true and predicted classes of one configuration.

    Args:
        results: From `load_results`.
        place: 1 for the best on validation.
    """
    return _nth_figure(results, "classes", 0, place=place)


def roc_curves(results: "BenchmarkResults", *, place: int = 1) -> "go.Figure":
    """Draw one ROC curve a class against the rest; `place` as in `confusion`."""
    return _nth_figure(results, "classes", 1, place=place)


def pareto(results: "BenchmarkResults") -> "go.Figure":
    """Draw the objective by the number of parameters, and the front that nothing beats on both."""
    return _nth_figure(results, "pareto", 0)


def figures(results: "BenchmarkResults", section: str) -> "dict[str, go.Figure]":
    """Return every figure of a section of the report by its title.

    Titles in a configuration's view begin with its place, `#2: …`.

    Args:
        results: From `load_results`.
        section: The section's key, such as `effects`, `comparisons` or `folds`.

    Raises:
        BenchError: If no section has this key.
    """
    blocks = _section(results, section).blocks
    return {title: _titled(title, figure) for title, figure in _figures(blocks)}


def tables(results: "BenchmarkResults", section: str) -> "list[pd.DataFrame]":
    """Return every table of a section; cells are numbers if the page sorts by them.

    Args:
        results: From `load_results`.
        section: The section's key.

    Raises:
        BenchError: If no section has this key.
    """
    import pandas as pd

    return [
        pd.DataFrame(
            [[_value(cell) for cell in row] for row in table.rows],
            columns=[column.name for column in table.columns],
        )
        for table in _tables(_section(results, section).blocks)
    ]


def _section(results: "BenchmarkResults", key: str) -> Section:
    from harness.report.chapters import ORDER, build_section
    from harness.report.per_dataset import split_by_dataset

    makers = {getattr(sys.modules[make.__module__], "KEY", make.__name__): make for make in ORDER}
    if key not in makers:
        close = nearest(key, list(makers))
        hint = f"; did you mean {close!r}?" if close else ""
        raise BenchError(f"no section {key!r}; there are {', '.join(makers)}{hint}")
    return build_section(makers[key], results, split_by_dataset(results))


def _nth_figure(
    results: "BenchmarkResults", key: str, number: int, *, place: int | None = None
) -> "go.Figure":
    blocks = _section(results, key).blocks
    prefix = "" if place is None else f"#{place}: "
    named = [(title, figure) for title, figure in _figures(blocks) if title.startswith(prefix)]
    if number >= len(named):
        texts = [block.text for block in blocks if isinstance(block, Text)]
        raise BenchError(" ".join(texts[:1]) or f"nothing to draw of place {place}")
    return _titled(*named[number])


def _figures(blocks: Iterable[Block]) -> "Iterator[tuple[str, go.Figure]]":
    for block in blocks:
        if isinstance(block, Figure):
            yield block.title, block.figure
        elif isinstance(block, Dropdown):
            for option in block.options:
                place = option.name.split(" ")[0]
                for title, figure in _figures(option.blocks):
                    yield title if title.startswith(place) else f"{place}: {title}", figure


def _tables(blocks: Iterable[Block]) -> Iterator[Table]:
    for block in blocks:
        if isinstance(block, Table):
            yield block
        elif isinstance(block, Dropdown):
            for option in block.options:
                yield from _tables(option.blocks)


def _titled(title: str, figure: "go.Figure") -> "go.Figure":
    """Return a figure that stands alone: under its title, its texts escaped as on the page."""
    import plotly.graph_objects as go

    from harness.report.page import escaped_values
    from harness.report.theme import escaped

    made = go.Figure(escaped_values(figure.to_plotly_json()))
    lines = textwrap.wrap(title, TITLE_WIDTH)
    room = 22 * len(lines) + 16
    margin = made.layout.margin.t or 30
    height = made.layout.height or 380
    return made.update_layout(
        title={
            "text": "<br>".join(map(escaped, lines)),
            "x": 0.02,
            "yref": "container",
            "y": 1 - 10 / (height + room),
            "yanchor": "top",
            "font": {"size": 15},
        },
        margin_t=margin + room,
        height=height + room,
    )


def _value(cell: Cell) -> Any:
    return cell.sort if isinstance(cell.sort, int | float) else cell.text
