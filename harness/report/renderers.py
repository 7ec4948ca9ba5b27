"""Render the report as Markdown, as one CSV table, or as LaTeX tables.

The writers are our own: pandas' quote, align and escape otherwise, and none of them keeps a text
from a results folder from being a link, a picture or a formula of a spreadsheet.
"""

import csv
import io
import re
from collections.abc import Sequence

from harness.report.benchmark_results import BenchmarkResults
from harness.report.blocks import (
    Block,
    Cell,
    Code,
    Column,
    Dropdown,
    Figure,
    Gallery,
    Option,
    Section,
    Table,
    Text,
    without_empty_columns,
)
from harness.report.formatting import is_missing
from harness.report.page import Chapter
from harness.report.per_dataset import split_by_dataset
from harness.report.sections.leaderboard import compute as board_of
from harness.sanitize import DOCUMENT, csv_text, printable

FIT_TO_LINE = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%"
LATEX_SECTIONS = ("leaderboard", "published", "comparisons")  # what papers print
_MARKDOWN_MARKUP = re.compile(r"[\\\[\]]|!(?=\[)|`(?=``)|~(?=~~)")  # links, pictures, fences
_LATEX_ESCAPES = {
    # in a row's first cell, [ and * would belong to the \\ of the row before
    "[": "{[}",
    "]": "{]}",
    "*": "{*}",
    "\N{REPLACEMENT CHARACTER}": "?",
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "−": "$-$",
    "–": "--",
    "…": r"\dots{}",
    "<": "$<$",
    ">": "$>$",
    "|": r"$|$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "×": r"$\times$",
    "²": r"$^2$",
    "·": r"$\cdot$",
    "“": "``",
    "”": "''",
    "→": r"$\to$",
    '"': "''",
}


def render_markdown(chapters: Sequence[Chapter]) -> str:
    """Return every section as text and tables; a figure is its finding in words."""
    lines: list[str] = []
    for chapter in chapters:
        lines += [
            f"# {_one_line(chapter.question)}",
            "",
            f"Benchmark {_one_line(chapter.name)}",
            "",
        ]
        for section in chapter.sections:
            lines += [f"## {_one_line(section.title)}", ""]
            for block in section.blocks:
                lines += [_markdown(block), ""]
    return "\n".join(lines).rstrip() + "\n"


def render_csv(benchmarks: Sequence[BenchmarkResults]) -> str:
    """Return one row for each configuration, best first: parameters, estimates, counts, costs."""
    rows = [row for results in benchmarks for row in csv_rows(results)]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, lineterminator="\n")
    writer.writerow({name: csv_text(name) for name in columns})
    writer.writerows({key: _csv_cell(row[key]) for key in row} for row in rows)
    return out.getvalue()


def _csv_cell(value: object) -> object:
    if is_missing(value):
        return ""
    return csv_text(value) if isinstance(value, str) else value


def render_latex(chapters: Sequence[Chapter]) -> str:
    """Return the tables of `LATEX_SECTIONS` for the package booktabs."""
    tables = [
        _latex(table, section, chapter)
        for chapter in chapters
        for section in chapter.sections
        if section.key in LATEX_SECTIONS
        for table in section.blocks
        if isinstance(table, Table)
    ]
    return "\n\n".join(["% needs \\usepackage{booktabs,graphicx}", *tables]) + "\n"


def _markdown(block: Block) -> str:
    match block:
        case Text(text):
            return _escaped(text)
        case Code(text):
            fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
            return f"{fence}\n{printable(text.rstrip(), kept=DOCUMENT)}\n{fence}"
        case Figure(title):
            return f"*Figure: {_one_line(title)}*"
        case Gallery(title, examples):
            texts = [
                f"- {_one_line(example.name)}: {_one_line(text)}"
                for example in examples
                for text in example.texts
            ]
            return "\n".join([f"*{_one_line(title)}*", *(["", *texts] if texts else [])])
        case Dropdown(_, options):
            return "\n\n".join(map(_markdown_option, options))
        case Table():
            return _markdown_table(block)


