"""A worker's process before it trains."""

import subprocess
import sys

import pytest
import torch

from harness.training.process import kept_tensor_bytes, prepare_process

GIB = 2**30
MIB = 2**20


def test_threads_are_those_asked_for() -> None:
    """A trial computes with `resources.cpu` threads, whatever the machine has."""
    before = torch.get_num_threads()
    try:
        prepare_process(threads=1, device="cpu")

        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("memory_bytes", "n_workers", "kept"),
    [
        (16 * GIB, 2, 512 * MIB),
        (16 * GIB, 64, 32 * MIB),
        (256 * GIB, 2, 1024 * MIB),
        (None, 2, 32 * MIB),
    ],
)
def test_the_kept_tensor_follows_from_a_workers_share(
    memory_bytes: int | None, n_workers: int, kept: int
) -> None:
    """A sixteenth of the memory per worker, never below malloc's own bound nor over 1 GiB."""
    assert kept_tensor_bytes(memory_bytes, n_workers=n_workers) == kept


STEPS = """
import resource, torch
from harness.training.process import prepare_process
prepare_process(threads=1, device="cpu")
def faults_of_a_step():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(16 * 2**20).relu().sum()  # two tensors of 64 MiB
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
for _ in range(3):
    faults_of_a_step()
print(faults_of_a_step())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="malloc is somebody else's")
def test_a_steps_large_tensors_take_the_memory_of_the_step_before() -> None:
    """Two tensors of 64 MiB are 32,768 pages of 4 KiB; given back, each is filled anew."""
    done = subprocess.run([sys.executable, "-c", STEPS], capture_output=True, text=True, check=True)

    assert int(done.stdout) < 3_000
