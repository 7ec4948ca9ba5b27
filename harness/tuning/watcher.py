"""What Tune says while a sweep runs, as events; and the signals that stop it."""

import contextlib
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import ray
from ray import tune

from harness.events import EpochEnded, OnEvent, TrialEnded, TrialStarted


class Watcher(tune.Stopper):  # type: ignore[misc]
    """Turns what Tune says into events, and stops the sweep when writing failed."""

    def __init__(self, ids: Sequence[str], on_event: OnEvent, collector: Any) -> None:
        self.ids = list(ids)
        self.on_event, self.collector = on_event, collector
        self.statuses: dict[str, str] = {}
        self.died: set[str] = set()
        self.interrupted = threading.Event()
        self.write_failed = False

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune pickles its tuner; nothing here outlives this process

    def __call__(self, trial_id: str, result: Mapping[str, Any]) -> bool:
        return False

    def stop_all(self) -> bool:
        return self.write_failed

    def reported(self, result: Mapping[str, Any]) -> None:
        trial_id = self.ids[result["config"]["index"]]
        if result["status"] == "running":
            self.on_event(EpochEnded(trial_id, result["epoch"], result["objective"]))
            return
        self.statuses[trial_id] = result["status"]
        self.on_event(
            TrialEnded(
                trial_id,
                result["status"],
                result["objective"],
                result["objective_std"],
                result["fit_time_s"] or 0.0,
                result["error"],
            )
        )

    def failed(self, trial_id: str) -> None:
        """The worker's process ended, or handing over its rows failed."""
        self.died.add(trial_id)
        self.write_failed = self.write_failed or ray.get(self.collector.error.remote()) is not None


class WatcherCallback(tune.Callback):  # type: ignore[misc]
    """The seam to Tune: its trials carry an index, ours a trial id."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher
        self._listening = False

    def on_step_begin(self, iteration: int, trials: Sequence[Any], **info: Any) -> None:
        if not self._listening and threading.current_thread() is threading.main_thread():
            self._listening = True
            _listen_for_signals(self._watcher.interrupted)

    def on_trial_start(
        self, iteration: int, trials: Sequence[Any], trial: Any, **info: Any
    ) -> None:
        self._watcher.on_event(TrialStarted(self._watcher.ids[trial.config["index"]]))

    def on_trial_result(
        self, iteration: int, trials: Sequence[Any], trial: Any, result: Any, **info: Any
    ) -> None:
        if "status" in result:
            self._watcher.reported(result)

    def on_trial_error(
        self, iteration: int, trials: Sequence[Any], trial: Any, **info: Any
    ) -> None:
        self._watcher.failed(self._watcher.ids[trial.config["index"]])


@contextlib.contextmanager
def handlers_kept() -> Iterator[None]:
    """The signal handlers from before the sweep, set again after it."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            for number, handler in kept.items():
                signal.signal(number, handler)


def _listen_for_signals(interrupted: threading.Event) -> None:
    """Remembers an interruption and passes it on to the handler that Tune has just installed."""
    tunes = signal.getsignal(signal.SIGINT)

    def interrupt(number: int, frame: Any) -> None:
        interrupted.set()
        if callable(tunes):
            tunes(signal.SIGINT, frame)

    signal.signal(signal.SIGINT, interrupt)
    signal.signal(signal.SIGTERM, interrupt)
