"""Memory that runs out: what the kernel and Ray say of it, and a larger share to try again with."""

import gc
import re
import sys
from collections.abc import Iterable
from pathlib import Path

from harness.failures import OUT_OF_MEMORY

VMSTAT = Path("/proc/vmstat")
CGROUP_EVENTS = (
    Path("/sys/fs/cgroup/memory.events"),  # version 2
    Path("/sys/fs/cgroup/memory/memory.oom_control"),  # version 1
)
RAY_MONITOR_WORDS = ("RAY_memory_usage_threshold", "OutOfMemoryError")


def kills(files: Iterable[Path] = (VMSTAT, *CGROUP_EVENTS)) -> int | None:
    """How many processes the kernel has killed for want of memory, on this machine or in this
    container, since it started; None where it does not count."""
    found = [int(count) for file in files for count in _counts(file)]
    return sum(found) if found else None


def killed_by_ray(error: str) -> bool:
    """Whether the text of a dead worker's error says that Ray's memory monitor ended it."""
    return any(words in error for words in RAY_MONITOR_WORDS)


def larger_share(gpu: float, *, at_a_time: int) -> float | None:
    """Twice the share of a GPU, at most a whole one; None where there is no larger one.

    at_a_time: trials that ran beside each other; without a GPU the larger share is to run alone,
    so 0.0 is returned where there were several.
    """
    if gpu == 0:
        return 0.0 if at_a_time > 1 else None
    return min(2 * gpu, 1.0) if gpu < 1 else None


def free_gpu_cache() -> None:
    """Gives back what torch keeps of a GPU's memory; the next trial needs it."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def advice(error: str, *, gpu: float, alone: bool) -> str:
    """The error of a trial for which memory ran out, with what may help.

    gpu: its share in the last attempt. alone: no other trial ran beside it.
    """
    said = error if error.startswith(OUT_OF_MEMORY) else OUT_OF_MEMORY + error
    tried = f", with {gpu:g} of a GPU" if gpu else ", with no trial beside it" if alone else ""
    more = [", a larger resources.gpu"] if 0 < gpu < 1 else []
    more += [", fewer trials at a time (--jobs)"] if not gpu and not alone else []
    return f"{said}{tried}; try a smaller training.batch_size{''.join(more)}"


def _counts(file: Path) -> list[str]:
    try:
        return re.findall(r"^oom_kill (\d+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:
        return []
