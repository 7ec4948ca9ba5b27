"""Memory that several processes share, made unwritable in this one.

NumPy's read-only flag stops only NumPy: `torch.from_numpy` gives a tensor that writes into the
array all the same, for every process of the machine. What is protected here ends the process that
tries, and changes for no other.
"""

import ctypes
import mmap
from functools import cache
from pathlib import Path
from typing import Any

from harness.data.types import Array

PAD_BYTES = 2 * mmap.PAGESIZE
"""Of unused memory before and after what is to be protected in whole pages."""
_MAPS = Path("/proc/self/maps")
_SHARED = "s"  # of a mapping's four flags

_protected: list[tuple[int, int]] = []


def protect(low: int, high: int) -> bool:
    """Make the whole pages between two addresses unwritable, for as long as the process lives.

    Returns:
        Whether that was done: the memory is shared with other processes, on a system that can.
    """
    first, last = -(-low // mmap.PAGESIZE) * mmap.PAGESIZE, high // mmap.PAGESIZE * mmap.PAGESIZE
    if first >= last or not _is_shared(first, last):
        return False
    done = _mprotect()(ctypes.c_void_p(first), ctypes.c_size_t(last - first), mmap.PROT_READ) == 0
    if done:
        _protected.append((first, last))
    return bool(done)


def is_protected(array: Array) -> bool:
    """Return whether nothing in this process can write into the array."""
    low = array.ctypes.data
    return any(first <= low and low + array.nbytes <= last for first, last in _protected)


def _is_shared(low: int, high: int) -> bool:
    try:
        lines = _MAPS.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:  # no Linux
        return False
    for line in lines:
        place, flags = line.split()[:2]
        first, last = (int(address, 16) for address in place.split("-"))
        if first <= low and high <= last:
            return flags.endswith(_SHARED)
    return False


@cache
def _mprotect() -> Any:
    return ctypes.CDLL(None).mprotect
