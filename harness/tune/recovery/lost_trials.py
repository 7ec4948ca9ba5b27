"""Rows of trials that began and never handed theirs over, and what those may not replace."""

from dataclasses import replace

from harness.failures import time_limit_text
from harness.results.rows import TrialRows
from harness.training.trial_rows import ended_rows, failed_rows
from harness.tune.recovery.worker_failures import Death
from harness.tune.result_writer import Begun
from harness.tune.trainable import SweepTrial


def lost_rows(
    trial: SweepTrial,
    begun: Begun,
    *,
    death: Death | None,
    time_limit_s: float | None = None,
) -> TrialRows:
    """The rows of a trial that never ended: failed where its process died, else interrupted.

    time_limit_s: the one that its process may have died of.
    """
    attempts, epochs, started_at, findings = begun
    job = replace(trial.job, attempt=trial.job.attempt + attempts)
    if death is None:
        return ended_rows(job, "interrupted", epochs, started_at=started_at, findings=findings)
    if death.cause == "time limit":
        done = max((row["epoch"] for row in epochs), default=0)
        error = time_limit_text(time_limit_s or 0.0, done)
    elif death.cause == "out of memory":
        error = death.text
    else:
        times = f"{attempts} time{'s' if attempts != 1 else ''}"
        error = f"{death.text} {times}{f': {death.detail}' if death.detail else ''}"
    return failed_rows(
        job, error, epochs, trace=death.trace, started_at=started_at, findings=findings
    )


def may_replace(trial: SweepTrial, *, died: bool) -> bool:
    """Whether such rows may stand in the tables: never in the place of complete ones, unless all
    of the trial was trained again and that is what failed."""
    if trial.job.previous_folds:
        return False
    return died or not trial.complete_before
