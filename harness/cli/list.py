"""`bench list`: what there is to choose from, shipped and your own."""

from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.cli.terminal import Word

if TYPE_CHECKING:
    from harness.plugins.catalog import Entry

EPILOG = """\b
examples:
  bench list
  bench list models
"""

IN_PLACE = " (in place of the shipped one)"
KINDS = ("benchmarks", "models", "datasets", "metrics")


@click.command("list", epilog=EPILOG)
@click.argument("kind", type=Word(KINDS), required=False)
def command(kind: str | None) -> None:
    """Benchmarks, models, datasets and metrics, with one line each."""
    console = Console(highlight=False)
    for one in (kind,) if kind else KINDS:
        table = Table(box=None, pad_edge=False, show_header=False)
        table.add_column(no_wrap=True, style="bold")
        table.add_column(no_wrap=True, style="dim")
        table.add_column(overflow="fold")
        for name, origin, text in _rows(one):
            table.add_row(name, origin, Text(text))
        if kind is None:
            console.print(Text(one, style="underline"))
        console.print(table)


def _rows(kind: str) -> list[tuple[str, str, str]]:
    if kind == "benchmarks":
        return _benchmarks()
    if kind == "metrics":
        return _metrics()
    from harness.plugins import catalog

    found = catalog.entries("model" if kind == "models" else "dataset").values()
    return [(e.name, "" if e.shipped else "yours", _described(e)) for e in found]


def _described(entry: "Entry") -> str:
    return _first_line(entry.file) + (IN_PLACE if entry.hides_shipped else "")


def _benchmarks() -> list[tuple[str, str, str]]:
    from harness.config.read import read_benchmark
    from harness.errors import BenchError
    from harness.plugins.catalog import SHIPPED_BENCHMARKS

    shipped = {file.stem: file for file in SHIPPED_BENCHMARKS.resolve().glob("*.yaml")}
    own = {file.stem: file for file in (Path.cwd() / "benchmarks").resolve().glob("[!.]*.yaml")}
    rows = []
    for name, file in sorted({**shipped, **own}.items()):
        is_own = file not in shipped.values()
        try:
            text = read_benchmark(file).question
        except BenchError as error:
            text = f"{str(error).splitlines()[0]}: bench check {name}"
        place = IN_PLACE if is_own and name in shipped else ""
        rows.append((name, "yours" if is_own else "", text + place))
    return rows


def _metrics() -> list[tuple[str, str, str]]:
    from harness.metrics import METRICS

    return [
        (metric.name, metric.mode, (metric.function.__doc__ or "").strip().split("\n")[0])
        for metric in METRICS.values()
    ]


def _first_line(file: Path) -> str:
    import ast

    try:
        text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    except SyntaxError as error:
        return f"can't be read: line {error.lineno}: {error.msg}"
    except (OSError, ValueError) as error:
        return f"can't be read: {error}"
    return text.split("\n")[0]
