"""Every shipped model as ONNX gives the same outputs, or says why it can't be ONNX."""

from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from harness.export.onnx import PACKAGES, write_onnx
from harness.export.predictor import FoldModel, Predictor
from harness.plugins import catalog

pytestmark = pytest.mark.skipif(
    any(find_spec(name) is None for name in PACKAGES),
    reason="needs onnx, onnxscript and onnxruntime: pip install onnx onnxscript onnxruntime",
)

CASES: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {
    "bag_of_tokens": ((12,), {"vocabulary_size": 50, "embedding": None}),
    "cifar_cnn": ((3, 32, 32), {}),
    "conv1d": ((1, 144_000), {}),
    "conv1d_adaptive": ((1, 4000), {}),
    "conv1d_channel_transformer": ((1, 2000), {}),
    "conv1d_transformer": ((1, 144_000), {}),
    "linear": ((1, 8, 8), {}),
    "logmel_cnn": ((1, 64, 50), {}),
    "resnet18": ((3, 32, 32), {}),
    "text_transformer": ((12,), {"vocabulary_size": 50, "embedding": None}),
    "vit": ((1, 8, 8), {"patch_size": 4, "width": 16, "depth": 1, "num_heads": 2}),
}


ONE_AT_A_TIME = ("vit", "conv1d_transformer")  # `len(x)` is a constant of the graph


class Branching(nn.Module):
    """Looks at its data, which no graph can."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(4, 3)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.inner(inputs) if inputs.sum().item() > 0 else -self.inner(inputs)


def one_fold(model: nn.Module, inputs: np.ndarray) -> tuple[Predictor, Any]:
    """A predictor of one fold and the data that it is checked with."""
    scale = {"scale": None, "shape": list(inputs.shape[1:])}
    facts = {"inputs": scale, "folds": [{"repeat": 1, "fold": 2}]}
    fold = FoldModel(model.eval(), None, None, None)
    data = SimpleNamespace(inputs=(inputs,), fold_inputs=[SimpleNamespace(inputs=0)])
    learned = SimpleNamespace(data=data, index=lambda repeat, fold: 0)
    return Predictor(facts, (fold,), None, torch.device("cpu")), learned


def test_every_shipped_model_is_tried() -> None:
    """One of each."""
    assert set(CASES) == set(catalog.entries("model", folder=catalog.SHIPPED))


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_a_shipped_model_gives_the_same_outputs(name: str, tmp_path: Path) -> None:
    """With another number of examples than it was traced with."""
    shape, arguments = CASES[name]
    build = catalog.load(catalog.find("model", name, folder=catalog.SHIPPED)).build
    torch.manual_seed(0)
    random = np.random.default_rng(0)
    inputs = random.normal(size=(3, *shape)).astype(np.float32)
    if "vocabulary_size" in arguments:
        inputs = random.integers(1, 50, size=(3, *shape))
    model, learned = one_fold(build(input_shape=shape, num_classes=5, **arguments), inputs)

    written = write_onnx(model, learned, tmp_path)

    assert (written.files, written.reason) == (("onnx/1-2.onnx",), None)
    assert written.any_batch == (name not in ONE_AT_A_TIME)
    assert (tmp_path / "onnx" / "1-2.onnx").stat().st_size > 0


def test_a_model_that_can_not_be_a_graph_says_why(tmp_path: Path) -> None:
    """Nothing is left behind."""
    model, learned = one_fold(Branching(), np.ones((3, 4), np.float32))
    written = write_onnx(model, learned, tmp_path)

    assert written.files == ()
    assert written.reason
    assert not (tmp_path / "onnx").exists()


def test_other_outputs_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The difference is said."""
    model, learned = one_fold(nn.Linear(4, 3), np.ones((3, 4), np.float32))
    monkeypatch.setattr("harness.export.onnx._run", lambda file, batch: np.zeros((len(batch), 3)))

    written = write_onnx(model, learned, tmp_path)
    assert "its logits differ by up to" in (written.reason or "")
