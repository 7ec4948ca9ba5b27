"""Why a worker's process died, judged by what real dying processes leave."""

import subprocess
import sys
from pathlib import Path

import pytest

from harness.tune.recovery import worker_failures
from harness.tune.recovery.trial_log import LOG_LIMIT, TrialLog, log_file
from harness.tune.recovery.worker_failures import Remains, collect, judge

WORKER = """
import os, signal, sys, time
from pathlib import Path
from harness.tune.recovery import triallog
triallog.GRACE_S = 0.0
log = triallog.TrialLog(Path(sys.argv[1]), "a")
with log.capturing(left_s=0.3 if sys.argv[2] == "hang" else None):
    print("so far so good")
    if sys.argv[2] == "segfault":
        import faulthandler
        faulthandler._sigsegv()
    if sys.argv[2] == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(20)
"""

RAY_EXIT = "Worker exit detail: Worker exits unexpectedly. Worker exits with an exit code 3."


@pytest.fixture
def remains(tmp_path: Path):
    """What a process leaves that dies in this way."""

    def die(how: str) -> Remains:
        command = [sys.executable, "-c", WORKER, str(tmp_path / "logs"), how]
        done = subprocess.run(command, timeout=60, check=False, capture_output=True)
        assert done.returncode != 0
        return collect(tmp_path / "logs", ["a", "never began"])["a"]

    return die


def test_a_process_that_hangs_says_where(remains) -> None:
    """Its time limit ended it."""
    death = judge(remains("hang"), "")

    assert death.cause == "time limit"
    assert death.log.startswith("so far so good\n")
    assert "line 14" in (death.trace or "")


def test_a_process_that_crashes_says_where(remains) -> None:
    """Out of Python's reach, and still it is written."""
    death = judge(remains("segfault"), "")

    assert death.cause == "unknown"
    assert death.detail.startswith("Segmentation fault, as where a model writes into the data")
    assert (death.trace or "").startswith("Fatal Python error: Segmentation fault")


def test_a_process_that_is_killed_leaves_its_log_and_no_cause(remains) -> None:
    """Nothing is made up."""
    death = judge(remains("kill"), "")

    assert (death.cause, death.text) == ("unknown", "the worker's process died")
    assert death.log == "so far so good\n"
    assert death.trace is None


def test_want_of_memory_is_said_only_with_evidence() -> None:
    """Ray's monitor, or the kernel's count of killed processes."""
    ray = judge(Remains(), "... set the environment variable `RAY_memory_usage_threshold` ...")
    kernel = judge(Remains(kernel_killed=True), "exits unexpectedly")
    neither = judge(Remains(), "(1) the process was killed by the OOM killer due to high memory")

    assert [one.cause for one in (ray, kernel, neither)] == [
        "out of memory",
        "out of memory",
        "unknown",
    ]
    assert ray.text.startswith("out of memory: Ray ended the worker")


def test_an_exit_code_is_told_where_ray_knows_it() -> None:
    """sys.exit in a thread, an atexit handler."""
    assert judge(Remains(), RAY_EXIT).detail == "it ended itself with exit code 3"


def test_kills_of_the_kernel_are_counted_from_the_trial_s_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One more than at its start, as many as at its start."""
    for trial_id in ("a", "b"):
        monkeypatch.setattr(
            "harness.tune.recovery.trial_log.kills", lambda id=trial_id: 4 + (id == "b")
        )
        TrialLog(tmp_path, trial_id)
    monkeypatch.setattr(worker_failures, "kills", lambda: 5)
    found = collect(tmp_path, ["a", "b"])

    assert (found["a"].kernel_killed, found["b"].kernel_killed) == (True, False)
    assert not [*tmp_path.iterdir()]


def test_of_a_log_without_end_the_end_is_kept(tmp_path: Path) -> None:
    """However much a model prints."""
    log = TrialLog(tmp_path, "a")
    with log.capturing():
        for number in range(40):
            print(number, "x" * (LOG_LIMIT // 3))
    size = log_file(tmp_path, "a").stat().st_size
    text = log.finish()

    assert size <= 12 * LOG_LIMIT
    assert len(text) == LOG_LIMIT
    assert text.splitlines()[-1].startswith("39 xxx")
    assert log.finish() == ""
