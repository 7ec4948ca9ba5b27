"""Why workers died, which trials are tried again and on what terms, and the rows of the rest."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from harness.training.trial_rows import TrialJob
from harness.tune.result_writer import RunningTrial
from harness.tune.trial_output import WorkerEvidence
from harness.tune.worker_failures import (
    Attempt,
    AttemptSettings,
    FailedTrials,
    WorkerFailure,
    attempts,
    classify_failure,
    first_attempt,
    larger_share,
    out_of_memory_text,
    retry_crashed,
    retry_out_of_memory,
    unfinished_rows,
)
from tests.plans import FILE, job_of, plan_of

RAY_EXIT = "Worker exit detail: Worker exits unexpectedly. Worker exits with an exit code 3."
SINCE = datetime(2026, 1, 1, tzinfo=UTC)
IDS = ["a", "b", "c", "d"]


def first(*, gpu: float = 0.0, jobs: int | None = None, fits: int = 4) -> Attempt:
    settings = AttemptSettings(Path("logs"), gpu=gpu)
    return first_attempt(len(IDS), to_draw=0, jobs=jobs, fits=fits, settings=settings)


def test_the_first_pass_holds_all_trials() -> None:
    """Those for which memory runs out hand themselves back where more can be given."""
    several, alone = first(), first(jobs=1)

    assert several.indices == (0, 1, 2, 3)
    assert (several.settings.alone, several.settings.larger_share_left) == (False, True)
    assert (alone.settings.alone, alone.settings.larger_share_left) == (True, False)
    assert first(fits=0).settings.alone  # a trial that needs more cores than there are


@pytest.mark.parametrize(
    ("gpu", "at_a_time", "expected"),
    [
        (0.25, 4, 0.5),
        (0.25, 1, 0.5),
        (0.7, 1, 1.0),
        (1.0, 2, None),
        (2.0, 1, None),
        (0.0, 2, 0.0),
        (0.0, 1, None),
    ],
)
def test_a_larger_share(gpu: float, at_a_time: int, expected: float | None) -> None:
    """Twice as much of a GPU, at most all of it; without one, to run alone."""
    assert larger_share(gpu, at_a_time=at_a_time) == expected


def test_each_retry_is_decided_once_the_attempt_before_it_has_run() -> None:
    """A trial that dies for want of memory when it is tried again gets a larger share."""
    failed = FailedTrials()
    made = []
    for attempt in attempts(first(), IDS, failed):
        made.append((attempt.indices, attempt.jobs))
        cause = "unknown" if len(made) == 1 else "out of memory"
        failed.crashed["c"] = WorkerFailure(cause)

    assert made == [((0, 1, 2, 3), None), ((2,), None), ((2,), 1)]


def test_only_deaths_without_a_cause_are_simply_repeated() -> None:
    """A time limit would be reached again; memory is another matter."""
    failed = FailedTrials(
        {
            "d": WorkerFailure("unknown"),
            "b": WorkerFailure("time limit"),
            "a": WorkerFailure("out of memory"),
        }
    )
    again = retry_crashed(first(), IDS, failed)

    assert again is not None
    assert (again.indices, again.jobs) == ((3,), None)
    assert again.why == "the worker of 1 trial died; tried once more"
    assert retry_crashed(first(), IDS, FailedTrials()) is None


def test_trials_without_memory_run_one_at_a_time_on_the_cpu() -> None:
    """Those that said so and those that were killed, and for the last time."""
    failed = FailedTrials(
        {"d": WorkerFailure("out of memory")}, {"b": "out of memory: MemoryError"}
    )
    again = retry_out_of_memory(first(), IDS, failed)

    assert again is not None
    assert (again.indices, again.jobs) == ((1, 3), 1)
    assert (again.settings.alone, again.settings.larger_share_left) == (True, False)
    assert again.why == "memory ran out for 2 trials; tried again one at a time"


def test_trials_without_memory_get_twice_the_share_of_the_gpu() -> None:
    """As many at a time as then fit."""
    again = retry_out_of_memory(
        first(gpu=0.25, jobs=4), IDS, FailedTrials({}, {"c": "out of memory"})
    )

    assert again is not None
    assert (again.jobs, again.settings.gpu, again.settings.alone) == (4, 0.5, False)
    assert again.why == "memory ran out for 1 trial; tried again with 0.5 of a GPU each"


def test_where_no_larger_share_is_left_nothing_is_tried_again() -> None:
    """It would end in the same way."""
    assert (
        retry_out_of_memory(first(jobs=1), IDS, FailedTrials({"a": WorkerFailure("out of memory")}))
        is None
    )


def test_what_begins_again_has_no_past() -> None:
    """Else it would be tried for ever."""
    failed = FailedTrials({"a": WorkerFailure("unknown")}, {"a": "out of memory"})
    failed.forget("a")

    assert (failed.crashed, failed.out_of_memory) == ({}, {})


def test_advice_says_what_was_tried_and_what_may_help() -> None:
    """By what the trial had."""
    error = "out of memory: MemoryError"

    assert out_of_memory_text(error, gpu=0.5, alone=False) == (
        f"{error}, with 0.5 of a GPU; try a smaller training.batch_size, a larger resources.gpu"
    )
    assert out_of_memory_text(error, gpu=0.0, alone=False).endswith(
        "batch_size, fewer trials at a time (--jobs)"
    )
    assert out_of_memory_text(error, gpu=1.0, alone=True).endswith(
        "a GPU; try a smaller training.batch_size"
    )


def test_want_of_memory_is_said_only_with_evidence() -> None:
    """Ray's monitor, or the kernel's count of killed processes."""
    ray = classify_failure(
        WorkerEvidence(), "... set the environment variable `RAY_memory_usage_threshold` ..."
    )
    kernel = classify_failure(WorkerEvidence(kernel_killed=True), "exits unexpectedly")
    neither = classify_failure(
        WorkerEvidence(), "(1) the process was killed by the OOM killer due to high memory"
    )

    assert [one.cause for one in (ray, kernel, neither)] == [
        "out of memory",
        "out of memory",
        "unknown",
    ]
    assert ray.text.startswith("out of memory: Ray ended the worker")


def test_an_exit_code_is_told_where_ray_knows_it() -> None:
    """sys.exit in a thread, an atexit handler."""
    assert classify_failure(WorkerEvidence(), RAY_EXIT).detail == "it ended itself with exit code 3"


def trial(folder: Path, *, complete_before: bool = False, adds_repeats: bool = False) -> TrialJob:
    plan = plan_of(folder, FILE)
    previous = ({"repeat": 1, "fold": 1},) if adds_repeats else ()
    job = job_of(plan, plan.trials[0], previous_folds=previous)
    return replace(job, complete_before=complete_before or adds_repeats)


def test_a_dead_process_is_a_failed_row_with_its_attempts(tmp_path: Path) -> None:
    """An interruption is another word."""
    one = trial(tmp_path)
    before = one.attempt

    died = unfinished_rows(one, RunningTrial(2, [], SINCE), failure=WorkerFailure("unknown")).trial
    interrupted = unfinished_rows(
        one, RunningTrial(1, [], SINCE, ("fixed_seed",)), failure=None
    ).trial

    assert (died["status"], died["attempt"]) == ("failed", before + 2)
    assert "died 2 times" in died["error"]
    assert (interrupted["status"], interrupted["attempt"]) == ("interrupted", before + 1)
    assert died["started_at"] == interrupted["started_at"] == SINCE
    assert (died["findings"], interrupted["findings"]) == (None, "fixed_seed")


@pytest.mark.parametrize(
    ("failure", "error"),
    [
        (WorkerFailure("unknown", "it crashed", "Bus error"), "it crashed 2 times: Bus error"),
        (
            WorkerFailure("time limit"),
            "time limit of 9 s reached after 3 epochs; "
            "raise resources.time_limit_s, then --retry-failed",
        ),
        (
            WorkerFailure("out of memory", "out of memory: Ray ended the worker; try less"),
            "out of memory: Ray ended the worker; try less",
        ),
    ],
)
def test_the_row_says_why_and_keeps_the_epochs(
    tmp_path: Path, failure: WorkerFailure, error: str
) -> None:
    """With the trace that the process could still write."""
    epochs = [{"epoch": epoch, "epoch_time_s": 1.0} for epoch in (1, 2, 3)]
    failure = replace(failure, trace="File model.py, line 3")
    begun = RunningTrial(2, epochs, findings=("dead_parameters",))
    rows = unfinished_rows(trial(tmp_path), begun, failure=failure, time_limit_s=9.0)

    assert (rows.trial["error"], rows.trial["traceback"]) == (error, "File model.py, line 3")
    assert (rows.trial["epochs_trained"], len(rows.epochs)) == (3, 3)
    assert rows.trial["findings"] == "dead_parameters"


@pytest.mark.parametrize("died", [True, False])
def test_repeats_that_never_ended_leave_the_earlier_ones_complete(
    tmp_path: Path, died: bool
) -> None:
    """Nothing that is finished is lost."""
    assert not trial(tmp_path, adds_repeats=True).rows_may_be_replaced(failed=died)


def test_an_interruption_never_replaces_complete_rows_but_a_failure_may(tmp_path: Path) -> None:
    """A trial forced to train again that fails has failed; a new one always gets its row."""
    forced, new = trial(tmp_path, complete_before=True), trial(tmp_path)

    assert not forced.rows_may_be_replaced(failed=False)
    assert forced.rows_may_be_replaced(failed=True)
    assert new.rows_may_be_replaced(failed=False)
