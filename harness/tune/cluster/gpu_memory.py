"""Whether trials that share a GPU fit into its memory together: Ray only books the shares."""

import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from ray import tune

from harness.events import Note, OnEvent

MEASURED = "gpu_memory"  # key of what a worker measured, in what Tune is told at a trial's end


def measured(device: str) -> dict[str, int] | None:
    """Bytes that this process's torch held of its GPU at most, and bytes that the GPU has.

    None on a CPU. device: as torch names it.
    """
    torch = sys.modules.get("torch")
    if torch is None or not device.startswith("cuda"):
        return None
    total = torch.cuda.get_device_properties(device).total_memory
    return {"peak_bytes": torch.cuda.max_memory_reserved(device), "total_bytes": total}


def trials_per_gpu(share: float) -> int:
    """How many trials Ray puts on one GPU. share: of each, as in `resources.gpu`."""
    return max(1, math.floor(1 / share + 1e-6)) if share else 1


def misfit(share: float, *, peak_bytes: int, total_bytes: int) -> str | None:
    """Why trials of this share can't all hold their peak at once, with a share that would do.

    None where they can, or where one has the GPU for itself. Each process also keeps some hundred
    MB for CUDA itself, which torch does not count.
    """
    side_by_side = trials_per_gpu(share)
    if side_by_side == 1 or side_by_side * peak_bytes <= total_bytes:
        return None
    fitting = max(1, total_bytes // peak_bytes)
    larger = math.floor(10_000 / fitting) / 10_000
    return (
        f"{side_by_side} trials share a GPU of {total_bytes / 1e9:.1f} GB and one of them took "
        f"{peak_bytes / 1e9:.1f} GB: together they may run out of memory; "
        f"resources.gpu: {larger:g} puts {fitting} on it"
    )


class GpuMemoryCallback(tune.Callback):  # type: ignore[misc]
    """Says once, from the first trial whose peak shows it, that trials do not fit together."""

    def __init__(self, share: float, on_event: OnEvent) -> None:
        self._share, self._on_event = share, on_event
        self._said = False

    def on_trial_result(
        self,
        iteration: int,
        trials: Sequence[Any],
        trial: Any,
        result: Mapping[str, Any],
        **info: Any,
    ) -> None:
        found = result.get(MEASURED)
        text = None if found is None or self._said else misfit(self._share, **found)
        if text is not None:
            self._said = True
            self._on_event(Note(text))

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune pickles its tuner; nothing here outlives this process
