"""Signals that end a sweep: what is finished stays, and the same command goes on."""

import os
import signal
import time
from pathlib import Path

import pytest

from tests.commands import bench_here
from tests.kill.sweeps import (
    NAME,
    assert_same_results,
    below,
    ended,
    go_on,
    running,
    statuses,
    still_there,
    tables_of,
    wait_for_rows,
    wait_until,
)

pytestmark = [pytest.mark.ray, pytest.mark.slow]


def test_ctrl_c_keeps_finished_trials_and_the_same_command_trains_the_rest(
    folder: Path, undisturbed: Path
) -> None:
    """Exit 130; running trials are rows `interrupted`; the tables end like an undisturbed run's.

    The rest is trained in process; that a sweep with Ray goes on is shown in test_going_on.
    """
    with running(folder) as process:
        wait_for_rows(process, folder)
        process.send_signal(signal.SIGINT)
        code, out = ended(process)
    after = statuses(folder)
    again = bench_here("run", NAME, "--in-process", folder=folder)

    assert code == 130, out
    assert "interrupted: finished trials are kept, the same command goes on" in out
    assert after["complete"] >= 1
    assert set(after) <= {"complete", "interrupted"}
    assert again.returncode == 0, again.stderr
    assert_same_results(tables_of(folder), undisturbed)


@pytest.mark.all
def test_sigterm_to_the_whole_process_group_is_one_ctrl_c(folder: Path, undisturbed: Path) -> None:
    """As `timeout` and batch systems send it, twice at that: Ray's own processes outlive it."""
    with running(folder) as process:
        wait_for_rows(process, folder)
        started = below(process)
        os.kill(process.pid, signal.SIGTERM)
        time.sleep(0.2)
        os.killpg(process.pid, signal.SIGTERM)
        began_s = time.monotonic()
        code, out = ended(process)
        took_s = time.monotonic() - began_s
        left = still_there(started)
    after = statuses(folder)
    again = go_on(folder)

    assert code == 130, out
    assert took_s < 30
    assert left == []
    assert "Traceback" not in out
    assert set(after) <= {"complete", "interrupted"}
    assert again.returncode == 0, again.stderr
    assert_same_results(tables_of(folder), undisturbed)


@pytest.mark.all
def test_sigterm_to_every_process_is_one_ctrl_c(folder: Path, undisturbed: Path) -> None:
    """As a batch system that knows all of a job's processes sends it."""
    with running(folder) as process:
        wait_for_rows(process, folder)
        for pid in [*below(process), process.pid]:
            os.kill(pid, signal.SIGTERM)
        code, out = ended(process)
    after = statuses(folder)
    again = go_on(folder)

    assert code == 130, out
    assert set(after) <= {"complete", "interrupted"}
    assert again.returncode == 0, again.stderr
    assert_same_results(tables_of(folder), undisturbed)


@pytest.mark.all
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_sigterm_and_a_closed_terminal_act_as_ctrl_c(
    folder: Path, undisturbed: Path, number: signal.Signals
) -> None:
    """To the driver alone."""
    with running(folder) as process:
        wait_for_rows(process, folder)
        process.send_signal(number)
        code, out = ended(process)
    again = go_on(folder)

    assert code == 130, out
    assert "interrupted: finished trials are kept" in out
    assert again.returncode == 0, again.stderr
    assert_same_results(tables_of(folder), undisturbed)


@pytest.mark.all
def test_ctrl_c_twice_ends_at_once_and_loses_nothing_finished(
    folder: Path, undisturbed: Path
) -> None:
    """No rows for the running trials, no traceback, no processes left."""
    with running(folder) as process:
        wait_for_rows(process, folder)
        started = below(process)
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        code, out = ended(process)
        left = still_there(started)
    again = go_on(folder)

    assert code == 130, out
    assert "Traceback" not in out
    assert left == []
    assert again.returncode == 0, again.stderr
    assert_same_results(tables_of(folder), undisturbed)


@pytest.mark.all
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("after_s", [0.0, 0.7, 1.5, 2.5])
def test_a_signal_while_ray_starts_ends_the_run(
    folder: Path, number: signal.Signals, after_s: float
) -> None:
    """Ray's C++ puts a handler of its own in place while it starts, which would abort."""
    with running(folder) as process:
        wait_until(lambda: "gcs_server" in below(process).values(), process)
        started = below(process)
        time.sleep(after_s)
        process.send_signal(number)
        code, out = ended(process)
        left = still_there(started)

    assert code == 130, out
    assert "Traceback" not in out
    assert left == []
