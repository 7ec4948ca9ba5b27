"""Memory that runs out: what the kernel and Ray say of it, and a larger share to try again with."""

import re
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


def larger_share(gpu: float, *, gpus: float, at_a_time: int) -> float | None:
    """Twice the share of a GPU, at most a whole one; None where no larger one exists.

    gpus: of the largest machine. at_a_time: trials that ran beside each other; without a GPU the
    larger share is to run alone, so 0.0 is returned where there were several.
    """
    if gpu == 0:
        return 0.0 if at_a_time > 1 else None
    larger = min(2 * gpu, 1.0) if gpu < 1 else 2 * gpu
    return larger if larger > gpu and gpu < 1 and gpus >= larger else None


def advice(error: str, *, gpu: float, alone: bool) -> str:
    """The error of a trial for which memory ran out, with what may help.

    gpu: its share in the last attempt. alone: no other trial ran beside it.
    """
    said = error if error.startswith(OUT_OF_MEMORY) else OUT_OF_MEMORY + error
    tried = f"a share of {gpu:g} GPU" if gpu else "all memory to itself" if alone else ""
    again = f"; also with {tried}" if tried else ""
    helps = "a smaller training.batch_size, a smaller model"
    more = "a larger resources.gpu" if 0 < gpu < 1 else "fewer trials at a time (--jobs)"
    return f"{said}{again}; {helps}{'' if alone and not gpu else f' or {more}'} may help"


def _counts(file: Path) -> list[str]:
    try:
        return re.findall(r"^oom_kill (\d+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:
        return []
