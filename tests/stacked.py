"""Jobs to be trained in both ways, in float64, where nothing hides behind rounding."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn

from harness.training.backends import loop
from harness.training.backends.batched import vectorized
from harness.training.types import EpochResult, FoldOutcome, TrainingJob
from tests.builders import make_job, make_trial_data, trained


class Double(nn.Module):
    """A model in float64, whatever its inputs are."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model.double()

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.model(inputs.double() if inputs.is_floating_point() else inputs)


def in_double(build: Callable[..., nn.Module]) -> Callable[..., nn.Module]:
    """The same `build` in float64."""
    return lambda **arguments: Double(build(**arguments))


def small_net(
    *, input_shape: tuple[int, ...], num_classes: int, dropout: float = 0.3, width: int = 6
) -> nn.Module:
    """Convolution, BatchNorm and dropout: all that is hard about stacking."""
    return nn.Sequential(
        nn.Conv1d(input_shape[0], width, 3, padding=1),
        nn.BatchNorm1d(width),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Flatten(),
        nn.Linear(width * input_shape[1], num_classes),
    )


def small_job(*, build: Callable[..., nn.Module] = small_net, **more: Any) -> TrainingJob:
    """`small_net` in float64 on two folds; keywords as of `make_job`, or of the data."""
    ours = ("n", "n_folds", "repeats", "n_train", "noise", "test", "input_shape")
    shape = {key: more.pop(key) for key in ours if key in more}
    data = more.pop("data", None) or make_trial_data(**{"input_shape": (2, 5), **shape})
    return make_job(data, build=in_double(build), **more)


def both_ways(
    job: TrainingJob,
) -> tuple[
    tuple[list[EpochResult], tuple[FoldOutcome, ...]],
    tuple[list[EpochResult], tuple[FoldOutcome, ...]],
]:
    """What the loop and the batched model give."""
    return trained(replace(job, execution=loop.NAME)), trained(
        replace(job, execution=vectorized.NAME)
    )


def assert_same(job: TrainingJob, *, atol: float = 1e-8) -> list[EpochResult]:
    """Every number and every weight of the job is equal in both ways; the loop's epochs."""
    (epochs, ends), (stacked_epochs, stacked_ends) = both_ways(job)
    assert len(epochs) == len(stacked_epochs)
    for epoch, other in zip(epochs, stacked_epochs, strict=True):
        assert [values(one) for one in epoch.folds] == [
            close(values(one), atol) for one in other.folds
        ]
    for end, other in zip(ends, stacked_ends, strict=True):
        assert (end.repeat, end.fold, end.best_epoch) == (
            other.repeat,
            other.fold,
            other.best_epoch,
        )
        assert end.state.keys() == other.state.keys()
        for name, tensor in end.state.items():
            torch.testing.assert_close(other.state[name], tensor, rtol=0, atol=atol, msg=name)
        for role, probabilities in end.predictions.items():
            np.testing.assert_allclose(other.predictions[role], probabilities, atol=1e-6)
    return epochs


def values(row: Any) -> dict[str, Any]:
    """The numbers of a fold's epoch without what the clock says."""
    numbers = {key: value for key, value in vars(row).items() if isinstance(value, int | float)}
    return {key: value for key, value in numbers.items() if not key.endswith("_s")}


def close(row: dict[str, Any], atol: float) -> Any:
    import pytest

    return pytest.approx(row, abs=max(atol, 1e-7), rel=0)
