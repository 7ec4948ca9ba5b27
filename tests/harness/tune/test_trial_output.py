"""What a dying process leaves: its log, and whether the kernel killed for memory."""

import subprocess
import sys
from pathlib import Path

import pytest

from harness.tune import trial_output
from harness.tune.trial_output import (
    LOG_LIMIT,
    TrialLog,
    WorkerEvidence,
    evidence_here,
    log_file,
    oom_kill_count,
)
from harness.tune.worker_failures import classify_failure

WORKER = """
import os, signal, sys, time
from pathlib import Path
from harness.tune import trial_output
trial_output.GRACE_S = 0.0
log = trial_output.TrialLog(Path(sys.argv[1]), "a")
with log.capturing(left_s=0.3 if sys.argv[2] == "hang" else None):
    print("so far so good")
    if sys.argv[2] == "segfault":
        import faulthandler
        faulthandler._sigsegv()
    if sys.argv[2] == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(20)
"""


@pytest.fixture
def remains(tmp_path: Path):
    """What a process leaves that dies in this way."""

    def die(how: str) -> WorkerEvidence:
        command = [sys.executable, "-c", WORKER, str(tmp_path / "logs"), how]
        done = subprocess.run(command, timeout=60, check=False, capture_output=True)
        assert done.returncode != 0
        return evidence_here(tmp_path / "logs", ["a", "never began"])["a"]

    return die


def test_a_process_that_hangs_says_where(remains) -> None:
    """Its time limit ended it."""
    death = classify_failure(remains("hang"), "")

    assert death.cause == "time limit"
    assert death.log.startswith("so far so good\n")
    assert "line 14" in (death.trace or "")


def test_a_process_that_crashes_says_where(remains) -> None:
    """Out of Python's reach, and still it is written."""
    death = classify_failure(remains("segfault"), "")

    assert death.cause == "unknown"
    assert death.detail.startswith("Segmentation fault, as where a model writes into the data")
    assert (death.trace or "").startswith("Fatal Python error: Segmentation fault")


def test_a_process_that_is_killed_leaves_its_log_and_no_cause(remains) -> None:
    """Nothing is made up."""
    death = classify_failure(remains("kill"), "")

    assert (death.cause, death.text) == ("unknown", "the worker's process died")
    assert death.log == "so far so good\n"
    assert death.trace is None


def test_kills_of_the_kernel_are_counted_from_the_trial_s_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One more than at its start, as many as at its start."""
    for trial_id in ("a", "b"):
        monkeypatch.setattr(
            "harness.tune.trial_output.oom_kill_count", lambda id=trial_id: 4 + (id == "b")
        )
        TrialLog(tmp_path, trial_id)
    monkeypatch.setattr(trial_output, "oom_kill_count", lambda: 5)
    found = evidence_here(tmp_path, ["a", "b"])

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


def test_the_kernel_s_counts_are_added(tmp_path: Path) -> None:
    """Of both kinds of files; null where there are none."""
    (tmp_path / "vmstat").write_text("nr_free_pages 12\noom_kill 3\n")
    (tmp_path / "events").write_text("low 0\noom 9\noom_kill 2\noom_group_kill 7\n")

    assert oom_kill_count([tmp_path / "vmstat", tmp_path / "events", tmp_path / "none"]) == 5
    assert oom_kill_count([tmp_path / "none"]) is None
