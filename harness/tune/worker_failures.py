"""Trials that failed with their worker's process or for want of memory: why, and what follows.

Trials whose process died are tried once more, those that ran out of memory with a larger share;
who still has no row in the end gets one that says why.
"""

import gc
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from harness.results.rows import TrialRows
from harness.training.trial_rows import TrialJob, ended_rows, failed_rows
from harness.tune.result_writer import RunningTrial
from harness.tune.trial_output import WorkerEvidence
from harness.user_code_errors import OUT_OF_MEMORY, TRACEBACK_LINES, time_limit_text

TO_RETRY = "to retry"  # the status in which a worker reports a trial that gets a larger share
RAY_MONITOR_WORDS = ("RAY_memory_usage_threshold", "OutOfMemoryError")

Cause = Literal["time limit", "out of memory", "unknown"]

_HUNG = re.compile(r"^Timeout \(\d+:\d\d:\d\d", re.MULTILINE)
_CRASH = re.compile(r"^Fatal Python error: (.+)$", re.MULTILINE)
_SEGMENTATION_FAULT = "Segmentation fault"
_WRITES = ", as where a model writes into the data that all trials share"
_EXIT_CODE = re.compile(r"exit code (-?\d+)")


@dataclass(frozen=True)
class WorkerFailure:
    """Why a worker's process died.

    Attributes:
        cause: What decides whether the trial is tried again.
        text: The cause in words.
        detail: How exactly, where that is known.
        log: The end of what the trial printed.
        trace: Where it was, as far as the process could still say so.
    """

    cause: Cause
    text: str = "the worker's process died"
    detail: str = ""
    log: str = ""
    trace: str | None = None


@dataclass(frozen=True)
class AttemptSettings:
    """On what terms the trials of one attempt run; a worker knows these.

    Attributes:
        logs: Folder of the trials' logs while they run, on every machine.
        time_limit_s: Seconds that one trial may train.
        gpu: Each trial's share.
        alone: No other trial runs beside it.
        larger_share_left: A trial that runs out of memory leaves no row, since it is tried again
            with a larger share.
    """

    logs: Path
    time_limit_s: float | None = None
    gpu: float = 0.0
    alone: bool = False
    larger_share_left: bool = False


@dataclass(frozen=True)
class Attempt:
    """One run of Tune over some of a sweep's trials.

    Attributes:
        indices: Of the trials, in the order of the sweep.
        jobs: Trials at a time; None fills the cores.
        settings: What the workers know of it.
        why: What a user is told of it; empty for the first one.
    """

    indices: tuple[int, ...]
    jobs: int | None
    settings: AttemptSettings
    why: str = ""


@dataclass
class FailedTrials:
    """Trials that got no row, by trial id.

    Attributes:
        crashed: How the process of each died.
        out_of_memory: The error of each for which memory ran out while its process went on.
    """

    crashed: dict[str, WorkerFailure] = field(default_factory=dict)
    out_of_memory: dict[str, str] = field(default_factory=dict)

    def forget(self, trial_id: str) -> None:
        """Drop what happened to a trial, which begins again."""
        self.crashed.pop(trial_id, None)
        self.out_of_memory.pop(trial_id, None)


def classify_failure(evidence: WorkerEvidence, ray_error: str) -> WorkerFailure:
    """Judge why a worker died, by what it left on its machine and by what Ray says.

    Args:
        evidence: Its log, and whether the kernel killed for memory meanwhile.
        ray_error: Ray's error, in whatever words.
    """
    log = evidence.log
    hung, crash = _last(_HUNG, log), _last(_CRASH, log)
    if hung:
        trace = _from(log, hung.start())
        return WorkerFailure("time limit", "time limit reached", log=log, trace=trace)
    if crash:
        reason, trace = crash.group(1).strip(), _from(log, crash.start())
        reason = f"{reason}{_WRITES}" if reason == _SEGMENTATION_FAULT else reason
        text = "the worker's process crashed"
        return WorkerFailure("unknown", text, reason, log=log, trace=trace)
    if any(words in ray_error for words in RAY_MONITOR_WORDS):
        text = f"{OUT_OF_MEMORY}Ray ended the worker, as its machine was nearly full"
        return WorkerFailure("out of memory", text, log=log)
    if evidence.kernel_killed:
        text = f"{OUT_OF_MEMORY}the worker's process died while the kernel killed for memory"
        return WorkerFailure("out of memory", text, log=log)
    code = _EXIT_CODE.search(ray_error)
    detail = f"it ended itself with exit code {code.group(1)}" if code else ""
    return WorkerFailure("unknown", detail=detail, log=log)


def first_attempt(
    n_trials: int, *, to_draw: int, jobs: int | None, fits: int, settings: AttemptSettings
) -> Attempt:
    """Return the attempt that trains all trials.

    Args:
        n_trials: Trials that are known.
        to_draw: Trials that a sampler may add.
        jobs: Trials at a time as asked for.
        fits: Trials that Ray can run at a time.
        settings: Without what follows from these numbers.
    """
    wanted = fits if jobs is None else min(jobs, fits)
    at_a_time = max(1, min(n_trials + to_draw, wanted))
    settings = replace(
        settings,
        alone=at_a_time == 1,
        larger_share_left=larger_share(settings.gpu, at_a_time=at_a_time) is not None,
    )
    return Attempt(tuple(range(n_trials)), jobs, settings)


