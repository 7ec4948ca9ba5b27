"""What changes of a fold while it trains, as plain values that torch reads without executing code.

Every execution keeps its folds in this layout, so that any reader of a checkpoint needs to know
only one. Schedules and seeds follow from the epoch and are not in it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from harness.training.checkpoint_format import CheckpointError
from harness.training.evaluate import Evaluation
from harness.training.module_state import ModuleState, restore_exactly, state_of

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


def fold_state(
    model: ModuleState,
    optimizer: Mapping[int, Mapping[str, Any]],
    *,
    chosen: Chosen | None,
    fit_time_s: float,
) -> FoldState:
    """The layout. optimizer: what it keeps, by the parameter's place."""
    return {
        "model": model.plain(),
        "optimizer": {place: dict(kept) for place, kept in optimizer.items()},
        "chosen": None if chosen is None else _plain(chosen),
        "fit_time_s": float(fit_time_s),
    }


def chosen_of(state: FoldState) -> Chosen | None:
    """The chosen epoch in a fold's state."""
    found = state["chosen"]
    if found is None:
        return None
    probabilities = found["probabilities"].cpu().numpy()
    validation = Evaluation(probabilities, loss=found["loss"], accuracy=found["accuracy"])
    held = None if found["state"] is None else state_of(found["state"])
    return Chosen(found["epoch"], found["objective"], validation, held)


def restore_model(model: nn.Module, optimizer: Optimizer, state: FoldState) -> None:
    """Puts a fold's state into a model that was just built and its optimizer, on their device.

    Raises CheckpointError where it belongs to another model or is not all that the model held,
    RuntimeError or ValueError where the optimizer is another.
    """
    lost = restore_exactly(model, state_of(state["model"]))
    if lost:
        raise CheckpointError(f"it does not fit the model: {lost} is not what it was")
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state["optimizer"], "param_groups": groups})


def _plain(chosen: Chosen) -> dict[str, Any]:
    validation = chosen.validation
    return {
        "epoch": int(chosen.epoch),
        "objective": float(chosen.objective),
        "probabilities": torch.from_numpy(validation.probabilities),
        "loss": float(validation.loss),
        "accuracy": float(validation.accuracy),
        "state": None if chosen.state is None else chosen.state.plain(),
    }
