"""The folds' models as ONNX, each checked to give the same logits."""

import contextlib
import importlib.util
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.errors import BenchError
from harness.export.learned import Learned

if TYPE_CHECKING:
    from torch import Tensor

    from harness.export.predictor import Predictor

PACKAGES = ("onnx", "onnxscript", "onnxruntime")
TOLERANCE = 1e-4
EXAMPLES = 3  # of the check, another number than was traced

Written = tuple[tuple[str, ...] | None, str | None]


def needs_packages() -> None:
    """Raises BenchError where the extra is not installed."""
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise BenchError(
            f"--onnx needs {', '.join(missing)}: run `pip install 'bench-harness[onnx]'`"
        )


def write_onnx(model: "Predictor", learned: Learned, folder: Path) -> Written:
    """`onnx/<repeat>-<fold>.onnx` of every fold: their names, or None and the reason.

    `inputs` (batch, *input_shape) as the model receives them, to `logits` (batch, classes).
    """
    import shutil

    (folder / "onnx").mkdir()
    names = []
    for number, fold in enumerate(model.facts["folds"]):
        name = f"onnx/{fold['repeat']}-{fold['fold']}.onnx"
        index = learned.index(fold["repeat"], fold["fold"])
        inputs = learned.data.inputs[learned.data.fold_inputs[index].inputs][:EXAMPLES]
        batch = model.batch(number, np.asarray(inputs))
        reason = _written(model, number, batch, folder / name)
        if reason is not None:
            shutil.rmtree(folder / "onnx")
            return None, reason
        names.append(name)
    return tuple(names), None


def _written(model: "Predictor", number: int, batch: "Tensor", file: Path) -> str | None:
    """Why one model can't be ONNX, or None."""
    import torch

    try:
        with _silence():
            torch.onnx.export(
                model.folds[number].model,
                (batch[:2],),
                file,
                input_names=["inputs"],
                output_names=["logits"],
                dynamo=True,
                dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
                external_data=False,
            )
        found = _run(file, batch)
    except Exception as error:  # the exporter raises what it likes
        lines = str(error).strip().splitlines()
        return f"{type(error).__name__}: {lines[0] if lines else ''}"
    with torch.inference_mode():
        expected = model.folds[number].model(batch).numpy()
    if not np.allclose(found, expected, rtol=TOLERANCE, atol=TOLERANCE):
        return f"its logits differ by up to {np.abs(found - expected).max():.1e}"
    return None


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
            yield
    finally:
        logging.disable(logging.NOTSET)
