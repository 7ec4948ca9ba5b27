"""Memory that a process can't write into."""

import mmap
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from harness.data.write_protection import is_protected, protect

WRITE = """
import mmap, sys
import numpy as np
from harness.data.write_protection import protect
with open(sys.argv[1], "r+b") as file:
    array = np.frombuffer(mmap.mmap(file.fileno(), 0), np.uint8)
address = array.ctypes.data
assert protect(address, address + array.nbytes)
assert array[5000] == 7
import ctypes
ctypes.memset(address + 5000, 0, 1)
"""


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="no Linux")
def test_who_writes_into_protected_memory_ends(tmp_path: Path) -> None:
    """The file that others map stays as it is."""
    file = tmp_path / "shared"
    file.write_bytes(bytes([7]) * 4 * mmap.PAGESIZE)

    ended = subprocess.run([sys.executable, "-c", WRITE, file], check=False, capture_output=True)

    assert ended.returncode == -11, ended.stderr.decode()
    assert set(file.read_bytes()) == {7}


def test_memory_of_this_process_alone_is_left_alone() -> None:
    """Its pages may serve for something else later."""
    array = np.zeros(10 * mmap.PAGESIZE, np.uint8)

    assert not protect(array.ctypes.data, array.ctypes.data + array.nbytes)
    assert not is_protected(array)
    array[:] = 1
