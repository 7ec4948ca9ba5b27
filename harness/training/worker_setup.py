"""A worker's process, made to compute the same numbers whatever runs beside it."""

import ctypes
import os
from functools import cache
from typing import Any

from harness.data.memory import available_memory_bytes
from harness.data.paths import available_cores

_MIB = 2**20
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h
_NEVER = -1


def prepare_process(*, threads: int, device: str, fast_operators: bool = False) -> None:
    """Threads as asked for; on a GPU only algorithms that repeat themselves.

    device: as torch names it. fast_operators: those of harness.training.fast_operators, on a CPU;
    a trial before may have asked for the other.
    """
    import torch

    from harness.training.fast_operators import use_fast_operators

    torch.set_num_threads(threads)
    if device.startswith("cuda"):
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.backends.cudnn.benchmark = False
        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.cuda.reset_peak_memory_stats(device)
    else:
        use_fast_operators(fast_operators)
        keep_freed_memory(threads)


def kept_tensor_bytes(memory_bytes: int | None, *, n_workers: int) -> int:
    """The largest tensor whose memory is kept: a sixteenth of a worker's share, 32 MiB to 1 GiB.

    memory_bytes: what the machine has available; None where unknown.
    """
    share = (memory_bytes or 0) // n_workers
    return min(max(share // 16, 32 * _MIB), 1024 * _MIB)


def keep_freed_memory(threads: int) -> None:
    """Have a step's tensors take the memory of the step before, until the trial ends.

    malloc gives what is over 32 MiB back to the system at once, which fills it with zeros again
    for the next tensor: half the time of a convolution on raw audio.
    """
    libc = _glibc()
    if libc is None:
        return
    libc.malloc_trim(0)  # what the trial before kept
    n_workers = max(1, available_cores() // threads)
    _set_thresholds(kept_tensor_bytes(available_memory_bytes(), n_workers=n_workers))


@cache
def _glibc() -> Any:
    """None where malloc is somebody else's."""
    library = ctypes.CDLL(None)
    known = all(hasattr(library, name) for name in ("mallopt", "malloc_trim"))
    return library if known else None


def _set_thresholds(mmap_threshold_bytes: int) -> None:
    _glibc().mallopt(_M_MMAP_THRESHOLD, mmap_threshold_bytes)
    _glibc().mallopt(_M_TRIM_THRESHOLD, _NEVER)
