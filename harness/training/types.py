"""The frozen values around training: what is asked for, what an epoch gave, what a fold gave."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from harness.config.sections import Training
from harness.data.types import TrialData
from harness.results.tables import EpochRow
from harness.training.initial_weights import Start


class Diverged(Exception):
    """A loss that is not finite; the text starts with `diverged: ` and names epoch and fold."""

    def __init__(self, loss: float, *, role: str, repeat: int, fold: int, epoch: int) -> None:
        where = f"epoch {epoch}, repeat {repeat}, fold {fold}"
        super().__init__(f"diverged: the {role} loss is {loss} in {where}")


class NotAsTheLoop(Exception):
    """Folds that train as one train otherwise than in the loop; the text says in what."""


@dataclass(frozen=True, eq=False)
class TrainingJob:
    """One configuration to train on some folds.

    folds: indices into `data.folds`, whole repeats at a time.
    build: the model's `build`; model_arguments: its arguments but those of the data.
    objective: name of the metric that chooses the epoch, on validation.
    attention: the model's own, (model, inputs) -> (batch, blocks, heads, tokens, tokens).
    start: what is done to every fold's model before it trains; None: nothing.
    execution: of harness.training.backends.selection.BACKENDS, as `choose` there said.
    compare_from: the first step from which on each epoch of the batched model is compared with the
        loop; None: none is.
    """

    training: Training
    data: TrialData
    folds: tuple[int, ...]
    build: Callable[..., nn.Module]
    model_arguments: Mapping[str, Any]
    objective: str
    seed: int
    device: torch.device
    attention: Callable[[nn.Module, Tensor], Tensor] | None = None
    start: Start | None = None
    execution: str = "loop"
    compare_from: int | None = None

    def build_arguments(self, index: int) -> dict[str, Any]:
        """Return all keyword arguments of `build` for one fold, the model's own to change.

        Copies, since arrays are shared by all trials of a node and the others by all folds.
        """
        given = {**self.model_arguments, **self.data.fold_inputs[index].model_arguments}
        return {
            "input_shape": self.data.input_shape,
            "num_classes": len(self.data.class_names),
            **copy.deepcopy(given),
        }


@dataclass(frozen=True)
class EpochResult:
    """One epoch of all folds that still train.

    folds: their rows of `epochs`, which name neither trial nor stage.
    objective_mean: over all folds; a repeat that stopped early counts with its last values.
    """

    epoch: int
    folds: tuple[EpochRow, ...]
    objective_mean: float


@dataclass(frozen=True, eq=False)
class FoldOutcome:
    """What one fold's chosen weights are and say, in evaluation mode.

    best_epoch: the epoch of the weights; weights_source: `best` or `last`, how it was chosen.
    n_train_per_epoch: train examples that an epoch takes.
    state: the state dict, on the CPU. attributes: gives what else the model holds, for
        `torch.save`; None where that is nothing.
    unkept: in words, what of the model could not be kept; empty where all could.
    predictions: role -> softmax probabilities (n_role, num_classes) float32, in the order of the
        fold's indices; roles without examples are absent. losses: role -> mean cross-entropy.
    fit_time_s: training and validation of all epochs; predict_time_s: the final predictions.
    attention: rows of the table, without their trial; of the test examples, or of validation
        where there is no test.
    """

    repeat: int
    fold: int
    best_epoch: int
    n_train_per_epoch: int
    weights_source: str
    state: dict[str, Any]
    predictions: dict[str, NDArray[np.float32]]
    losses: dict[str, float]
    fit_time_s: float
    predict_time_s: float
    attention: tuple[dict[str, Any], ...] = ()
    attributes: Callable[[], Mapping[str, Any] | None] = lambda: None
    unkept: str = ""


@dataclass(frozen=True, eq=False)
class TrainedFolds:
    """What training ends with: the outcome of every fold, in the job's order."""

    outcomes: tuple[FoldOutcome, ...]
