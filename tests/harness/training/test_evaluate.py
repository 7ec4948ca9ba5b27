"""Evaluation by hand."""

from dataclasses import replace
from math import exp, log

import numpy as np
import pytest
import torch
from torch import nn

from harness.training.batches import FoldSource, fold_source
from harness.training.evaluate import evaluate, predict_logits
from tests.builders import CPU, make_trial_data


def source_of(logits: list[list[float]], targets: list[int]) -> FoldSource:
    """Inputs that an identity model turns into these logits."""
    data = make_trial_data(n=len(targets))
    inputs = (np.array(logits, dtype=np.float32),)
    return fold_source(replace(data, inputs=inputs, targets=np.array(targets)), 0, CPU)


def test_loss_and_accuracy_come_from_all_examples() -> None:
    """Logits (ln 3, 0) give 3/4 and 1/4; two of three examples are right."""
    logits = [[log(3), 0.0], [log(3), 0.0], [0.0, log(3)]]
    result = evaluate(
        nn.Identity(), source_of(logits, [0, 1, 1]), torch.tensor([0, 1, 2]), batch_size=2
    )
    assert result.probabilities == pytest.approx(
        np.array([[0.75, 0.25], [0.75, 0.25], [0.25, 0.75]]), abs=1e-6
    )
    assert result.probabilities.dtype == np.float32
    assert result.accuracy == pytest.approx(2 / 3)
    assert result.loss == pytest.approx(-(2 * log(0.75) + log(0.25)) / 3, abs=1e-6)
    assert exp(-result.loss) < 1


def test_the_model_is_in_evaluation_mode_and_records_no_gradient() -> None:
    """Dropout is off, and the outputs are detached."""
    seen = []

    class Watched(nn.Dropout):
        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            seen.append((self.training, torch.is_grad_enabled()))
            return super().forward(inputs)

    source = source_of([[1.0, 2.0]] * 3, [0, 1, 0])
    evaluate(Watched(0.9), source, torch.tensor([2, 0]), batch_size=1)
    assert seen == [(False, False)]


def test_the_number_of_batches_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three examples one by one or all at once; the order of the indices is kept."""
    source, order = source_of([[0.0, 1.0], [2.0, 0.0], [5.0, 1.0]], [0, 0, 1]), [2, 0, 1]
    together = evaluate(nn.Identity(), source, torch.tensor(order), batch_size=3)
    monkeypatch.setattr("harness.training.batches._EVALUATION_BYTES_CPU", 1)
    singly = evaluate(nn.Identity(), source, torch.tensor(order), batch_size=1)
    assert np.array_equal(together.probabilities, singly.probabilities)
    assert (together.loss, together.accuracy) == (singly.loss, singly.accuracy)
    assert together.probabilities.argmax(1).tolist() == [0, 1, 0]


def test_a_tensor_kept_from_evaluation_can_be_trained_on() -> None:
    """As a mask or a table that a model makes once, whenever it is first asked for."""

    class Caching(nn.Linear):
        table: torch.Tensor | None = None

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            if self.table is None:
                self.table = torch.ones_like(inputs)
            return super().forward(inputs * self.table)

    model = Caching(2, 2)
    evaluate(model, source_of([[1.0, 2.0]], [0]), torch.tensor([0]), batch_size=1)
    model(torch.ones(1, 2)).sum().backward()
    assert model.weight.grad is not None


def test_a_model_may_take_gradients_in_evaluation() -> None:
    """The derivative of x^2 at 1 and 3 is 2 and 6."""

    class Slope(nn.Module):
        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            with torch.enable_grad():
                x = inputs.detach().requires_grad_()
                (slope,) = torch.autograd.grad((x**2).sum(), x)
            return slope

    source = source_of([[1.0, 3.0]], [0])
    logits = predict_logits(Slope(), source, torch.tensor([0]), batch_size=1)
    assert logits.tolist() == [[2.0, 6.0]]
