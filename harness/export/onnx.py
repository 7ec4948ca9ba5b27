"""The folds' models as ONNX, each checked to give the same logits."""

import contextlib
import importlib.util
import io
import logging
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from harness.errors import BenchError
from harness.export.refit import Learned

if TYPE_CHECKING:
    from torch import Tensor, nn

    from harness.export.predictor import Predictor

PACKAGES = ("onnx", "onnxscript", "onnxruntime")
TOLERANCE = 1e-4
EXAMPLES = 3  # of the check, another number than was traced


class Way(NamedTuple):
    """One way to export. any_batch: else one example at a time."""

    dynamo: bool
    any_batch: bool


WAYS = (Way(True, any_batch=True), Way(False, any_batch=True), Way(False, any_batch=False))


class Written(NamedTuple):
    """The files, or none and the reason. any_batch: else they take one example at a time."""

    files: tuple[str, ...] = ()
    any_batch: bool = True
    reason: str | None = None


def needs_packages() -> None:
    """Raises BenchError where the extra is not installed."""
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise BenchError(
            f"--onnx needs {', '.join(missing)}: run `pip install {' '.join(PACKAGES)}`"
        )


def write_onnx(model: "Predictor", learned: Learned, folder: Path) -> Written:
    """`onnx/<repeat>-<fold>.onnx` of every fold, in the first way that gives the same logits.

    `inputs` (batch, *input_shape) as the model receives them, to `logits` (batch, classes).
    """
    reasons = []
    for way in WAYS:
        (folder / "onnx").mkdir()
        files, reason = _all_folds(model, learned, folder, way)
        if reason is None:
            return Written(files, way.any_batch)
        shutil.rmtree(folder / "onnx")
        reasons.append(reason)
    return Written(reason="; otherwise ".join(dict.fromkeys(reasons)))


def _all_folds(
    model: "Predictor", learned: Learned, folder: Path, way: Way
) -> tuple[tuple[str, ...], str | None]:
    """The files, up to the first model that can't be ONNX, and why it can't."""
    names = []
    for number, fold in enumerate(model.facts["folds"]):
        names.append(f"onnx/{fold['repeat']}-{fold['fold']}.onnx")
        index = learned.index(fold["repeat"], fold["fold"])
        inputs = learned.data.inputs[learned.data.fold_inputs[index].inputs]
        batch = model.batch(number, np.asarray(inputs[: EXAMPLES if way.any_batch else 1]))
        reason = _written(model.folds[number].model, batch, folder / names[-1], way)
        if reason is not None:
            return (), reason
    return tuple(names), None


def _written(model: "nn.Module", batch: "Tensor", file: Path, way: Way) -> str | None:
    """Why one model can't be ONNX, or None."""
    import torch

    try:
        with _silence():
            _export(model, batch.clone(), file, way)  # a model may write into its input
        found = _run(file, batch)
    except Exception as error:  # the exporters raise what they like
        return _reason(error)
    with torch.no_grad():
        expected = model(batch.clone()).numpy()
    if not np.allclose(found, expected, rtol=TOLERANCE, atol=TOLERANCE):
        return f"its logits differ by up to {np.abs(found - expected).max():.1e}"
    return None


def _export(model: "nn.Module", batch: "Tensor", file: Path, way: Way) -> None:
    import torch

    given: dict[str, Any] = {"input_names": ["inputs"], "output_names": ["logits"]}
    if way.dynamo:
        shapes = ({0: torch.export.Dim("batch", min=1)},)
        given |= {"dynamic_shapes": shapes, "external_data": False}
    elif way.any_batch:
        given["dynamic_axes"] = {name: {0: "batch"} for name in ("inputs", "logits")}
    example = batch[:2] if way.any_batch else batch
    torch.onnx.export(model, (example,), file, dynamo=way.dynamo, **given)


def _reason(error: Exception) -> str:
    """The cause in one line: the exporter wraps it into advice."""
    cause = error.__cause__ or error
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    return f"{type(cause).__name__}: {lines[0][:300] if lines else 'no reason given'}"


def _run(file: Path, batch: "Tensor") -> "np.ndarray[Any, Any]":
    import onnxruntime

    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    logits: np.ndarray[Any, Any] = session.run(["logits"], {"inputs": batch.numpy()})[0]
    return logits


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """The exporter tells its steps; only how it ends matters here."""
    logging.disable(logging.WARNING)
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            # a trace knows one side of a branch on data, and would be wrong on the other
            warnings.filterwarnings("error", message="Converting a tensor to a Python")
            yield
    finally:
        logging.disable(logging.NOTSET)
