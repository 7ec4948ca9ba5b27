"""How much memory this machine has left, and whether a dataset fits."""

import math
import os
from pathlib import Path

from data_prep.examples import Description
from harness.errors import BenchError

LARGEST_SHARE = 0.8  # of the available memory; trials need the rest
_MEMINFO = Path("/proc/meminfo")
_CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")


def refuse_too_large(description: Description, *, name: str) -> None:
    """Refuse data whose arrays would take more than 80 % of the available memory.

    Raises:
        BenchError: They would.
    """
    available = available_memory_bytes()
    needed = described_bytes(description)
    if available is not None and needed > LARGEST_SHARE * available:
        raise BenchError(
            f"dataset {name}: its inputs take {needed / 1e9:.1f} GB, this machine has "
            f"{available / 1e9:.1f} GB of memory available; data larger than memory isn't "
            "supported: use a smaller subset or a larger machine"
        )


def described_bytes(description: Description) -> int:
    """Return the bytes of all inputs as they are stored."""
    stored = description.storage_dtype or description.input_dtype
    digits = "".join(character for character in stored if character.isdigit())
    bytes_per_value = int(digits or 32) // 8  # the dtype's name ends with its bits
    return description.n_examples * math.prod(description.input_shape) * bytes_per_value


def available_memory_bytes() -> int | None:
    """Return what can be taken without swapping, or the container's limit; None where unknown."""
    known = [value for value in (_meminfo(), _cgroup_limit()) if value is not None]
    return min(known) if known else _physical()


def _meminfo() -> int | None:
    try:
        lines = _MEMINFO.read_text(encoding="ascii").splitlines()
        fields = dict(line.split(":", 1) for line in lines)
        return int(fields["MemAvailable"].split()[0]) * 1024
    except (OSError, ValueError, KeyError):
        return None


def _cgroup_limit() -> int | None:
    try:
        return int(_CGROUP_LIMIT.read_text(encoding="ascii"))  # `max` where there is none
    except (OSError, ValueError):
        return None


def _physical() -> int | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None
