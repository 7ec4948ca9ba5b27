"""A trial in the middle of its training as bytes: enough to go on in another process, or run.

Random state is not in it: everything random follows from the seed and the epoch. What is read back
is tensors, numbers and text; nothing is executed.
"""

import io
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from harness.training.backends.fold_state import FoldStates
from harness.training.checkpoint_format import About, CheckpointError, Packed, Setting
from harness.training.types import EpochResult, FoldEpoch

FORMAT = 2  # raised whenever an older layout can't be read

Row = dict[str, Any]


@dataclass(frozen=True, eq=False)
class TrainingState:
    """Training between two epochs. results: of every epoch so far."""

    results: tuple[EpochResult, ...]
    folds: FoldStates

    @property
    def unkept(self) -> str:
        """In words, what a fold's model holds that is not in its state; empty where all is."""
        return next((text for one in self.folds.values() if (text := one["model"]["unkept"])), "")


@dataclass(frozen=True, eq=False)
class Past:
    """What a trial goes on from. layers: rows of that table so far; execution: of its folds."""

    state: TrainingState
    layers: tuple[Row, ...] = ()
    execution: str = "loop"


@dataclass(frozen=True, eq=False)
class Checkpoints:
    """How a trial keeps itself. past: gives where it goes on; None begins at the beginning.

    keep: is told after each epoch how to pack the trial, which holds until the next epoch begins.
    """

    keep: Callable[[Callable[[], Packed]], None]
    past: Callable[[], Past | None]


def setting_of(
    trial_id: str, *, repeats: Sequence[int], execution: str, device: str, diagnostics: str
) -> Setting:
    """Of a trial here and now. device: as torch names it."""
    return Setting(
        trial_id=trial_id,
        repeats=tuple(repeats),
        execution=execution,
        device=device.partition(":")[0],
        diagnostics=diagnostics,
        torch=torch.__version__.partition(".")[0],
        format=FORMAT,
    )


def pack(about: About, past: Past) -> Packed:
    """The trial as it stands; what happens to its tensors afterwards changes nothing."""
    state = past.state
    content = {
        "results": [
            (float(one.objective_mean), [_plain(vars(fold)) for fold in one.folds])
            for one in state.results
        ],
        "folds": dict(state.folds),
        "layers": [_plain(row) for row in past.layers],
    }
    buffer = io.BytesIO()
    torch.save(content, buffer)
    payload = np.frombuffer(buffer.getbuffer(), np.uint8)
    return Packed(about, payload, zlib.crc32(payload.data))


def unpack(packed: Packed) -> Past:
    """What was packed, its tensors on the CPU. Raises CheckpointError where it is damaged."""
    if zlib.crc32(packed.payload.data) != packed.crc32:
        raise CheckpointError("it is damaged")
    try:
        found = torch.load(io.BytesIO(packed.payload.data), map_location="cpu", weights_only=True)
        results = tuple(
            _result(epoch, *values) for epoch, values in enumerate(found["results"], start=1)
        )
        state = TrainingState(results, found["folds"])
        return Past(state, tuple(found["layers"]), packed.about.setting.execution)
    except Exception as error:  # torch names many kinds of damage
        raise CheckpointError(f"it can't be read: {type(error).__name__}") from error


def _result(epoch: int, objective_mean: float, folds: Sequence[Mapping[str, Any]]) -> EpochResult:
    return EpochResult(epoch, tuple(FoldEpoch(**one) for one in folds), objective_mean)


def _plain(row: Mapping[str, Any]) -> Row:
    """Without numpy's scalars, which a reader that executes nothing refuses."""
    return {
        key: value.item() if isinstance(value, np.generic) else value for key, value in row.items()
    }
