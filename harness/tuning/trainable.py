"""What a Ray worker runs: one trial, its rows handed over before Tune hears of its end."""

import contextlib
import io
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import ray
from ray import tune

from harness.data import catalog
from harness.data.signature import defines
from harness.results.rows import to_ipc, to_tables
from harness.trial import TrialJob, TrialResult, trial_epochs
from harness.tuning.collector import Wanted
from harness.tuning.tracking import epoch_point, final_point

REPORT_EVERY_S = 1.0
LOG_LIMIT = 200_000

TrialEpochs = Generator[tuple[tuple[dict[str, Any], ...], float], None, TrialResult]


@dataclass(frozen=True)
class SweepTrial:
    """A job, the data it trains on, and the file its model is built from.

    complete_before: the tables hold complete rows of it, which only complete rows may replace
    where the job adds repeats, and which no interruption may replace.
    start_key: of the weights that it starts from; None for random ones.
    """

    job: TrialJob
    data_key: str
    model: catalog.Entry
    complete_before: bool = False
    start_key: str | None = None


@dataclass(frozen=True)
class Shared:
    """What all trials of a sweep share; references, so that a worker fetches each only once.

    tracked: Tune is also told every epoch's losses and scores, which its loggers pass on.
    """

    trials: Any
    schemas: Any
    data: Mapping[str, Any]
    collector: Any
    weights: Mapping[str, Any] = field(default_factory=dict)
    tracked: bool = False


_fetched: dict[str, Any] = {}


class TrialTrainable(tune.Trainable):  # type: ignore[misc]
    """One trial for Tune; a step trains for about a second, the last one hands over the rows.

    Tune's config is the trial's index and nothing else. An actor takes one trial after another.
    """

    def setup(self, config: Mapping[str, int], shared: Shared) -> None:
        """Tune's first trial of this actor."""
        self._shared = shared
        self.reset_config(config)

    def reset_config(self, new_config: Mapping[str, int]) -> bool:
        """Tune's next trial of this actor; True says that the actor may go on."""
        self._trial: SweepTrial = _fetch(self._shared.trials)[new_config["index"]]
        self._epochs: TrialEpochs | None = None
        return True

    def step(self) -> dict[str, Any]:
        """Trains until there is something to say."""
        if self._epochs is None:
            self._begin()
        with _captured(self._log):
            return self._advance()

    def _begin(self) -> None:
        job, shared = self._trial.job, self._shared
        attempt, self._best = ray.get(shared.collector.begin.remote(job.trial_id))
        self._job = replace(job, attempt=job.attempt + attempt)
        self._log = io.StringIO()
        model = self._trial.model
        self._epochs = trial_epochs(
            self._job,
            _fetch(shared.data[self._trial.data_key]),
            build=lambda **arguments: catalog.load(model).build(**arguments),
            attention=attention_of(model),
            weights=self._weights(),
        )

    def _weights(self) -> Mapping[str, Any] | None:
        reference = self._shared.weights.get(self._trial.start_key or "")
        return None if reference is None else _fetch(reference)

    def _advance(self) -> dict[str, Any]:
        """Epochs for about a second, or all that are left; what Tune is told of them."""
        assert self._epochs is not None
        rows: list[dict[str, Any]] = []
        curve: list[dict[str, Any]] = []
        until_s = time.monotonic() + REPORT_EVERY_S
        while True:
            try:
                new_rows, objective = next(self._epochs)
            except StopIteration as end:
                return {**self._ended(end.value), **self._tracked(curve, end.value)}
            rows.extend(new_rows)
            if self._shared.tracked:
                curve.append(epoch_point(new_rows, objective))
            if time.monotonic() >= until_s:
                self._shared.collector.epochs.remote(self._job.trial_id, rows)
                epoch = rows[-1]["epoch"]
                running = {"epoch": epoch, "objective": objective, "status": "running"}
                return {**running, **self._tracked(curve)}

    def _tracked(
        self, curve: list[dict[str, Any]], result: TrialResult | None = None
    ) -> dict[str, Any]:
        """What Tune's loggers are told, where there are any."""
        if not self._shared.tracked:
            return {}
        if result is None:
            return {"curve": curve}
        trained = result.rows.trial.get("epochs_trained") or 0
        return {"curve": curve, "final": final_point(result.rows.trial), "epochs_trained": trained}

    def _ended(self, result: TrialResult) -> dict[str, Any]:
        log = self._log.getvalue()[-LOG_LIMIT:]
        _hand_over(result, self._job, self._shared, log=log, best=self._best)
        return {**_last_words(result, self._job), "done": True}


def attention_of(model: catalog.Entry) -> Callable[..., Any] | None:
    """The model's own, imported when it is called: an import that fails is the trial's failure."""
    if not defines(model.file, "attention"):
        return None
    return lambda *arguments: catalog.load(model).attention(*arguments)


def _hand_over(
    result: TrialResult, job: TrialJob, shared: Shared, *, log: str, best: Wanted
) -> None:
    if job.previous_folds and result.rows.trial["status"] != "complete":
        ray.get(shared.collector.leave.remote(job.trial_id, log))
        return
    objective = result.rows.trial.get(f"val_{job.objective}_mean")
    if result.weights and best.wants(objective):
        _hand_over_weights(result, job, shared)
    tables = to_ipc(to_tables(result.rows, _fetch(shared.schemas)))
    ray.get(shared.collector.done.remote(job.trial_id, tables, log))


def _hand_over_weights(result: TrialResult, job: TrialJob, shared: Shared) -> None:
    """Only what beat the best at this trial's start is asked about again."""
    objective = result.rows.trial.get(f"val_{job.objective}_mean")
    wanted: Wanted = ray.get(shared.collector.wanted.remote())
    if wanted.wants(objective):
        states = result.weights.items()
        files = {f"{repeat}-{fold}.pt": _bytes(state) for (repeat, fold), state in states}
        ray.get(shared.collector.keep_weights.remote(job.trial_id, objective, files))


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
def _captured(log: io.StringIO) -> Iterator[None]:
    """What the model prints belongs into the trial's log, not onto the driver's screen."""
    with contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
        yield
