"""The four places where Ray Tune calls us, each of which passes the call on to the controller.

Tune's trials carry an index, ours a trial id.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ray import tune
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from harness.search.protocols import Decision, TrialOutcome
from harness.tune.controller import SweepController
from harness.tune.ray_internals import forget_statistics, retire_actor
from harness.tune.tracking import Tracker
from harness.tune.trainable import CHANGED


class SweepCallback(tune.Callback):  # type: ignore[misc]
    """What becomes of trials, for the controller and, where there is one, the tracker."""

    def __init__(self, controller: SweepController, tracker: Tracker | None = None) -> None:
        self._controller, self._tracker = controller, tracker

    def on_trial_start(
        self, iteration: int, trials: Sequence[Any], trial: Any, **info: Any
    ) -> None:
        """A worker took a trial."""
        self._controller.started(_index(trial))
        if self._tracker is not None:
            self._tracker.started(self._trial_id(trial))

    def on_trial_result(
        self, iteration: int, trials: Sequence[Any], trial: Any, result: Any, **info: Any
    ) -> None:
        """A worker reported."""
        if "status" in result:
            self._controller.reported(_index(trial), result)
        if self._tracker is not None:
            self._tracker.reported(self._trial_id(trial), result, iteration=iteration)

    def on_trial_complete(
        self, iteration: int, trials: Sequence[Any], trial: Any, **info: Any
    ) -> None:
        """A trial ended, by itself or stopped by the scheduler."""
        forget_statistics(trial)
        self._controller.completed(_index(trial))

    def on_trial_error(
        self, iteration: int, trials: Sequence[Any], trial: Any, **info: Any
    ) -> None:
        """A worker died."""
        self._controller.crashed(_index(trial), trial)
        if self._tracker is not None:
            self._tracker.crashed(self._trial_id(trial))

    def on_experiment_end(self, trials: Sequence[Any], **info: Any) -> None:
        """An attempt ended."""
        if self._tracker is not None:
            self._tracker.ended(trials)

    def _trial_id(self, trial: Any) -> str:
        return self._controller.trial_ids[_index(trial)]


class SweepStopper(tune.Stopper):  # type: ignore[misc]
    """Whether the sweep ends; a single trial is stopped by the scheduler alone."""

    def __init__(self, controller: SweepController) -> None:
        self._controller = controller

    def __call__(self, trial_id: str, result: Mapping[str, Any]) -> bool:
        """Return False: see the class."""
        return False

    def stop_all(self) -> bool:
        """Return whether the sweep ends."""
        return self._controller.should_stop()


class SweepScheduler(FIFOScheduler):  # type: ignore[misc]
    """Ray's own order of trials; the controller decides which of them to stop."""

    def __init__(self, controller: SweepController) -> None:
        super().__init__()
        self._controller = controller

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        """Tune knows of a trial."""
        self._controller.added(_index(trial))

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Return Ray's word for the controller's decision."""
        decision = self._controller.decide(_index(trial), result)
        stop = decision is Decision.STOP
        return str(TrialScheduler.STOP if stop else TrialScheduler.CONTINUE)

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        """Give no other trial to an actor whose process was changed."""
        retire_actor(tune_controller, changed=bool(result.get(CHANGED)))


class SweepSearcher(Searcher):  # type: ignore[misc]
    """Gives Tune one trial of the controller at a time, and the sampler each outcome."""

    def __init__(self, controller: SweepController) -> None:
        super().__init__()
        self._controller = controller
        self._indices: dict[str, int] = {}

    def suggest(self, trial_id: str) -> dict[str, int] | str | None:
        """Return Tune's next config, or that there is none.

        Args:
            trial_id: Tune's own.
        """
        index = self._controller.next_index()
        if index is None:
            return str(Searcher.FINISHED)
        self._indices[trial_id] = index
        return {"index": index}

    def on_trial_complete(
        self, trial_id: str, result: Mapping[str, Any] | None = None, error: bool = False
    ) -> None:
        """Tune's trial ended: on its own, stopped by the scheduler, or with its process."""
        index = self._indices.pop(trial_id, None)
        outcome = _outcome(result, error=error)
        if index is not None and outcome is not None:
            self._controller.tell_sampler(index, outcome)

    def save(self, checkpoint_path: str) -> None:
        """Save nothing: what ended is in the tables."""

    def restore(self, checkpoint_path: str) -> None:
        """Restore nothing: a new run reads the tables."""


def _index(trial: Any) -> int:
    index: int = trial.config["index"]
    return index


def _outcome(result: Mapping[str, Any] | None, *, error: bool) -> TrialOutcome | None:
    """Return how a trial ended; None for one that is tried again or was interrupted."""
    if error:
        return TrialOutcome("failed")
    if not result or "status" not in result:
        return None
    status = result["status"]
    if status == "running":
        return TrialOutcome("pruned", result["objective"], int(result["epoch"]))
    return TrialOutcome(status, result["objective"]) if status in ("complete", "failed") else None
