"""Schedulers that stop trials early, behind the protocol of `harness.search.protocols`."""

from collections.abc import Mapping
from types import SimpleNamespace

from ray.tune.schedulers import AsyncHyperBandScheduler, TrialScheduler

from harness.config.sections import Scheduler
from harness.results.table_reader import Curve
from harness.search.protocols import Decision


class AshaScheduler:
    """Ray's ASHA on the fold mean of every epoch, which also knows what earlier runs reported."""

    def __init__(
        self, settings: Scheduler, *, epochs: int, mode: str, past: Mapping[str, Curve]
    ) -> None:
        """Fill the rungs as if the trials of earlier runs had run here.

        Args:
            settings: `search.scheduler` of the file.
            epochs: The most that any trial trains.
            mode: `max` or `min` of the objective.
            past: What trials of the same space reported in earlier runs, by trial id.
        """
        self._asha = AsyncHyperBandScheduler(
            time_attr="epoch",
            metric="objective",
            mode=mode,
            max_t=epochs,
            grace_period=settings.grace_of(epochs),
            reduction_factor=settings.reduction_factor,
        )
        self._n_added = 0
        self._runs: dict[str, SimpleNamespace] = {}
        for trial_id, curve in past.items():
            self.add(trial_id)
            for epoch, value in curve:
                self.report(trial_id, epoch, value)

    def add(self, trial_id: str) -> None:
        """See `harness.search.protocols.Scheduler`."""
        self._n_added += 1  # Ray never judges an id twice at a rung, so each run gets a new one
        self._runs[trial_id] = SimpleNamespace(trial_id=self._n_added)
        self._asha.on_trial_add(None, self._runs[trial_id])

    def report(self, trial_id: str, epoch: int, value: float) -> Decision:
        """See `harness.search.protocols.Scheduler`."""
        result = {"epoch": epoch, "objective": value}
        action = self._asha.on_trial_result(None, self._runs[trial_id], result)
        return Decision.STOP if action == TrialScheduler.STOP else Decision.CONTINUE
