"""Write the folds' models as ONNX, each checked to give the same logits."""

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
from harness.export.trained_trial import RefittedData

if TYPE_CHECKING:
    from torch import Tensor, nn

    from harness.export.predictor import Predictor  # imports torch

PACKAGES = ("onnx", "onnxscript", "onnxruntime")
TOLERANCE = 1e-4  # absolute and relative, of logits in float32
N_TRACED = 2  # examples; with one, an exporter takes the batch size for a constant
N_CHECKED = 3  # another number than was traced
MOST_LETTERS = 300  # of an exporter's message


class OnnxStrategy(NamedTuple):
    """One way to export a model.

    Attributes:
        dynamo: Whether torch.export makes the graph, else a trace.
        any_batch: Whether the graph takes any number of examples, else one at a time.
    """

    dynamo: bool
    any_batch: bool


STRATEGIES = (
    OnnxStrategy(dynamo=True, any_batch=True),
    OnnxStrategy(dynamo=False, any_batch=True),
    OnnxStrategy(dynamo=False, any_batch=False),
)
"""In the order in which they are tried: the graph that is of most use first."""


class OnnxFiles(NamedTuple):
    """What was written.

    Attributes:
        files: Names relative to the exported folder; none if no strategy succeeds.
        any_batch: Whether they take any number of examples, else one at a time.
        reason: Why there are no files.
    """

    files: tuple[str, ...] = ()
    any_batch: bool = True
    reason: str | None = None


def require_packages() -> None:
    """Check that the packages that ONNX needs are installed.

    Raises:
        BenchError: If one is missing.
    """
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise BenchError(
            f"--onnx needs {', '.join(missing)}: run `pip install {' '.join(PACKAGES)}`"
        )


def write_onnx(model: "Predictor", refitted: RefittedData, folder: Path) -> OnnxFiles:
    """Write every fold's model by the first strategy whose graphs give the same logits.

    A graph takes `inputs` (batch, *input_shape), as the model receives them, to `logits`
    (batch, classes).

    Args:
        model: The exported model.
        refitted: Its data, for examples to trace and check with.
        folder: The exported folder; the files become `onnx/<repeat>-<fold>.onnx` there.
    """
    reasons = []
    for strategy in STRATEGIES:
        (folder / "onnx").mkdir()
        files, reason = _write_all_folds(model, refitted, folder, strategy)
        if reason is None:
            return OnnxFiles(files, strategy.any_batch)
        shutil.rmtree(folder / "onnx")
        reasons.append(reason)
    return OnnxFiles(reason="; otherwise ".join(dict.fromkeys(reasons)))


def _write_all_folds(
    model: "Predictor", refitted: RefittedData, folder: Path, strategy: OnnxStrategy
) -> tuple[tuple[str, ...], str | None]:
    """Return the files, and why the first model that can't be ONNX can't be."""
    names = []
    for number, fold in enumerate(model.facts["folds"]):
        names.append(f"onnx/{fold['repeat']}-{fold['fold']}.onnx")
        index = refitted.index(fold["repeat"], fold["fold"])
        inputs = refitted.data.inputs[refitted.data.fold_inputs[index].inputs]
        batch = model.batch(number, np.asarray(inputs[: N_CHECKED if strategy.any_batch else 1]))
        reason = _write_checked(model.folds[number].model, batch, folder / names[-1], strategy)
        if reason is not None:
            return (), reason
    return tuple(names), None


def _write_checked(
    model: "nn.Module", batch: "Tensor", file: Path, strategy: OnnxStrategy
) -> str | None:
    """Write one model; return why it can't be ONNX, or None."""
    import torch

    try:
        with _silenced_exporter():
            _export(model, batch.clone(), file, strategy)  # a model may write into its input
        logits = _run(file, batch)
    except Exception as error:  # the exporters raise what they like
        return _reason(error)
    with torch.no_grad():
        expected = model(batch.clone()).numpy()
    if not np.allclose(logits, expected, rtol=TOLERANCE, atol=TOLERANCE):
        return f"its logits differ by up to {np.abs(logits - expected).max():.1e}"
    return None


def _export(model: "nn.Module", batch: "Tensor", file: Path, strategy: OnnxStrategy) -> None:
    import torch

    options: dict[str, Any] = {"input_names": ["inputs"], "output_names": ["logits"]}
    if strategy.dynamo:
        shapes = ({0: torch.export.Dim("batch", min=1)},)
        options |= {"dynamic_shapes": shapes, "external_data": False}
    elif strategy.any_batch:
        options["dynamic_axes"] = {name: {0: "batch"} for name in ("inputs", "logits")}
    examples = batch[:N_TRACED] if strategy.any_batch else batch
    torch.onnx.export(model, (examples,), file, dynamo=strategy.dynamo, **options)


def _reason(error: Exception) -> str:
    """Return the cause in one line, without the advice that the exporter wraps it into."""
    cause = error.__cause__ or error
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    return f"{type(cause).__name__}: {lines[0][:MOST_LETTERS] if lines else 'no reason given'}"


def _run(file: Path, batch: "Tensor") -> "np.ndarray[Any, Any]":
    import onnxruntime

    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    logits: np.ndarray[Any, Any] = session.run(["logits"], {"inputs": batch.numpy()})[0]
    return logits


@contextlib.contextmanager
def _silenced_exporter() -> Iterator[None]:
    """Hide what the exporter prints of its steps; only how it ends matters here."""
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
