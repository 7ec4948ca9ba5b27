"""Predict a user's files or texts with an exported model."""

import io
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from data_prep.litter import is_litter
from data_prep.own_tables import TableError, table_lines
from harness.errors import BenchError, nearest
from harness.results.layout import check_files
from harness.user_code_errors import USER_CODE_ERRORS, named

if TYPE_CHECKING:
    import numpy as np

    from harness.export.predictor import Predictor  # imports torch

BATCH = 32  # inputs in memory at a time
TABLE_SUFFIXES = (".csv", ".tsv")
STDIN = "-"

Skip = Callable[[str, str], None]
"""Called with the name of an input that can't be used, and the reason."""


class Input(NamedTuple):
    """One thing to predict.

    Attributes:
        name: Its name in the output.
        source: The path of a file, or a text.
    """

    name: str
    source: Path | str


@dataclass(frozen=True)
class Prediction:
    """The folds' common prediction of one input.

    Attributes:
        name: The input's name.
        predicted: The class of the highest mean probability.
        agreement: The share of folds that rank this class first.
        probabilities: Means over folds, in the order of the classes.
    """

    name: str
    predicted: str
    agreement: float
    probabilities: tuple[float, ...]


def load_model(folder: Path, *, device: str = "cpu") -> "Predictor":
    """Load an exported model.

    Args:
        folder: What `export_model` wrote. It holds code, which is executed.
        device: A device, as torch names it.

    Raises:
        BenchError: If the folder holds no model, or a damaged one.
    """
    if not (folder / "export.json").is_file():
        raise BenchError(
            f"{folder} holds no exported model; `bench export BENCHMARK --out {folder}` writes one"
        )
    check_files(folder)
    from harness.export.predictor import load  # torch: a wrong folder is named at once

    try:
        return load(folder, device=device)
    except USER_CODE_ERRORS as error:
        raise BenchError(f"{folder}: can't be loaded: {named(error)}") from error


def find_inputs(
    model: "Predictor", names: Sequence[str], *, column: str, skip: Skip
) -> Iterator[Input]:
    """Yield the files, or the texts in the files, that the names stand for.

    Args:
        model: The exported model; it takes files or texts.
        names: Files and folders; for a model of texts also `-`, standard input.
        column: The column of texts in a table.
        skip: Called with the name of what can't be used, and the reason.

    Raises:
        BenchError: If the model's dataset can't read new inputs at all.
    """
    if model.takes is None:
        raise BenchError(
            f"data_prep/{model.facts['inputs']['dataset']}.py has no `read_input` that makes an "
            "input of a new file or text; add one and export again"
        )
    for name in names:
        if model.takes == "text" and name == STDIN:
            yield from _texts_of_lines("stdin", sys.stdin.read())
        elif not Path(name).exists():
            skip(name, "no such file or folder")
        else:
            for file in _files(Path(name)):
                yield from _inputs_of_file(model.takes, file, column=column, skip=skip)


def predict_all(
    model: "Predictor", inputs: Sequence[Input], *, skip: Skip, on_done: Callable[[int], None]
) -> Iterator[Prediction]:
    """Yield predictions of the inputs in their order, without those that can't be read.

    Args:
        model: The exported model.
        inputs: Files or texts, as the model takes them.
        skip: Called with the name of an input that can't be read, and the reason.
        on_done: Called with the number of inputs so far.
    """
    from harness.export.predictor import InputError  # torch: loaded with the model

    for start in range(0, len(inputs), BATCH):
        names, examples = [], []
        for given in inputs[start : start + BATCH]:
            try:
                examples.append(model.read(given.source))
                names.append(given.name)
            except InputError as error:
                skip(given.name, str(error))
        if examples:
            of_folds = model.probabilities(examples)
            for row, name in enumerate(names):
                yield _prediction(model, name, of_folds[:, row])
        on_done(min(start + BATCH, len(inputs)))


def _prediction(model: "Predictor", name: str, of_folds: "np.ndarray[Any, Any]") -> Prediction:
    """Join the folds' probabilities (folds, classes) of one input."""
    mean = of_folds.mean(axis=0)
    best = int(mean.argmax())
    agreement = float((of_folds.argmax(axis=1) == best).mean())
    return Prediction(name, model.class_names[best], agreement, tuple(mean.tolist()))


def _files(place: Path) -> list[Path]:
    """Return the file itself, or the files below the folder that are no litter by their names."""
    if not place.is_dir():
        return [place]
    files = (file for file in place.rglob("*") if file.is_file())
    return sorted(file for file in files if not any(map(is_litter, file.relative_to(place).parts)))


def _inputs_of_file(takes: str, file: Path, *, column: str, skip: Skip) -> Iterator[Input]:
    if takes == "path":
        yield Input(str(file), file)
        return
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        skip(str(file), f"not UTF-8 text ({error.reason} at byte {error.start})")
        return
    except OSError as error:
        skip(str(file), error.strerror or str(error))
        return
    if file.suffix.lower() in TABLE_SUFFIXES:
        yield from _texts_of_rows(file, text, column, skip)
    else:
        yield from _texts_of_lines(str(file), text)


def _texts_of_lines(name: str, text: str) -> Iterator[Input]:
    """Yield one text a line, as editors count lines: other line-breaking characters are text."""
    for number, line in enumerate(io.StringIO(text, newline=None), start=1):
        if line.strip():
            yield Input(f"{name}:{number}", line.removesuffix("\n"))


def _texts_of_rows(file: Path, text: str, column: str, skip: Skip) -> Iterator[Input]:
    """Yield one text a row of a comma-, semicolon- or tab-separated table with a header.

    A row is named by its first line, as training names it.
    """
    try:
        header, rows = table_lines(text, [column])
    except TableError as error:
        skip(f"{file}:{error.line}", str(error))
        return
    if header.count(column) != 1:
        skip(str(file), _no_column(header, column))
        return
    place = header.index(column)
    for line, cells in rows:
        if len(cells) != len(header):
            skip(f"{file}:{line}", f"{len(cells)} cells, the header has {len(header)}")
        else:
            yield Input(f"{file}:{line}", cells[place])


def _no_column(header: Sequence[str], column: str) -> str:
    if column in header:
        return f"has {header.count(column)} columns {column!r}; see --column"
    close = nearest(column, header)
    hint = f"; did you mean {close!r}?" if close else ""
    return f"no column {column!r}; found: {', '.join(header)}{hint}; see --column"
