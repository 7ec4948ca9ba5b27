"""A worker's process before it trains."""

import subprocess
import sys

import pytest
import torch
from torch import nn

from harness.training.fast_operators import FEW_NUMBERS, use_fast_operators
from harness.training.worker_setup import kept_tensor_bytes, prepare_process

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


def test_operators_are_torchs_own_unless_a_trial_asks_for_others() -> None:
    """Also after a trial that asked: a worker takes one trial after another."""

    def drawn() -> float:
        torch.manual_seed(0)
        return float(nn.functional.dropout(torch.ones(2 * FEW_NUMBERS), 0.5).sum())

    use_fast_operators(False)
    own = drawn()
    threads, sums = torch.get_num_threads(), []
    for asked in (True, True, False, False, True):
        prepare_process(threads=threads, device="cpu", fast_operators=asked)
        sums.append(drawn())
    prepare_process(threads=threads, device="cpu")
    assert drawn() == own == sums[2] == sums[3]
    assert sums[0] == sums[1] == sums[4] != own


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
import os, resource, sys, torch
from harness.training import worker_setup as process
process.available_cores = lambda: 1
def faults_of_a_step():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(16 * 2**20).relu().sum()  # two tensors of 64 MiB
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
for memory_mib in sys.argv[1:]:
    if os.fork() == 0:  # a process of its own for each, torch imported once
        process.available_memory_bytes = lambda: int(memory_mib) * 2**20
        process.prepare_process(threads=1, device="cpu")
        for _ in range(30):  # until the pieces of the heap fit
            faults_of_a_step()
        print(faults_of_a_step(), flush=True)
        os._exit(0)
    assert os.wait()[1] == 0
"""


def faults_of_a_step(*memory_mib: int) -> list[int]:
    """Page faults of the last of many equal steps, on machines with so much memory."""
    command = [sys.executable, "-c", STEPS, *map(str, memory_mib)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [int(count) for count in done.stdout.split()]


@pytest.mark.skipif(sys.platform != "linux", reason="malloc is somebody else's")
def test_a_steps_large_tensors_take_the_memory_of_the_step_before() -> None:
    """Two tensors of 64 MiB are 32,768 pages of 4 KiB; given back, each is filled anew.

    Of 16 GiB tensors up to 1 GiB are kept, of 512 MiB those up to 32 MiB. Where the system's pages
    are large, or its malloc keeps nothing so large, there is nothing to see.
    """
    given_back, kept = faults_of_a_step(512, 16 * 1024)
    if given_back < 30_000:
        pytest.skip(f"a step of 128 MiB takes {given_back} page faults here, kept or not")

    assert kept < given_back / 10
