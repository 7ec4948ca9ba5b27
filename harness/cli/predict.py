"""`bench predict`: classes and probabilities of new inputs, by an exported model."""

import contextlib
import csv
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from harness.cli.terminal import echo
from harness.sanitize import csv_text, printable

if TYPE_CHECKING:
    from harness.export.predict import Prediction

EPILOG = """\b
examples:
  bench predict sounds recordings/ clip.wav > predictions.csv
  bench predict emotions reviews.csv --column review --out predictions.csv
  bench predict emotions --text "what a day"
  cat lines.txt | bench predict emotions -
the folder holds code, which is executed: take it only from people whose programs you run
"""


@click.command("predict", epilog=EPILOG)
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.argument("inputs", nargs=-1)
@click.option("--out", type=click.Path(path_type=Path), help="A CSV file; default: stdout.")
@click.option("--column", default="text", show_default=True, help="Of texts in a CSV table.")
@click.option("--text", "texts", multiple=True, help="A text itself; may be repeated.")
@click.option("--device", default="cpu", show_default=True, help="As torch names it.")
def command(
    folder: Path,
    inputs: tuple[str, ...],
    out: Path | None,
    column: str,
    texts: tuple[str, ...],
    device: str,
) -> None:
    """Predict INPUTS with the model that `bench export` wrote into DIR.

    INPUTS are files and folders; of a model of texts: CSV tables, files with a text a line, or -
    for standard input. Columns: input, predicted, agreement (the share of folds whose own first
    class it is), and the mean probability of each class. What can't be read is named and skipped:
    exit 1.
    """
    from harness.errors import BenchError
    from harness.export.predict import Input, find_inputs, load_model, predict_all

    if not inputs and not texts:
        raise click.UsageError("nothing to predict: name files or folders, or give --text")
    model = load_model(folder, device=device)
    if texts and model.takes != "text":
        raise click.UsageError("--text is for models of texts; this one takes files")
    skipped: list[str] = []

    def skip(name: str, reason: str) -> None:
        skipped.append(name)
        echo(f"skipped {name}: {reason}", err=True)

    found = [*find_inputs(model, inputs, column=column, skip=skip)]
    found += [Input(text, text) for text in texts]
    with _progress(len(found)) as on_done:
        predictions = predict_all(model, found, skip=skip, on_done=on_done)
        n = _write(predictions, model.class_names, out)
    if not n:
        raise BenchError("nothing was predicted: none of the inputs can be used")
    count = f"{n:,} predicted" + (f", {len(skipped):,} skipped" if skipped else "")
    echo(count if out is None else f"{count}: {out}", err=True)
    if skipped:
        raise click.exceptions.Exit(1)


def _write(predictions: "Iterable[Prediction]", classes: tuple[str, ...], out: Path | None) -> int:
    """Write predictions and return how many.

    A file is whole or not there, standard output is written as they come.
    """
    from harness.errors import BenchError

    if out is None:
        return write_rows(predictions, classes, sys.stdout)
    staged = out.absolute().with_name(f".{out.name}.{os.getpid()}.tmp")
    try:
        with staged.open("w", encoding="utf-8", newline="") as file:
            n = write_rows(predictions, classes, file)
        if n:
            os.replace(staged, out)
        return n
    except OSError as error:
        raise BenchError(f"{out}: can't be written: {error.strerror or error}") from error
    finally:
        staged.unlink(missing_ok=True)


def write_rows(predictions: "Iterable[Prediction]", classes: tuple[str, ...], file: IO[str]) -> int:
    """Write a row for each prediction, below a heading, and return how many there were."""
    table, n = csv.writer(file, lineterminator="\n"), 0
    shown = printable if file.isatty() else str  # a file keeps every character of a name
    for n, prediction in enumerate(predictions, start=1):
        if n == 1:
            table.writerow(
                [
                    "input",
                    "predicted",
                    "agreement",
                    *(shown(f"probability.{name}") for name in classes),
                ]
            )
        shares = [f"{share:.6f}" for share in prediction.probabilities]
        names = [csv_text(shown(name)) for name in (prediction.name, prediction.predicted)]
        table.writerow([*names, f"{prediction.agreement:.3g}", *shares])
    file.flush()
    return n


@contextlib.contextmanager
def _progress(n: int) -> Iterator[Callable[[int], None]]:
    """Show a bar on stderr, in a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task("predicting", total=n)
        yield lambda done: bar.update(task, completed=done)
