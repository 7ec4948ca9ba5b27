"""A worker's process, made to compute the same numbers whatever runs beside it."""

import os

import torch

from harness.data.memory import available_memory_bytes
from harness.data.paths import available_cores
from harness.training.fast_operators import use_fast_operators
from harness.training.torch_internals import keep_freed_memory

_MIB = 2**20


def prepare_process(*, threads: int, device: str, fast_operators: bool = False) -> None:
    """Set threads as asked for; on a GPU allow only algorithms that repeat themselves.

    Args:
        threads: That torch computes with.
        device: As torch names it.
        fast_operators: Those of harness.training.fast_operators, on a CPU; a trial before may have
            asked for the other.
    """
    torch.set_num_threads(threads)
    if device.startswith("cuda"):
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.backends.cudnn.benchmark = False
        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.cuda.reset_peak_memory_stats(device)
    else:
        use_fast_operators(fast_operators)
        n_workers = max(1, available_cores() // threads)
        keep_freed_memory(kept_tensor_bytes(available_memory_bytes(), n_workers=n_workers))


def kept_tensor_bytes(memory_bytes: int | None, *, n_workers: int) -> int:
    """Return the bytes of the largest tensor whose memory is kept, from 32 MiB to 1 GiB.

    A sixteenth of a worker's share.

    memory_bytes: what the machine has available; None where unknown.
    """
    share = (memory_bytes or 0) // n_workers
    return min(max(share // 16, 32 * _MIB), 1024 * _MIB)
