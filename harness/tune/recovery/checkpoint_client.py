"""What a worker does for its trial's checkpoints: when one is due, and going on from one."""

import contextlib
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import ray

from harness.training.checkpoint_format import (
    CheckpointError,
    Packed,
    starts_anew,
    why_foreign,
)
from harness.training.trial import TrialJob
from harness.training.trial_checkpoint import checkpoint_setting
from harness.tune.local import get_value

if TYPE_CHECKING:
    from harness.training.checkpoint import Checkpoints, Past

MOST_OF_TRAINING = 0.05  # share of the time that checkpoints may take

Pack = Callable[[], Packed]


class Keeper:
    """Sends a trial's checkpoints to the collector, at most one per interval.

    interval_s: 0 keeps every epoch whatever it costs; else at most a twentieth of the time goes
    into checkpoints. None keeps none.
    """

    def __init__(
        self,
        collector: Any,
        job: TrialJob,
        *,
        interval_s: float | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._collector, self._job = collector, job
        self._interval_s, self._clock = interval_s, clock
        self._due_s = clock() + (interval_s or 0.0)
        self._pack: Pack | None = None
        self._answer: Any = None
        self._notes: list[str] = []

    def checkpoints(self, *, ask: bool, say: Callable[[str], Any]) -> "Checkpoints":
        """For `trial_epochs`. ask: whether there may be one to go on from; say: into the log."""
        from harness.training.checkpoint import Checkpoints

        return Checkpoints(self._ended, lambda: self._past(say) if ask else None)

    def last(self) -> None:
        """The trial is stopped between two epochs: it keeps where it stands."""
        if self._pack is not None and self._interval_s is not None:
            with contextlib.suppress(ray.exceptions.RayError):  # the collector may be gone
                self._send(self._pack)
                get_value(self._answer)
        self.end()

    def end(self) -> None:
        """The trial has ended."""
        self._pack = None

    def note(self, text: str) -> None:
        """Something else that a user should know."""
        self._notes.append(text)

    def take_notes(self) -> list[str]:
        """What a user should know, each thing once."""
        notes, self._notes = self._notes, []
        return notes

    def _ended(self, pack: Pack) -> None:
        """An epoch has."""
        self._pack = pack
        if self._interval_s is None or self._clock() < self._due_s:
            return
        started_s = self._clock()
        self._send(pack)
        self._pack = None
        now_s = self._clock()
        rest_s = (now_s - started_s) * (1 / MOST_OF_TRAINING - 1)
        self._due_s = now_s + max(self._interval_s, rest_s) if self._interval_s else now_s

    def _send(self, pack: Pack) -> None:
        """One at a time: the answer to the last one is waited for."""
        if self._answer is not None and (error := get_value(self._answer)):
            self._notes.append(f"no checkpoint could be written: {error}; the trials go on without")
        self._answer = self._collector.keep_checkpoint.remote(self._job.trial_id, pack())

    def _past(self, say: Callable[[str], Any]) -> "Past | None":
        from harness.training.checkpoint import unpack

        here = checkpoint_setting(self._job)
        try:
            packed = get_value(self._collector.checkpoint.remote(self._job.trial_id))
            if packed is None:
                return None
            why = why_foreign(packed.about, here)
            if why is not None:
                raise CheckpointError(why)
            past = unpack(packed)
        except CheckpointError as error:
            self._notes.append(starts_anew(self._job.trial_id, str(error)))
            return None
        say(f"goes on from its checkpoint, after epoch {packed.about.epoch}\n")
        return past
