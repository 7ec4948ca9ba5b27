"""What keeps folds from being one model is found before anything depends on it, and in words."""

import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from harness.data.types import FoldInputs
from harness.training.backends.batched import support
from harness.training.backends.batched.support import obstacle
from tests.builders import build_linear, make_job, make_trial_data

OTHER = "a training step of fold 2 gives other {} than in the loop"


class Around(nn.Module):
    """A linear model with something done to its input."""

    def __init__(self, forward: Any, n: int, num_classes: int) -> None:
        super().__init__()
        self.around, self.head = forward, nn.Linear(n, num_classes)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.around(self, inputs)


def around(forward: Any) -> Any:
    return lambda *, input_shape, num_classes: Around(forward, input_shape[0], num_classes)


class Recurrent(nn.Module):
    """An LSTM over single numbers."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.lstm, self.head = nn.LSTM(1, 4, batch_first=True), nn.Linear(4, num_classes)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.head(self.lstm(inputs.unsqueeze(-1))[0][:, -1])


def found(build: Any, **more: Any) -> str | None:
    return obstacle(make_job(build=build, **more))


def test_plain_models_can_be_one() -> None:
    """Dropout, BatchNorm and the like are no obstacle."""
    assert found(build_linear, model={"dropout": 0.5}) is None


@pytest.mark.parametrize(
    "build",
    [
        lambda *, input_shape, num_classes: Recurrent(num_classes),
        around(lambda self, x: checkpoint(self.head, x, use_reentrant=False)),
        around(lambda self, x: self.head(x if x.sum() > 0 else -x)),
        around(lambda self, x: self.head(x * x.mean().item())),
    ],
    ids=["lstm", "checkpointing", "branch on data", "item"],
)
def test_what_has_no_batching_rule_is_named_in_one_line(build: Any) -> None:
    """Whatever torch says of it, without a traceback."""
    text = found(build)
    assert text and "\n" not in text


def test_a_tensor_that_is_no_buffer_can_differ_from_fold_to_fold() -> None:
    """The stack would give every fold the first one's; their logits say so."""

    def build(*, input_shape: Any, num_classes: int, scale: np.ndarray) -> nn.Module:
        model = around(lambda self, x: self.head(x * self.scale))(
            input_shape=input_shape, num_classes=num_classes
        )
        model.scale = torch.tensor(scale)
        return model

    data = make_trial_data()
    scales = [{"scale": np.float32(n)} for n in (1, 2)]
    different = replace(data, fold_inputs=tuple(FoldInputs(model_arguments=one) for one in scales))
    equal = replace(data, fold_inputs=(FoldInputs(model_arguments=scales[0]),) * 2)
    assert found(build, data=different) == OTHER.format("logits")
    assert found(build, data=equal) is None


def counting(self: Any, x: torch.Tensor) -> torch.Tensor:
    self.calls = getattr(self, "calls", 0) + self.training
    return self.head(x * self.calls)


def collecting(self: Any, x: torch.Tensor) -> torch.Tensor:
    self.seen.append(1.0)
    return self.head(x)


@pytest.mark.parametrize(
    ("forward", "what"),
    [
        (lambda self, x: self.head(x * random.random()), "Python's random numbers"),
        (lambda self, x: self.head(x * float(np.random.rand())), "numpy's random numbers"),
        (lambda self, x: self.head(x + torch.randn_like(x)), "torch's random numbers"),
        (lambda self, x: self.head(functional.alpha_dropout(x, 0.2, True)), "torch's random"),
        (counting, "`calls`"),
        (collecting, "`seen`"),
    ],
    ids=["python", "numpy", "torch", "alpha dropout", "attribute", "list"],
)
def test_a_step_may_change_nothing_but_parameters_and_buffers(forward: Any, what: str) -> None:
    """Played back or shared by all folds, it would be another number than in the loop."""

    def build(*, input_shape: Any, num_classes: int) -> nn.Module:
        model = around(lambda self, x: forward(self, x) if self.training else self.head(x))(
            input_shape=input_shape, num_classes=num_classes
        )
        model.seen = []
        return model

    text = found(build)
    assert text and text.startswith(f"a training step changes {what}")


def test_what_the_first_pass_keeps_for_the_others_is_no_change() -> None:
    """Such as the positions of a rotary embedding, made once for a length."""

    def forward(self: Any, x: torch.Tensor) -> torch.Tensor:
        if not hasattr(self, "positions"):
            self.positions = torch.arange(x.shape[-1])
        return self.head(x + self.positions)

    assert found(around(forward)) is None


def test_models_of_different_layers_are_no_stack() -> None:
    """A fold's arguments decided its dropout."""
    data = make_trial_data()
    rates = tuple(FoldInputs(model_arguments={"dropout": rate}) for rate in (0.1, 0.2))
    assert found(build_linear, data=replace(data, fold_inputs=rates)) == "the folds' models differ"


def test_a_buffer_that_is_replaced_would_be_lost() -> None:
    """Only what is written in place reaches the stack."""

    def forward(self: Any, x: torch.Tensor) -> torch.Tensor:
        self.seen = self.seen + 1
        return self.head(x)

    def build(*, input_shape: Any, num_classes: int) -> nn.Module:
        model = around(forward)(input_shape=input_shape, num_classes=num_classes)
        model.register_buffer("seen", torch.zeros(()))
        return model

    assert found(build) == "the model puts another tensor in the place of `seen`"


def test_what_would_not_fit_into_memory_is_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """The folds' tensors lie there at once; of two examples they are measured."""
    monkeypatch.setattr(support, "available_memory_bytes", lambda: 1000)
    text = found(build_linear)
    assert text and text.endswith("MiB are free")
