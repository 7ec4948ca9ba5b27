"""What a Ray worker runs: one trial, its rows handed over before Tune hears of its end."""

import contextlib
import io
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import ray
from ray import tune

from harness.data import catalog
from harness.results.rows import to_ipc, to_tables
from harness.trial import TrialJob, TrialResult, run_trial

REPORT_EVERY_S = 1.0
LOG_LIMIT = 200_000


@dataclass(frozen=True)
class SweepTrial:
    """A job, the data it trains on, and the file its model is built from.

    complete_before: the tables hold complete rows of it, which only complete rows may replace
    where the job adds repeats, and which no interruption may replace.
    """

    job: TrialJob
    data_key: str
    model: catalog.Entry
    complete_before: bool = False


@dataclass(frozen=True)
class Shared:
    """What all trials of a sweep share; references, so that a worker fetches each only once."""

    trials: Any
    schemas: Any
    data: Mapping[str, Any]
    collector: Any


_fetched: dict[str, Any] = {}


def train_trial(config: Mapping[str, int], *, shared: Shared) -> None:
    """The Tune trainable: `config` is the trial's index and nothing else."""
    trial: SweepTrial = _fetch(shared.trials)[config["index"]]
    attempt = ray.get(shared.collector.begin.remote(trial.job.trial_id))
    job = replace(trial.job, attempt=trial.job.attempt + attempt)
    watcher = _Watcher(job.trial_id, shared.collector)
    with _captured() as log:
        result = run_trial(
            job,
            _fetch(shared.data[trial.data_key]),
            build=lambda **arguments: catalog.load(trial.model).build(**arguments),
            on_epoch=watcher.epoch_ended,
        )
    _hand_over(result, job, shared, log.getvalue()[-LOG_LIMIT:])
    tune.report(_last_words(result, job))


class _Watcher:
    """Passes on a running trial's epochs, at most about once a second."""

    def __init__(self, trial_id: str, collector: Any) -> None:
        self._trial_id, self._collector = trial_id, collector
        self._rows: list[dict[str, Any]] = []
        self._epoch = 0
        self._last_s = time.monotonic()

    def epoch_ended(self, rows: Sequence[dict[str, Any]], objective: float) -> None:
        self._epoch += 1
        self._rows.extend(rows)
        now_s = time.monotonic()
        if now_s - self._last_s < REPORT_EVERY_S:
            return
        self._collector.epochs.remote(self._trial_id, self._rows)
        self._rows, self._last_s = [], now_s
        tune.report({"epoch": self._epoch, "objective": objective, "status": "running"})


def _hand_over(result: TrialResult, job: TrialJob, shared: Shared, log: str) -> None:
    if job.previous_folds and result.rows.trial["status"] != "complete":
        ray.get(shared.collector.leave.remote(job.trial_id, log))
        return
    objective = result.rows.trial.get(f"val_{job.objective}_mean")
    if result.weights and ray.get(shared.collector.wants_weights.remote(objective)):
        files = {
            f"{repeat}-{fold}.pt": _bytes(state) for (repeat, fold), state in result.weights.items()
        }
        ray.get(shared.collector.keep_weights.remote(job.trial_id, objective, files))
    tables = to_ipc(to_tables(result.rows, _fetch(shared.schemas)))
    ray.get(shared.collector.done.remote(job.trial_id, tables, log))


def _last_words(result: TrialResult, job: TrialJob) -> dict[str, Any]:
    row = result.rows.trial
    return {
        "status": row["status"],
        "objective": row.get(f"val_{job.objective}_mean"),
        "objective_std": row.get(f"val_{job.objective}_std"),
        "fit_time_s": row.get("fit_time_s"),
        "error": row.get("error"),
    }


def _bytes(state: Mapping[str, Any]) -> bytes:
    import torch

    buffer = io.BytesIO()
    torch.save(dict(state), buffer)
    return buffer.getvalue()


def _fetch(reference: Any) -> Any:
    """The value behind a reference, fetched once per worker; arrays stay in shared memory."""
    key = reference.hex()
    if key not in _fetched:
        _fetched[key] = ray.get(reference)
    return _fetched[key]


@contextlib.contextmanager
def _captured() -> Iterator[io.StringIO]:
    """What the model prints belongs into the trial's log, not onto the driver's screen."""
    log = io.StringIO()
    with contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
        yield log
