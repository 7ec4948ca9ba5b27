"""A worker's process, made to compute the same numbers whatever runs beside it."""

import os


def prepare_process(*, threads: int, device: str) -> None:
    """Threads as asked for; on a GPU only algorithms that repeat themselves.

    device: as torch names it.
    """
    import torch

    torch.set_num_threads(threads)
    if device.startswith("cuda"):
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.backends.cudnn.benchmark = False
        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.cuda.reset_peak_memory_stats(device)
