"""What decides in a sweep beside its trials: who is drawn, who is stopped, when all ends."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import pyarrow as pa
import ray
from ray import tune

from harness.events import TrialEnded
from harness.results.rows import to_tables
from harness.search.optuna_study import Ended
from harness.training.trial_rows import ended_rows
from harness.tune.callbacks import Watcher
from harness.tune.ray_internals import can_retire_actors
from harness.tune.recovery.retry import Pass
from harness.tune.schedulers import Pruner, PrunerCallback, Pruning, Retiring
from harness.tune.searcher import DrawingSearcher
from harness.tune.trainable import SweepTrial


class TrialSource(Protocol):
    """What draws trials while a sweep runs, asked for one and then given its outcome.

    left: how many it may draw. drawn: those so far, as the plan has them.
    """

    @property
    def left(self) -> int: ...

    @property
    def drawn(self) -> Sequence[Any]: ...

    def draw(self) -> SweepTrial | None:
        """Return the next trial; None where there is none."""

    def ended(self, trial_id: str, ended: Ended) -> None:
        """Take the outcome of a trial that was drawn here, or that was missing before."""


@dataclass(frozen=True, eq=False)
class Steering:
    """What a benchmark's `search` asks of a sweep. deadline_s: monotonic time at which it ends."""

    drawer: "TrialSource | None" = None
    pruning: Pruning | None = None
    deadline_s: float | None = None

    @property
    def to_draw(self) -> int:
        """How many trials it adds at most."""
        return self.drawer.left if self.drawer else 0

    @property
    def drawn(self) -> tuple[Any, ...]:
        """The trials that were drawn so far."""
        return tuple(self.drawer.drawn) if self.drawer else ()

    def out_of_time(self) -> bool:
        """Whether the time budget is over."""
        return self.deadline_s is not None and time.monotonic() >= self.deadline_s


@dataclass(frozen=True, eq=False)
class Tuning:
    """What Tune is given for one pass: the space, how it is walked, and who else listens."""

    space: dict[str, Any]
    config: tune.TuneConfig
    callbacks: list[tune.Callback]


class Helm:
    """One sweep's steering at work, on the driver; it lasts for all passes over the trials.

    trials: trial id -> trial, of the request and of those drawn since.
    """

    def __init__(
        self,
        steering: Steering,
        trials: Sequence[SweepTrial],
        watcher: Watcher,
        *,
        schemas: Mapping[str, pa.Schema],
        place: Callable[[SweepTrial], SweepTrial],
    ) -> None:
        """place: a drawn trial on the device that it gets."""
        self.trials = {one.job.trial_id: one for one in trials}
        self._watcher, self._schemas, self._place = watcher, schemas, place
        self._drawer = steering.drawer
        pruning = steering.pruning
        self._pruner = None if pruning is None else Pruner(pruning, watcher.ids)

    def first(self, one: Pass, *, fits: int) -> Tuning:
        """The first pass: the trials that are missing, and those that are drawn.

        fits: how many trials run at a time; a draw waits until one of them has ended.
        """
        if self._drawer is None:
            return self.following(one)
        at_a_time = max(1, fits if one.jobs is None else min(one.jobs, fits))
        config = self._config(
            search_alg=DrawingSearcher(one.indices, self._draw, self._ended),
            num_samples=-1,
            max_concurrent_trials=at_a_time,
        )
        return Tuning({}, config, self._callbacks())

    def following(self, one: Pass) -> Tuning:
        """A pass over trials that are known."""
        space = {"index": tune.grid_search(list(one.indices))}
        return Tuning(space, self._config(max_concurrent_trials=one.jobs), self._callbacks())

    def _config(self, **given: Any) -> tune.TuneConfig:
        scheduler = self._pruner or Retiring()
        return tune.TuneConfig(reuse_actors=can_retire_actors(), scheduler=scheduler, **given)

    def _callbacks(self) -> list[tune.Callback]:
        if self._pruner is None:
            return []
        return [PrunerCallback(self._pruner, self._watcher.ids, self._pruned)]

    def _draw(self) -> int | None:
        assert self._drawer is not None
        drawn = self._drawer.draw()
        if drawn is None:
            return None
        trial, index = self._place(drawn), len(self._watcher.ids)
        ray.get(self._watcher.collector.offer.remote(index, trial))
        self._watcher.ids.append(trial.job.trial_id)
        self.trials[trial.job.trial_id] = trial
        return index

    def _ended(self, index: int, ended: Ended) -> None:
        assert self._drawer is not None
        self._drawer.ended(self._watcher.ids[index], ended)

    def _pruned(self, trial_id: str) -> None:
        """The rows of a trial that was stopped: it is done, with the epochs that it has."""
        collector = self._watcher.collector
        found = ray.get(collector.unfinished.remote()).get(trial_id)
        if found is None:
            return
        job = self.trials[trial_id].job
        job = replace(job, attempt=job.attempt + found.attempts)
        rows = ended_rows(
            job, "pruned", found.epochs, started_at=found.started_at, findings=found.findings
        )
        ray.get(collector.add.remote(trial_id, to_tables(rows, self._schemas)))
        self._watcher.statuses[trial_id] = "pruned"
        fit_time_s = float(rows.trial["fit_time_s"])
        self._watcher.on_event(TrialEnded(trial_id, "pruned", None, None, fit_time_s))
