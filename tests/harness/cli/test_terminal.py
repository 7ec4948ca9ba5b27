"""SIGTERM and a closed terminal as Ctrl-C, in a process of its own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

WAITS = """
import os, signal, subprocess, sys, time
from harness.cli.terminal import stopped_as_by_ctrl_c
nohup = "nohup" in sys.argv  # whatever the tests themselves run under
signal.signal(signal.SIGHUP, signal.SIG_IGN if nohup else signal.SIG_DFL)
interrupts = []
with stopped_as_by_ctrl_c():
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, lambda *_: interrupts.append(1))
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    print("ready", flush=True)
    until = time.monotonic() + 1.5
    while time.monotonic() < until:
        time.sleep(0.05)
    lives = child.poll() is None
    child.kill()
print(len(interrupts), "child lives" if lives else "child died", flush=True)
time.sleep(60)
"""

Waiting = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def waiting() -> Iterator[Waiting]:
    """Starts processes that count what interrupts them for a while, and lead a group."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-c", WAITS, *arguments]
        started.append(
            subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
        )
        assert said(started[-1]) == "ready"
        return started[-1]

    yield start
    for process in started:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def said(process: "subprocess.Popen[str]") -> str:
    """Its next line."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_each_raises_what_ctrl_c_raises(waiting: Waiting, number: signal.Signals) -> None:
    """Once."""
    process = waiting()
    process.send_signal(number)

    assert said(process).startswith("1 ")


def test_a_request_that_comes_several_times_is_one(waiting: Waiting) -> None:
    """`timeout` signals its child and then the group; a second Ctrl-C would mean: at once."""
    process = waiting()
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGTERM):
        process.send_signal(number)
        time.sleep(0.2)

    assert said(process).startswith("1 ")


def test_ctrl_c_twice_is_two(waiting: Waiting) -> None:
    """A person who means it."""
    process = waiting()
    for _ in range(2):
        process.send_signal(signal.SIGINT)
        time.sleep(0.2)

    assert said(process).startswith("2 ")


def test_processes_started_meanwhile_outlive_a_signal_to_the_group(waiting: Waiting) -> None:
    """As Ray's do, whose help is needed to end well."""
    process = waiting()
    os.killpg(process.pid, signal.SIGTERM)

    assert said(process) == "1 child lives"


def test_nohup_stays_nohup(waiting: Waiting) -> None:
    """Who asked to outlive the terminal does."""
    process = waiting("nohup")
    process.send_signal(signal.SIGHUP)

    assert said(process).startswith("0 ")


def test_afterwards_sigterm_is_as_before(waiting: Waiting) -> None:
    """It ends the process."""
    process = waiting()
    said(process)
    process.send_signal(signal.SIGTERM)

    assert process.wait(timeout=10) == -signal.SIGTERM
