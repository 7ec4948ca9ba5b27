"""What changes of a fold while it trains, as plain values that torch reads without executing code.

Every execution keeps its folds in this layout, so that any reader of a checkpoint needs to know
only one. Schedules and seeds follow from the epoch and are not in it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from harness.training.evaluate import Evaluation

FoldState = Mapping[str, Any]
FoldStates = Mapping[tuple[int, int], FoldState]  # by (repeat, fold)


@dataclass(frozen=True, eq=False)
class Chosen:
    """The epoch whose weights count so far.

    state: a copy of the weights, or None while they are the model's own.
    """

    epoch: int
    objective: float
    validation: Evaluation
    state: Mapping[str, Tensor] | None


def fold_state(
    model: Mapping[str, Tensor],
    optimizer: Mapping[int, Mapping[str, Any]],
    *,
    chosen: Chosen | None,
    fit_time_s: float,
) -> FoldState:
    """The layout. model: its state dict; optimizer: what it keeps, by the parameter's place."""
    return {
        "model": dict(model),
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
    return Chosen(found["epoch"], found["objective"], validation, found["state"])


def restore_model(model: nn.Module, optimizer: Optimizer, state: FoldState) -> None:
    """Puts a fold's state into a model that was just built and its optimizer, on their device.

    Raises RuntimeError or ValueError where it belongs to another model.
    """
    model.load_state_dict(state["model"])
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
        "state": None if chosen.state is None else dict(chosen.state),
    }
