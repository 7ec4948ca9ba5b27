"""Processes that are killed outright: what is finished stays, the same command goes on."""

import os
import signal
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from harness.results.lock import hold
from tests.kill.sweeps import (
    assert_same_results,
    below,
    ended,
    go_on,
    running,
    still_there,
    tables_of,
    wait_for_rows,
)

pytestmark = [pytest.mark.ray, pytest.mark.slow]


@pytest.mark.all
def test_a_killed_driver_loses_nothing_finished_and_blocks_nobody(
    folder: Path, undisturbed: Path
) -> None:
    """kill -9 at any time; the lock of the dead one is free, its processes end."""
    with running(folder) as process:
        wait_for_rows(process, folder)
        started = below(process)
        process.kill()
        process.wait()
        left = still_there(started)
    again = go_on(folder)

    assert left == []
    assert again.returncode == 0, again.stderr
    assert_same_results(tables_of(folder), undisturbed)


@pytest.mark.all
def test_a_worker_killed_in_the_middle_of_an_epoch_is_replaced(
    folder: Path, undisturbed: Path
) -> None:
    """The sweep itself tries the trial once more and completes."""
    with running(folder) as process:
        wait_for_rows(process, folder)
        kill(process, "Trainable")
        code, out = ended(process)
    attempts = pd.read_parquet(tables_of(folder) / "trials", columns=["attempt"])["attempt"]

    assert code == 0, out
    assert sorted(attempts) == [1, 1, 1, 1, 1, 2]
    assert_same_results(tables_of(folder), undisturbed)


@pytest.mark.all
@pytest.mark.parametrize("head", ["gcs_server", "raylet"])
def test_a_dead_ray_head_ends_the_run_and_the_same_command_goes_on(
    folder: Path, undisturbed: Path, head: str
) -> None:
    """Exit 1, said in one line, within seconds instead of a minute, and nothing is left behind."""
    with running(folder) as process:
        wait_for_rows(process, folder)
        started = below(process)
        kill(process, head)
        code, out = ended(process)
        left = still_there(started)
    again = go_on(folder)

    assert code == 1
    assert f"error: Ray's {head} died: what is finished is kept; the same command goes on" in out
    assert left == []
    assert again.returncode == 0, again.stderr
    assert_same_results(tables_of(folder), undisturbed)


@pytest.mark.all
def test_where_the_writing_process_is_killed_the_run_says_so(
    folder: Path, undisturbed: Path
) -> None:
    """Exit 1; running trials are rows all the same, written by its successor."""
    with running(folder) as process:
        wait_for_rows(process, folder)
        kill(process, "ResultWriter")
        code, out = ended(process)
    again = go_on(folder)

    assert code == 1, out
    assert "writing failed: the process that writes the tables died" in out
    assert "Traceback" not in out
    assert again.returncode == 0, again.stderr
    assert_same_results(tables_of(folder), undisturbed)


def test_a_second_run_of_the_same_file_is_told_who_holds_the_folder(folder: Path) -> None:
    """Process, host, since when; exit 2, before anything slow."""
    with hold(tables_of(folder)):
        second = go_on(folder)

    assert second.returncode == 2
    assert f"is held by process {os.getpid()} on" in second.stderr
    assert not tables_of(folder).exists()


def kill(process: "subprocess.Popen[str]", name: str) -> None:
    """kill -9 of the first of its processes with this in its name."""
    [pid, *_] = [pid for pid, known in below(process).items() if name in known]
    os.kill(pid, signal.SIGKILL)