def _markdown_option(option: Option) -> str:
    return "\n\n".join(
        [f"### {_one_line(option.name)}", *(_markdown(one) for one in option.blocks)]
    )


def _markdown_table(table: Table) -> str:
    rules = ["---:" if column.numeric else "---" for column in table.columns]
    rows = [
        [column.name for column in table.columns],
        rules,
        *([cell.text for cell in row] for row in table.rows),
    ]
    lines = ["| " + " | ".join(_cell(text) for text in row) + " |" for row in rows]
    return "\n".join([*([_one_line(table.caption), ""] if table.caption else []), *lines])


def _cell(text: str) -> str:
    return _one_line(text).replace("|", "\\|")


def _one_line(text: str) -> str:
    """Return text as one line: a second one could begin a heading, a list or a block."""
    return _escaped(" ".join(text.split()))


def _escaped(text: str) -> str:
    """Escape text so that it links to nothing, loads nothing, begins no block and is no control."""
    return _MARKDOWN_MARKUP.sub(r"\\\g<0>", printable(text, kept=DOCUMENT)).replace("<", "&lt;")


def csv_rows(results: BenchmarkResults) -> list[dict[str, object]]:
    """Return one row for each configuration, in the order of the leaderboard.

    Configurations of several datasets come one dataset after the other, with places of their own
    and a column that names the dataset.
    """
    parts = split_by_dataset(results)
    return [
        row
        for part in parts
        for row in _rows_of(part.results, {"data": part.name} if len(parts) > 1 else {})
    ]


def _rows_of(results: BenchmarkResults, data: dict[str, object]) -> list[dict[str, object]]:
    board = board_of(results)
    rows = []
    for place, configuration in enumerate(results.configurations, start=1):
        row: dict[str, object] = {
            "benchmark": results.name,
            **data,
            "place": place if configuration.place else None,
            "trial_id": configuration.trial_id,
            "status": configuration.status,
        }
        row |= {path: configuration.params[path] for path in results.names}
        for column, found in board.scores.get(configuration.trial_id, {}).items():
            row |= {column: found.mean, f"{column}_low": found.low, f"{column}_high": found.high}
        costs = ("n_folds", "n_repeats", "n_parameters", "mult_adds", "fit_time_s", "error")
        rows.append(row | {name: configuration.row.get(name) for name in costs})
    return rows


def _latex(table: Table, section: Section, chapter: Chapter) -> str:
    table = without_empty_columns(table)
    kinds = "".join("r" if column.numeric else "l" for column in table.columns)
    title = f"{chapter.name}: {table.caption or section.title}"
    if any("±" in cell.text for row in table.rows for cell in row):
        title += "; ± is half a 95 % interval"
    bests = [
        _best(column, [row[index] for row in table.rows])
        for index, column in enumerate(table.columns)
    ]
    rows = [
        [_latex_cell(cell, best) for cell, best in zip(row, bests, strict=True)]
        for row in table.rows
    ]
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{_tex(title)}}}",
            FIT_TO_LINE,
            rf"\begin{{tabular}}{{{kinds}}}",
            r"\toprule",
            _latex_row([_tex(column.name) for column in table.columns]),
            r"\midrule",
            *map(_latex_row, rows),
            r"\bottomrule",
            r"\end{tabular}}",
            r"\end{table}",
        ]
    )


def _best(column: Column, cells: Sequence[Cell]) -> float | None:
    known = [cell.sort for cell in cells if isinstance(cell.sort, int | float)]
    return {"max": max, "min": min}[column.best](known) if column.best and known else None


def _latex_cell(cell: Cell, best: float | None) -> str:
    mean, plus_minus, half = _tex(cell.text).partition(r" $\pm$ ")
    is_best = best is not None and cell.sort == best
    return (rf"\textbf{{{mean}}}" if is_best else mean) + plus_minus + half


def _latex_row(texts: Sequence[str]) -> str:
    return " & ".join(texts) + r" \\"


def _tex(text: str) -> str:
    shown = printable(" ".join(text.split()), kept="")
    return "".join(_LATEX_ESCAPES.get(letter, letter) for letter in shown)
