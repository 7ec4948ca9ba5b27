"""`bench check`: every mistake of a benchmark file, before anything starts."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.terminal import echo

if TYPE_CHECKING:
    from rich.table import Table

    from harness.config.benchmark import BenchmarkSpec
    from harness.engine.model_checks import InspectedModel

EPILOG = """\b
examples:
  bench check my_benchmark.yaml
  bench check esc50_transformer --models
  bench check quickstart --resolved > quickstart_resolved.yaml
"""


@click.command("check", epilog=EPILOG)
@click.argument("files", nargs=-1, required=True, metavar="FILE... [KEY=VALUE]...")
@click.option("--models", is_flag=True, help="Build every distinct model without data.")
@click.option("--resolved", is_flag=True, help="Print the file with every default written out.")
def command(files: tuple[str, ...], models: bool, resolved: bool) -> None:
    """Validate each FILE: keys, values, names, hyper-parameters, folds. Reads no data."""
    from harness.errors import BenchError

    overrides = [text for text in files if "=" in text]
    failed = False
    for file in (text for text in files if "=" not in text):
        try:
            _check(file, overrides, models=models, resolved=resolved)
        except BenchError as error:
            failed = True
            echo(f"{file}: {error}", err=True)
    raise click.exceptions.Exit(2 if failed else 0)


def _check(file: str, overrides: list[str], *, models: bool, resolved: bool) -> None:
    from harness.config.read import dump_resolved, find_benchmark
    from harness.engine.checks import read_checked
    from harness.engine.model_checks import check_precision
    from harness.engine.resolve import file_defaults, resolve
    from harness.plugins.catalog import SHIPPED_BENCHMARKS

    path: Path = find_benchmark(file, shipped=SHIPPED_BENCHMARKS)
    spec = read_checked(path, overrides)
    configurations = resolve(spec)
    check_precision(spec, configurations)
    if resolved:
        echo(dump_resolved(spec, **file_defaults(configurations)), nl=False)
        return
    if models:
        _show_models(spec)
    echo(f"{path}: valid, {_counted(spec, len(configurations))}")


def _counted(spec: "BenchmarkSpec", n_named: int) -> str:
    """Return how many configurations the file has, in words.

    Args:
        spec: The benchmark.
        n_named: Configurations that are known before anything runs.
    """
    from harness.config.space import count_points

    if spec.search.algorithm != "tpe":
        return f"{n_named} configuration{'s' if n_named != 1 else ''}"
    wanted, holds = spec.search.num_samples or 0, count_points(spec.space)
    if holds is None or holds >= wanted:
        return f"{wanted} configurations to be drawn by tpe"
    return f"{holds} configurations to be drawn by tpe, all that the space holds of {wanted}"


def _show_models(spec: "BenchmarkSpec") -> None:
    from rich.text import Text

    from harness.cli.summary import console
    from harness.engine.model_checks import check_models, distinct_models, inspect_model
    from harness.engine.resolve import resolve
    from harness.errors import BenchError
    from harness.sanitize import printable

    models = distinct_models(resolve(spec))
    check_models(spec, models)
    out = console()
    for model in models:
        values = ", ".join(f"{path}={value}" for path, value in model.params.items())
        try:
            inspected = inspect_model(model)
        except BenchError as error:
            if spec.search.algorithm != "tpe":
                raise
            out.print(Text(printable(f"{values}: {error}\n")))  # a draw, so its trial's failure
            continue
        out.print(Text(f"{model.entry.label} {values}".rstrip(), style="bold"))
        out.print(_layer_table(inspected))
        out.print(Text(inspected.line + "\n"))


def _layer_table(model: "InspectedModel") -> "Table":
    """Return one row a layer, as torchinfo sees it; multiply-adds are counted by torch."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("layer", no_wrap=True)
    table.add_column("kind", no_wrap=True)
    for name in ("output shape", "parameters", "multiply-adds", "memory MB"):
        table.add_column(name, justify="right", no_wrap=True)
    for layer in model.layers:
        table.add_row(
            layer.name or "(whole)",
            layer.kind,
            "×".join(map(str, layer.output_shape)),
            _blank_if_none(layer.n_parameters),
            _blank_if_none(layer.mult_adds),
            f"{layer.memory_mb:.3f}" if layer.memory_mb else "",
        )
    return table


def _blank_if_none(number: int | None) -> str:
    """Leave a layer without any of its own blank, so that the others stand out."""
    return f"{number:,}" if number else ""
