"""`bench new`: a benchmark, model or dataset to start from, as one file that runs as it is."""

import re
from pathlib import Path

import click

STARTS = {"benchmark": "quickstart", "model": "linear", "dataset": "digits"}
FOLDERS = {"benchmark": "benchmarks", "model": "models", "dataset": "data_prep"}

EPILOG = """\b
examples:
  bench new model my_vit --from vit
  bench new benchmark my_question --from esc50_cnn
"""


@click.command("new", epilog=EPILOG)
@click.argument("kind", type=click.Choice(list(STARTS)))
@click.argument("name")
@click.option("--from", "start", metavar="NAME", help="A shipped one to start from.")
def command(kind: str, name: str, start: str | None) -> None:
    """Write FOLDER/NAME in the working directory, a copy of a shipped file under its own name."""
    from harness.errors import BenchError

    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise BenchError(f"{name!r}: a name is lower-case letters, digits and _, letter first")
    source = _source(kind, start or STARTS[kind])
    target = Path(FOLDERS[kind]) / f"{name}{source.suffix}"
    if target.exists():
        raise BenchError(f"{target} exists already")
    target.parent.mkdir(exist_ok=True)
    target.write_text(source.read_text(encoding="utf-8"), encoding="utf-8")
    click.echo(f"{target}, a copy of {source.stem}")
    click.echo(f"next: {_next(kind, name)}")


def _source(kind: str, start: str) -> Path:
    from harness.data import catalog
    from harness.spec.locate import find_benchmark

    if kind == "benchmark":
        return find_benchmark(start, shipped=catalog.SHIPPED_BENCHMARKS)
    return catalog.find("model" if kind == "model" else "dataset", start).file


def _next(kind: str, name: str) -> str:
    if kind == "benchmark":
        return f"bench check {name} && bench run {name} --smoke"
    return f"bench run quickstart {kind}.name={name} --smoke, once its arguments fit"
