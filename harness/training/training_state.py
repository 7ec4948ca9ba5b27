"""What training between two epochs is: of a fold, of a trial's folds, of a pretraining.

Every back end keeps its folds in one layout, as plain values that torch reads without executing
code. Random state, schedules and seeds are not in it: they follow from the seed and the epoch.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.optim import Optimizer

from harness.results.tables import EpochRow
from harness.training.checkpoint import (
    Checkpoint,
    CheckpointError,
    Header,
    decode,
    encode,
)
from harness.training.evaluate import Evaluation
from harness.training.module_state import ModuleState, restore_exactly, state_of
from harness.training.types import EpochResult

Row = dict[str, Any]
FoldState = Mapping[str, Any]
FoldStates = Mapping[tuple[int, int], FoldState]  # by (repeat, fold)


@dataclass(frozen=True, eq=False)
class Chosen:
    """The epoch whose weights count so far.

    state: a copy of all that the model held, or None while that is what it holds.
    """

    epoch: int
    objective: float
    validation: Evaluation
    state: ModuleState | None


@dataclass(frozen=True, eq=False)
class TrainingState:
    """All folds between two epochs. results: of every epoch so far."""

    results: tuple[EpochResult, ...]
    folds: FoldStates

    @property
    def unkept(self) -> str:
        """In words, what a fold's model holds that is not in its state; empty where all is."""
        texts = (fold["model"]["unkept"] for fold in self.folds.values())
        return next((text for text in texts if text), "")


@dataclass(frozen=True, eq=False)
class TrialState:
    """What a trial goes on from. layers: rows of that table so far; execution: of its folds."""

    training: TrainingState
    layers: tuple[Row, ...] = ()
    execution: str = "loop"


@dataclass(frozen=True, eq=False)
class PretrainingState:
    """What a pretraining goes on from, to end with the same weights.

    Attributes:
        rows: One per epoch so far, columns of the `epochs` table.
        model: All that it holds, as `ModuleState.plain` gives it.
        optimizer: Its state dict.
    """

    rows: tuple[Row, ...]
    model: Mapping[str, Any]
    optimizer: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Checkpointing:
    """How a trial keeps itself.

    Attributes:
        keep: Receives after each epoch how to make the trial's checkpoint, which holds until the
            next epoch begins.
        resume: Gives where the trial goes on; None begins at the beginning.
    """

    keep: Callable[[Callable[[], Checkpoint]], None]
    resume: Callable[[], TrialState | None]


def fold_state(
    model: ModuleState,
    optimizer: Mapping[int, Mapping[str, Any]],
    *,
    chosen: Chosen | None,
    fit_time_s: float,
) -> FoldState:
    """Return the layout of one fold. optimizer: what it keeps, by the parameter's place."""
    return {
        "model": model.plain(),
        "optimizer": {place: dict(kept) for place, kept in optimizer.items()},
        "chosen": None if chosen is None else _plain_choice(chosen),
        "fit_time_s": float(fit_time_s),
    }


def chosen_of(state: FoldState) -> Chosen | None:
    """Return the chosen epoch in a fold's state."""
    choice = state["chosen"]
    if choice is None:
        return None
    probabilities = choice["probabilities"].cpu().numpy()
    validation = Evaluation(probabilities, loss=choice["loss"], accuracy=choice["accuracy"])
    held = None if choice["state"] is None else state_of(choice["state"])
    return Chosen(choice["epoch"], choice["objective"], validation, held)


def restore_model(model: nn.Module, optimizer: Optimizer, state: FoldState) -> None:
    """Put a fold's state into a model that was just built and its optimizer, on their device.

    Raises:
        CheckpointError: It belongs to another model or is not all that the model held.
        RuntimeError, ValueError: The optimizer is another.
    """
    lost = restore_exactly(model, state_of(state["model"]))
    if lost:
        raise CheckpointError(f"it does not fit the model: {lost} is not what it was")
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state["optimizer"], "param_groups": groups})


def pack_trial(header: Header, state: TrialState) -> Checkpoint:
    """Return the checkpoint of a trial as it stands now."""
    training = state.training
    content = {
        "results": [
            (float(epoch.objective_mean), [_plain_row(vars(fold)) for fold in epoch.folds])
            for epoch in training.results
        ],
        "folds": dict(training.folds),
        "layers": [_plain_row(row) for row in state.layers],
    }
    return encode(header, content)


def unpack_trial(checkpoint: Checkpoint) -> TrialState:
    """Return what `pack_trial` packed. Raises CheckpointError where it can't be read."""
    content = decode(checkpoint)
    try:
        results = tuple(
            EpochResult(epoch, tuple(EpochRow(**fold) for fold in folds), objective_mean)
            for epoch, (objective_mean, folds) in enumerate(content["results"], start=1)
        )
        training = TrainingState(results, content["folds"])
        layers, execution = tuple(content["layers"]), checkpoint.header.setting.execution
        return TrialState(training, layers, execution)
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"it can't be read: {type(error).__name__}") from error


def pack_pretraining(header: Header, state: PretrainingState) -> Checkpoint:
    """Return the checkpoint of a pretraining as it stands now."""
    rows = [_plain_row(row) for row in state.rows]
    return encode(header, {"rows": rows, "model": state.model, "optimizer": state.optimizer})


def unpack_pretraining(checkpoint: Checkpoint) -> PretrainingState:
    """Return what `pack_pretraining` packed. Raises CheckpointError where it can't be read."""
    content = decode(checkpoint)
    try:
        return PretrainingState(tuple(content["rows"]), content["model"], content["optimizer"])
    except (KeyError, TypeError) as error:
        raise CheckpointError(f"it can't be read: {type(error).__name__}") from error


def _plain_choice(chosen: Chosen) -> dict[str, Any]:
    validation = chosen.validation
    return {
        "epoch": int(chosen.epoch),
        "objective": float(chosen.objective),
        "probabilities": torch.from_numpy(validation.probabilities),
        "loss": float(validation.loss),
        "accuracy": float(validation.accuracy),
        "state": None if chosen.state is None else chosen.state.plain(),
    }


def _plain_row(row: Mapping[str, Any]) -> Row:
    """Without numpy's scalars, which a reader that executes nothing refuses."""
    return {
        key: value.item() if isinstance(value, np.generic) else value for key, value in row.items()
    }
