"""`bench new`: a benchmark, model or dataset to start from, as one file that runs as it is."""

import re
from pathlib import Path

import click

from harness.cli.terminal import Word, echo

STARTS = {"benchmark": "quickstart", "model": "linear", "dataset": "digits"}
FOLDERS = {"benchmark": "benchmarks", "model": "models", "dataset": "data_prep"}
TRY_ANY_MODEL = (
    'bench run quickstart --smoke "model={{name: {name}}}" "search={{}}" '
    "training.optimizer=adam training.lr=0.001"
)
TRY_AS_VARIANT = (
    'bench run {benchmark} --smoke "variants={{own: {{model: {{name: {name}}}}}}}" "search={{}}" '
    '"published=[]" training.optimizer=adam training.lr=0.001 training.batch_size=32'
)

EPILOG = """\b
examples:
  bench new model my_model                        a copy of linear, the smallest
  bench new model my_vit --from vit
  bench new benchmark my_question --from esc50_cnn
  bench new dataset my_photos --from image_folder
"""


@click.command("new", epilog=EPILOG)
@click.argument("kind", type=Word(list(STARTS)))
@click.argument("name")
@click.option("--from", "start", metavar="NAME", help="A shipped one, or one of yours.")
def command(kind: str, name: str, start: str | None) -> None:
    """Write FOLDER/NAME in the working directory, a copy of a shipped file under its own name."""
    from harness.errors import BenchError

    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise BenchError(f"{name!r}: a name is lower-case letters, digits and _, letter first")
    source = _source(kind, start or STARTS[kind])
    target = Path(FOLDERS[kind]) / f"{name}{source.suffix}"
    if target.exists():
        raise BenchError(f"{target} exists already")
    hides = _is_shipped(target)
    text = source.read_text(encoding="utf-8")
    target.parent.mkdir(exist_ok=True)
    target.write_text(_renamed(text, source.stem, name) if kind == "benchmark" else text, "utf-8")
    echo(f"{target}, a copy of {source.stem}")
    if hides:
        echo(f"in this folder it is used in place of the shipped {target}")
    echo(f"next: {_next(kind, name, source.stem)}")


def _source(kind: str, start: str) -> Path:
    from harness.config.read import find_benchmark
    from harness.plugins import catalog

    if kind == "benchmark":
        return find_benchmark(start, shipped=catalog.SHIPPED_BENCHMARKS)
    return catalog.find("model" if kind == "model" else "dataset", start).file


def _is_shipped(target: Path) -> bool:
    from harness.plugins.catalog import SHIPPED

    return (SHIPPED / target).exists()


def _renamed(text: str, old: str, new: str) -> str:
    """Put the copy's name into the commands of a benchmark's comments."""
    return re.sub(rf"\b(bench \w+ ){re.escape(old)}\b", rf"\g<1>{new}", text)


def _next(kind: str, name: str, start: str) -> str:
    """Return a command that runs as it is, but for data that only the user can name."""
    if kind == "benchmark":
        return f"bench check {name} && bench run {name} --smoke"
    benchmark, in_variant = _benchmark_with(kind, start)
    if benchmark is None and kind == "dataset":
        return f"bench prepare {name}{_required_options(start)}"
    if benchmark is None:
        return TRY_ANY_MODEL.format(name=name)
    if in_variant and kind == "model":
        return TRY_AS_VARIANT.format(benchmark=benchmark, name=name)
    return f"bench run {benchmark} {kind}.name={name} --smoke"


def _benchmark_with(kind: str, start: str) -> tuple[str | None, bool]:
    """Return a shipped benchmark with what was copied, and whether in one of several variants."""
    from harness.config.read import read_benchmark
    from harness.plugins.catalog import SHIPPED_BENCHMARKS

    shipped = SHIPPED_BENCHMARKS.glob("*.yaml")
    in_variants = None
    for file in sorted(shipped, key=lambda file: (file.stem != STARTS["benchmark"], file.stem)):
        variants = read_benchmark(file).variants
        if start in (getattr(variant, kind).name for variant in variants):
            if len(variants) == 1:
                return file.stem, False
            in_variants = in_variants or file.stem
    return in_variants, in_variants is not None


def _required_options(dataset: str) -> str:
    """Return ` path=PATH`, of datasets that can't do without it."""
    from harness.plugins import catalog

    options = catalog.signature(catalog.find("dataset", dataset)).arguments.values()
    return "".join(f" {option.name}={option.name.upper()}" for option in options if option.required)
