"""Trials that began and never ended: their rows, and what those may not replace."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from harness.tune.recovery.lost_trials import lost_rows, may_replace
from harness.tune.recovery.worker_failures import Death
from harness.tune.result_writer import Begun
from harness.tune.trainable import SweepTrial
from tests.plans import FILE, job_of, plan_of

SINCE = datetime(2026, 1, 1, tzinfo=UTC)


def trial(folder: Path, *, complete_before: bool = False, adds_repeats: bool = False) -> SweepTrial:
    plan = plan_of(folder, FILE)
    previous = ({"repeat": 1, "fold": 1},) if adds_repeats else ()
    job = job_of(plan, plan.trials[0], previous_folds=previous)
    entry = plan.trials[0].resolved.model
    return SweepTrial(job, "data", entry, complete_before=complete_before or adds_repeats)


def test_a_dead_process_is_a_failed_row_with_its_attempts(tmp_path: Path) -> None:
    """An interruption is another word."""
    one = trial(tmp_path)
    before = one.job.attempt

    died = lost_rows(one, Begun(2, [], SINCE), death=Death("unknown")).trial
    interrupted = lost_rows(one, Begun(1, [], SINCE, ("fixed_seed",)), death=None).trial

    assert (died["status"], died["attempt"]) == ("failed", before + 2)
    assert "died 2 times" in died["error"]
    assert (interrupted["status"], interrupted["attempt"]) == ("interrupted", before + 1)
    assert died["started_at"] == interrupted["started_at"] == SINCE
    assert (died["findings"], interrupted["findings"]) == (None, "fixed_seed")


@pytest.mark.parametrize(
    ("death", "error"),
    [
        (Death("unknown", "it crashed", "Bus error"), "it crashed 2 times: Bus error"),
        (
            Death("time limit"),
            "time limit of 9 s reached after 3 epochs; "
            "raise resources.time_limit_s, then --retry-failed",
        ),
        (
            Death("out of memory", "out of memory: Ray ended the worker; try less"),
            "out of memory: Ray ended the worker; try less",
        ),
    ],
)
def test_the_row_says_why_and_keeps_the_epochs(tmp_path: Path, death: Death, error: str) -> None:
    """With the trace that the process could still write."""
    epochs = [{"epoch": epoch, "epoch_time_s": 1.0} for epoch in (1, 2, 3)]
    death = replace(death, trace="File model.py, line 3")
    begun = Begun(2, epochs, findings=("dead_parameters",))
    rows = lost_rows(trial(tmp_path), begun, death=death, time_limit_s=9.0)

    assert (rows.trial["error"], rows.trial["traceback"]) == (error, "File model.py, line 3")
    assert (rows.trial["epochs_trained"], len(rows.epochs)) == (3, 3)
    assert rows.trial["findings"] == "dead_parameters"


@pytest.mark.parametrize("died", [True, False])
def test_repeats_that_never_ended_leave_the_earlier_ones_complete(
    tmp_path: Path, died: bool
) -> None:
    """Nothing that is finished is lost."""
    assert not may_replace(trial(tmp_path, adds_repeats=True), died=died)


def test_an_interruption_never_replaces_complete_rows_but_a_failure_may(tmp_path: Path) -> None:
    """A trial forced to train again that fails has failed; a new one always gets its row."""
    forced, new = trial(tmp_path, complete_before=True), trial(tmp_path)

    assert not may_replace(forced, died=False)
    assert may_replace(forced, died=True)
    assert may_replace(new, died=False)
