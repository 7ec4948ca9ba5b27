"""Whether trials that share a GPU fit into its memory together: Ray only books the shares."""

import math
import sys

MEASURED = "gpu_memory"  # key of what a worker measured, in what Tune is told at a trial's end


def measured(device: str) -> dict[str, int] | None:
    """Return the bytes that this process's torch held of its GPU at most, and that the GPU has.

    Args:
        device: As torch names it.

    Returns:
        `peak_bytes` and `total_bytes`; None on a CPU.
    """
    torch = sys.modules.get("torch")
    if torch is None or not device.startswith("cuda"):
        return None
    total = torch.cuda.get_device_properties(device).total_memory
    return {"peak_bytes": torch.cuda.max_memory_reserved(device), "total_bytes": total}


def trials_per_gpu(share: float) -> int:
    """Return how many trials Ray puts on one GPU, each with a share as in `resources.gpu`."""
    # 1e-6: the quotient of a share such as 0.1 may be a hair below the whole number.
    return max(1, math.floor(1 / share + 1e-6)) if share else 1


def misfit(share: float, *, peak_bytes: int, total_bytes: int) -> str | None:
    """Return why trials of a share can't all hold their peak at once, and a share that would do.

    Each process also keeps some hundred MB for CUDA itself, which torch does not count.

    Args:
        share: Of each trial, as in `resources.gpu`.
        peak_bytes: Of one trial.
        total_bytes: Of the GPU.

    Returns:
        A sentence; None where they can, or where one has the GPU for itself.
    """
    side_by_side = trials_per_gpu(share)
    if side_by_side == 1 or side_by_side * peak_bytes <= total_bytes:
        return None
    fitting = max(1, total_bytes // peak_bytes)
    larger = math.floor(10_000 / fitting) / 10_000  # Ray books shares of a ten-thousandth
    return (
        f"{side_by_side} trials share a GPU of {total_bytes / 1e9:.1f} GB and one of them took "
        f"{peak_bytes / 1e9:.1f} GB: together they may run out of memory; "
        f"resources.gpu: {larger:g} puts {fitting} on it"
    )
