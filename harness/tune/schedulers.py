"""What stops trials early: ASHA on the fold mean of every epoch, knowing what earlier runs said."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from ray import tune
from ray.tune.schedulers import AsyncHyperBandScheduler, FIFOScheduler, TrialScheduler

from harness.config.sections import Scheduler
from harness.results.table_reader import Curve
from harness.tune.ray_internals import retire_actor
from harness.tune.trainable import CHANGED


@dataclass(frozen=True)
class Pruning:
    """How trials of a sweep are compared and stopped.

    epochs: the most that any of them trains. mode: max or min of the objective.
    past: what trials of the same space reported in earlier runs, by any name.
    spared: trial ids that are trained to their end whatever they report.
    """

    scheduler: Scheduler
    epochs: int
    mode: str
    past: Mapping[str, Curve] = field(default_factory=dict)
    spared: Collection[str] = frozenset()


class Retiring(FIFOScheduler):  # type: ignore[misc]
    """Ray's own order of trials, without another trial for an actor whose process was changed."""

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        """Tune is about to keep the trial's actor for the next one."""
        super().on_trial_complete(tune_controller, trial, result)
        retire_actor(tune_controller, changed=bool(result.get(CHANGED)))


class Pruner(AsyncHyperBandScheduler):  # type: ignore[misc]
    """Ray's ASHA, which also knows the past, spares some, and remembers whom it stopped.

    A result without `epoch` (a trial's last) is none that it judges.
    """

    def __init__(self, pruning: Pruning, ids: Sequence[str]) -> None:
        """ids: trial id of each index in Tune's config; it may grow."""
        super().__init__(
            time_attr="epoch",
            metric="objective",
            mode=pruning.mode,
            max_t=pruning.epochs,
            grace_period=pruning.scheduler.grace_of(pruning.epochs),
            reduction_factor=pruning.scheduler.reduction_factor,
        )
        self._ids, self._spared = ids, frozenset(pruning.spared)
        self.stopped: set[str] = set()
        for trial_id, curve in pruning.past.items():
            self._replay(trial_id, curve)

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """STOP for a trial that falls behind at a rung; never for one that is spared."""
        decision: str = super().on_trial_result(tune_controller, trial, result)
        trial_id = self._ids[trial.config["index"]]
        if decision != TrialScheduler.STOP or trial_id in self._spared:
            return str(TrialScheduler.CONTINUE)
        self.stopped.add(trial_id)
        return decision

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        """See `Retiring`."""
        super().on_trial_complete(tune_controller, trial, result)
        retire_actor(tune_controller, changed=bool(result.get(CHANGED)))

    def _replay(self, trial_id: str, curve: Curve) -> None:
        """Fills the rungs as if the trial had run here."""
        trial = SimpleNamespace(trial_id=trial_id)
        super().on_trial_add(None, trial)
        for epoch, value in curve:
            super().on_trial_result(None, trial, {"epoch": epoch, "objective": value})


class PrunerCallback(tune.Callback):  # type: ignore[misc]
    """Says which trial was stopped once Tune has let go of it."""

    def __init__(
        self, pruner: Pruner, ids: Sequence[str], on_pruned: Callable[[str], None]
    ) -> None:
        self._pruner, self._ids, self._on_pruned = pruner, ids, on_pruned

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune pickles its tuner; nothing here outlives this process

    def on_trial_complete(
        self, iteration: int, trials: Sequence[Any], trial: Any, **info: Any
    ) -> None:
        trial_id = self._ids[trial.config["index"]]
        if trial_id in self._pruner.stopped:
            self._on_pruned(trial_id)
