"""What Tune says while a sweep runs, as events; and the signals that stop it."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import ray
from ray import tune

from harness.events import EpochEnded, Note, OnEvent, TrialEnded, TrialStarted
from harness.tune.ray_internals import forget_statistics
from harness.tune.recovery.retry import HANDED_BACK, Troubles
from harness.tune.result_writer import Begun

FLUSH_S = 10.0
ENDING = "ending: trials under way get 10 s to keep where they stand; Ctrl-C again ends at once"
MEMORY_FULL = "Ray ended the process that writes the tables, as its machine was nearly full"


class Watcher(tune.Stopper):  # type: ignore[misc]
    """Turns what Tune says into events, and stops the sweep when writing failed."""

    def __init__(self, ids: Sequence[str], on_event: OnEvent, collector: Any) -> None:
        self.ids = list(ids)
        self.on_event, self.collector = on_event, collector
        self.statuses: dict[str, str] = {}
        self.begun: set[str] = set()
        self.troubles = Troubles()
        self._dead: dict[str, Any] = {}
        self._noted: set[str] = set()
        self.interrupted = threading.Event()
        self.out_of_time: Callable[[], bool] = lambda: False
        self.write_failed = False

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune pickles its tuner; nothing here outlives this process

    def __call__(self, trial_id: str, result: Mapping[str, Any]) -> bool:
        return False

    def stop_all(self) -> bool:
        if self.interrupted.is_set():
            self._note([ENDING])  # not by the handler of the signal, which may interrupt a print
        return self.write_failed or self.interrupted.is_set() or self.out_of_time()

    def reported(self, result: Mapping[str, Any]) -> None:
        trial_id = self.ids[result["config"]["index"]]
        self._note(result.get("notes", ()))
        if result["status"] == "running":
            self.on_event(EpochEnded(trial_id, result["epoch"], result["objective"]))
            return
        if result["status"] == HANDED_BACK:
            self.troubles.starved[trial_id] = result["error"]
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

    def _note(self, texts: Sequence[str]) -> None:
        """Each once, however many trials say it."""
        for text in texts:
            if text not in self._noted:
                self._noted.add(text)
                self.on_event(Note(text))

    def failed(self, trial_id: str, tunes: Any) -> None:
        """The worker's process ended, or handing over its rows failed. tunes: Tune's trial."""
        self._dead[trial_id] = tunes
        self.write_failed = self.write_failed or self._writing_failed()

    def started(self, trial_id: str) -> None:
        """A worker took the trial, perhaps once more."""
        self.troubles.begun(trial_id)
        self.begun.add(trial_id)
        self.on_event(TrialStarted(trial_id))

    def dead(self) -> list[tuple[str, Any]]:
        """Trial id and Tune's trial of the workers that died since the last call."""
        found = [*self._dead.items()]
        self._dead.clear()
        return found

    def orphans(self) -> dict[str, Begun]:
        """Trials that began under a collector that died."""
        if death_of(self.collector) is None:
            return {}
        return {trial_id: Begun(1, []) for trial_id in self.begun - self.statuses.keys()}

    def _writing_failed(self) -> bool:
        if death_of(self.collector):
            return True
        return ray.get(self.collector.error.remote()) is not None


class WatcherCallback(tune.Callback):  # type: ignore[misc]
    """The seam to Tune: its trials carry an index, ours a trial id."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher

    def on_trial_start(
        self, iteration: int, trials: Sequence[Any], trial: Any, **info: Any
    ) -> None:
        self._watcher.started(self._watcher.ids[trial.config["index"]])

    def on_trial_result(
        self, iteration: int, trials: Sequence[Any], trial: Any, result: Any, **info: Any
    ) -> None:
        if "status" in result:
            self._watcher.reported(result)

    def on_trial_complete(
        self, iteration: int, trials: Sequence[Any], trial: Any, **info: Any
    ) -> None:
        forget_statistics(trial)

    def on_trial_error(
        self, iteration: int, trials: Sequence[Any], trial: Any, **info: Any
    ) -> None:
        self._watcher.failed(self._watcher.ids[trial.config["index"]], trial)


def death_of(collector: Any) -> str | None:
    """That the collector's process died, in words; None while it lives."""
    try:
        ray.get(collector.error.remote())
    except ray.exceptions.OutOfMemoryError:
        return MEMORY_FULL
    except ray.exceptions.RayActorError:
        return "the process that writes the tables died"
    return None


@contextlib.contextmanager
def flushed_at_least(collector: Any) -> Iterator[None]:
    """What the collector holds is written also where the block is left by a second Ctrl-C."""
    try:
        yield
    except BaseException:
        with contextlib.suppress(Exception):
            ray.get(collector.close.remote(), timeout=FLUSH_S)
        raise


@contextlib.contextmanager
def first_interrupt_remembered(interrupted: threading.Event) -> Iterator[None]:
    """The first Ctrl-C (or SIGTERM) only sets the event, the next one raises KeyboardInterrupt.

    Tune's own handler is switched off (see session.QUIET): it would swallow a Ctrl-C that comes
    before the first trial. Outside the main thread this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def remember(number: int, frame: Any) -> None:
        if interrupted.is_set():
            raise KeyboardInterrupt
        interrupted.set()

    kept = {number: signal.signal(number, remember) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