def attempts(first: Attempt, trial_ids: Sequence[str], failed: FailedTrials) -> Iterator[Attempt]:
    """Yield the first attempt, then each retry that is due once the one before it has run.

    Args:
        first: All trials.
        trial_ids: By index; it may grow meanwhile.
        failed: Who got no row; it changes meanwhile.
    """
    yield first
    for retry in (retry_crashed, retry_out_of_memory):
        attempt = retry(first, trial_ids, failed)
        if attempt is not None:
            yield attempt


def retry_crashed(first: Attempt, trial_ids: Sequence[str], failed: FailedTrials) -> Attempt | None:
    """Return an attempt for trials whose process died for no known reason, on the same terms."""
    crashed = [key for key, failure in failed.crashed.items() if failure.cause == "unknown"]
    if not crashed:
        return None
    why = f"the worker of {_counted(crashed)} died; tried once more"
    return replace(first, indices=_indices(crashed, trial_ids), why=why)


def retry_out_of_memory(
    first: Attempt, trial_ids: Sequence[str], failed: FailedTrials
) -> Attempt | None:
    """Return an attempt for trials that ran out of memory: more of the GPU, or one at a time."""
    killed = [key for key, failure in failed.crashed.items() if failure.cause == "out of memory"]
    starved = [*failed.out_of_memory, *killed]
    if not starved or not first.settings.larger_share_left:
        return None
    gpu = larger_share(first.settings.gpu, at_a_time=2) or 0.0
    share = f"with {gpu:g} of a GPU each" if gpu else "one at a time"
    return Attempt(
        _indices(starved, trial_ids),
        first.jobs if gpu else 1,
        replace(first.settings, gpu=gpu, alone=not gpu, larger_share_left=False),
        why=f"memory ran out for {_counted(starved)}; tried again {share}",
    )


def larger_share(gpu: float, *, at_a_time: int) -> float | None:
    """Return twice the share of a GPU, at most a whole one; None where there is no larger one.

    Args:
        gpu: The share so far.
        at_a_time: Trials that ran beside each other; without a GPU the larger share is to run
            alone, so 0.0 is returned where there were several.
    """
    if gpu == 0:
        return 0.0 if at_a_time > 1 else None
    return min(2 * gpu, 1.0) if gpu < 1 else None


def out_of_memory_text(error: str, *, gpu: float, alone: bool) -> str:
    """Return the error of a trial for which memory ran out, with what may help.

    Args:
        error: As the trial or Ray has it.
        gpu: The trial's share in the last attempt.
        alone: No other trial ran beside it.
    """
    reason = error if error.startswith(OUT_OF_MEMORY) else OUT_OF_MEMORY + error
    tried = f", with {gpu:g} of a GPU" if gpu else ", with no trial beside it" if alone else ""
    more = [", a larger resources.gpu"] if 0 < gpu < 1 else []
    more += [", fewer trials at a time (--jobs)"] if not gpu and not alone else []
    return f"{reason}{tried}; try a smaller training.batch_size{''.join(more)}"


def free_gpu_cache() -> None:
    """Give back what torch keeps of a GPU's memory; the next trial needs it."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def stopped_rows(job: TrialJob, status: str, running: RunningTrial) -> TrialRows:
    """Return the rows of a trial that was stopped, with its epochs and findings so far.

    Args:
        job: As it was before the sweep.
        status: `pruned` or `interrupted`.
        running: What the result writer knows of it.
    """
    return ended_rows(
        replace(job, attempt=job.attempt + running.attempts),
        status,
        running.epochs,
        started_at=running.started_at,
        findings=running.findings,
    )


def unfinished_rows(
    job: TrialJob,
    running: RunningTrial,
    *,
    failure: WorkerFailure | None,
    time_limit_s: float | None = None,
) -> TrialRows:
    """Return the rows of a trial that never ended: failed where its process died, else interrupted.

    Args:
        job: As it was before the sweep.
        running: What the result writer knows of it.
        failure: How its process died; None where the sweep was stopped.
        time_limit_s: The one that its process may have died of.
    """
    if failure is None:
        return stopped_rows(job, "interrupted", running)
    attempts, epochs, started_at, findings = running
    job = replace(job, attempt=job.attempt + attempts)
    if failure.cause == "time limit":
        done = max((row["epoch"] for row in epochs), default=0)
        error = time_limit_text(time_limit_s or 0.0, done)
    elif failure.cause == "out of memory":
        error = failure.text
    else:
        times = f"{attempts} time{'s' if attempts != 1 else ''}"
        error = f"{failure.text} {times}{f': {failure.detail}' if failure.detail else ''}"
    return failed_rows(
        job, error, epochs, trace=failure.trace, started_at=started_at, findings=findings
    )


def _indices(trial_ids: Sequence[str], all_ids: Sequence[str]) -> tuple[int, ...]:
    index_of = {trial_id: index for index, trial_id in enumerate(all_ids)}
    return tuple(sorted(index_of[trial_id] for trial_id in trial_ids))


def _counted(trial_ids: Sequence[str]) -> str:
    return "1 trial" if len(trial_ids) == 1 else f"{len(trial_ids)} trials"


def _last(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    match = None
    for match in pattern.finditer(text):  # noqa: B007
        pass
    return match


def _from(log: str, start: int) -> str:
    return "\n".join(log[start:].splitlines()[:TRACEBACK_LINES])
