"""Trials that end otherwise: a failure is a row; nothing a model does kills the worker."""

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import nn

from harness.training.trial import run_trial
from harness.training.trial_rows import ended_rows, failed_rows
from tests.builders import (
    Linear,
    build_linear,
    make_trial_data,
    make_trial_job,
    run_unwatched,
    tables_of,
)


@pytest.mark.parametrize("stop", [RuntimeError("pruned"), KeyboardInterrupt(), SystemExit()])
def test_what_on_epoch_raises_passes_through(stop: BaseException) -> None:
    """A pruned or interrupted trial is no failed one."""

    def end(rows: Sequence[dict[str, Any]], objective: float) -> None:
        raise stop

    with pytest.raises(type(stop)):
        run_trial(make_trial_job(), make_trial_data(), build=build_linear, on_epoch=end)


def broken_build(**arguments: Any) -> nn.Module:
    """Fails before there is a model."""
    raise TypeError("no such width")


def failing_later(**arguments: Any) -> nn.Module:
    """Fails in the second epoch of the first fold."""

    class Failing(Linear):
        steps = 0

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            self.steps += self.training
            if self.steps > 4:
                raise RuntimeError("shape mismatch")
            return super().forward(inputs)

    return Failing(5, 3, 0.0)


def diverging(**arguments: Any) -> nn.Module:
    """Outputs are not numbers after four training steps, one more than an epoch has."""

    class Diverging(Linear):
        steps = 0

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            self.steps += self.training
            return super().forward(inputs) * (float("nan") if self.steps > 4 else 1.0)

    return Diverging(5, 3, 0.0)


@pytest.mark.parametrize(
    ("build", "error", "n_epochs"),
    [
        (broken_build, "TypeError: no such width", 0),
        (failing_later, "RuntimeError: shape mismatch", 2),
        (diverging, "diverged: the train loss is nan in epoch 2, repeat 1, fold 1", 2),
    ],
)
def test_a_failure_becomes_a_row_with_the_epochs_so_far(
    build: Any, error: str, n_epochs: int
) -> None:
    """Status, message and traceback; no folds, no predictions, no metrics."""
    job = make_trial_job()
    result = run_unwatched(job, build=build)
    trial = result.rows.trial
    assert (trial["status"], trial["error"]) == ("failed", error)
    assert error.split(": ")[-1] in trial["traceback"]
    assert len(result.rows.epochs) == n_epochs
    assert not result.rows.folds
    assert not result.rows.predictions
    assert not result.weights
    made = tables_of(result.rows, job)["trials"].to_pylist()[0]
    assert made["val_accuracy_mean"] is None
    assert made["epochs_trained"] == n_epochs // 2


class Unused(Linear):
    """Has a layer that no output depends on, and fails when it is told to."""

    fails = False

    def __init__(self) -> None:
        super().__init__(5, 3, 0.0)
        self.unused = nn.Linear(2, 2)
        self.steps = 0

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        self.steps += self.training
        if self.steps > 4 and self.fails:
            raise RuntimeError("shape mismatch")
        return super().forward(inputs)


def test_a_failed_trial_says_what_was_found_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a complete one does; where the model could not be looked at, nothing is known."""
    built = lambda **arguments: Unused()  # noqa: E731
    complete = run_unwatched(make_trial_job(), build=built).rows.trial
    monkeypatch.setattr(Unused, "fails", True)
    failed = run_unwatched(make_trial_job(), build=built).rows.trial
    assert (complete["status"], failed["status"]) == ("complete", "failed")
    assert complete["findings"] == failed["findings"] == "dead_parameters"
    assert run_unwatched(make_trial_job(), build=broken_build).rows.trial["findings"] is None
    assert run_unwatched(make_trial_job(), build=failing_later).rows.trial["findings"] == ""


def test_rows_of_trials_that_were_ended_from_outside() -> None:
    """Pruned and interrupted trials, and those whose process died, keep their epochs."""
    job = make_trial_job()
    epochs = list(run_unwatched(job).rows.epochs)
    pruned, died = ended_rows(job, "pruned", epochs), failed_rows(job, "killed", epochs)
    assert (pruned.trial["status"], pruned.trial["epochs_trained"]) == ("pruned", 2)
    assert (died.trial["status"], died.trial["error"]) == ("failed", "killed")
    assert len(tables_of(pruned, job)["epochs"]) == len(tables_of(died, job)["epochs"]) == 4
    assert ended_rows(job, "interrupted", []).trial["epochs_trained"] == 0
    assert pruned.trial["findings"] is None
    told = ended_rows(job, "pruned", epochs, findings=("a", "b:c"))
    assert tables_of(told, job)["trials"]["findings"].to_pylist() == ["a,b:c"]
