"""Checkpoints of trials under way: when one is due, where it lies, and who goes on from which.

A worker's `CheckpointClient` sends them to the process that writes results, whose `CheckpointStore`
keeps the newest of each trial in `runs/<run_id>/checkpoints/`. A later run finds what is left there
(`resume_trials`). Here neither torch nor Ray is imported before a worker needs them.
"""

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.events import Note, OnEvent
from harness.results.layout import TEMPORARY, run_folders
from harness.training.checkpoint import (
    Checkpoint,
    CheckpointError,
    Header,
    Setting,
    read_checkpoint,
    read_header,
    starts_anew,
    trial_setting,
    why_foreign,
    write_checkpoint,
)
from harness.training.trial_rows import TrialJob

if TYPE_CHECKING:
    from harness.training.training_state import Checkpointing, TrialState

FOLDER = "checkpoints"  # below runs/<run_id>/
SUFFIX = ".checkpoint"
# Share of the time that checkpoints may take: a large model on a slow disk takes longer to be kept
# than an interval of a minute would leave for training.
LARGEST_SHARE = 0.05
MOST_NAMED = 5  # epochs in a line about many trials

MakeCheckpoint = Callable[[], Checkpoint]


class CheckpointClient:
    """Sends a trial's checkpoints to the process that writes, at most one per interval.

    Args:
        writer: Handle of the `ResultWriter`.
        job: The trial.
        interval_s: 0 keeps every epoch whatever it costs; else at most `LARGEST_SHARE` of the time
            goes into checkpoints. None keeps none.
        clock: Seconds that only ever grow.
    """

    def __init__(
        self,
        writer: Any,
        job: TrialJob,
        *,
        interval_s: float | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._writer, self._job = writer, job
        self._interval_s, self._clock = interval_s, clock
        self._due_s = clock() + (interval_s or 0.0)
        self._unsent: MakeCheckpoint | None = None
        self._answer: Any = None
        self._notes: list[str] = []

    def checkpointing(self, *, ask: bool, log: Callable[[str], Any]) -> "Checkpointing":
        """Return what `trial_steps` takes.

        Args:
            ask: Whether there may be a checkpoint to go on from.
            log: Writes into the trial's log.
        """
        from harness.training.training_state import Checkpointing  # needs torch

        return Checkpointing(self._epoch_ended, lambda: self._resume(log) if ask else None)

    def keep_last(self) -> None:
        """Keep where a trial stands that is stopped between two epochs."""
        from ray.exceptions import RayError

        if self._unsent is not None and self._interval_s is not None:
            with contextlib.suppress(RayError):  # the process that writes may be gone
                self._send(self._unsent)
                _value(self._answer)
        self.end()

    def end(self) -> None:
        """Keep nothing any more: the trial has ended."""
        self._unsent = None

    def note(self, text: str) -> None:
        """Remember something else that a user should know."""
        self._notes.append(text)

    def take_notes(self) -> list[str]:
        """Return what a user should know, each thing once."""
        notes, self._notes = self._notes, []
        return notes

    def _epoch_ended(self, make: MakeCheckpoint) -> None:
        self._unsent = make
        if self._interval_s is None or self._clock() < self._due_s:
            return
        started_s = self._clock()
        self._send(make)
        self._unsent = None
        now_s = self._clock()
        rest_s = (now_s - started_s) * (1 / LARGEST_SHARE - 1)
        self._due_s = now_s + max(self._interval_s, rest_s) if self._interval_s else now_s

    def _send(self, make: MakeCheckpoint) -> None:
        """One at a time: the answer to the last one is waited for."""
        if self._answer is not None and (error := _value(self._answer)):
            self._notes.append(f"no checkpoint could be written: {error}; the trials go on without")
        self._answer = self._writer.keep_checkpoint.remote(self._job.trial_id, make())

    def _resume(self, log: Callable[[str], Any]) -> "TrialState | None":
        from harness.training.training_state import unpack_trial  # needs torch

        try:
            checkpoint = _value(self._writer.checkpoint.remote(self._job.trial_id))
            if checkpoint is None:
                return None
            why = why_foreign(checkpoint.header, trial_setting(self._job))
            if why is not None:
                raise CheckpointError(why)
            state = unpack_trial(checkpoint)
        except CheckpointError as error:
            self._notes.append(starts_anew(f"trial {self._job.trial_id}", str(error)))
            return None
        log(f"goes on from its checkpoint, after epoch {checkpoint.header.epoch}\n")
        return state


def _value(reference: Any) -> Any:
    from harness.tune.local import get_value  # imports Ray, which a dry run does without

    return get_value(reference)


class CheckpointStore:
    """Keeps the last checkpoint of each running trial in `runs/<run_id>/checkpoints/`.

    Writing happens behind the caller's back; of two checkpoints of a trial that wait, the newer is
    written. A disk that is full costs the checkpoint and nothing else.

    Args:
        results: results/<benchmark>.
        run_folder: Of this run.
    """

    def __init__(self, results: Path, run_folder: Path) -> None:
        self._temporary = results / TEMPORARY
        self._folder = run_folder / FOLDER
        self._waiting: dict[str, Checkpoint] = {}
        self._over: set[str] = set()
        self._error: str | None = None
        self._closed = False
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def put(self, trial_id: str, checkpoint: Checkpoint) -> str | None:
        """Take a checkpoint in place of an earlier one.

        Returns:
            Why the last write failed; None where it did not.
        """
        with self._changed:
            if trial_id not in self._over and not self._closed:
                self._waiting[trial_id] = checkpoint
                self._start()
                self._changed.notify()
            return self._error

    def get(self, trial_id: str) -> Checkpoint | None:
        """Return the newest one of a trial. Raises CheckpointError where it can't be read."""
        with self._changed:
            waiting = self._waiting.get(trial_id)
        file = self._file(trial_id)
        if waiting is not None or not file.exists():
            return waiting
        return read_checkpoint(file)

    def end(self, trial_id: str) -> None:
        """Remove the trial's, and keep none that is still on its way."""
        with self._changed:
            self._over.add(trial_id)
            self._waiting.pop(trial_id, None)
            with contextlib.suppress(OSError):
                self._file(trial_id).unlink()

    def close(self) -> None:
        """Write what waits."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()
        _remove_empty(self._folder)

    def _file(self, trial_id: str) -> Path:
        return self._folder / f"{trial_id}{SUFFIX}"

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._write_what_waits, daemon=True)
            self._thread.start()

    def _write_what_waits(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if not self._waiting:
                    return
                trial_id = next(iter(self._waiting))
                checkpoint = self._waiting[trial_id]
            self._write(trial_id, checkpoint)
            with self._changed:
                if self._waiting.get(trial_id) is checkpoint:
                    del self._waiting[trial_id]

    def _write(self, trial_id: str, checkpoint: Checkpoint) -> None:
        draft = self._temporary / f"{trial_id}{SUFFIX}"
        try:
            self._temporary.mkdir(parents=True, exist_ok=True)
            self._folder.mkdir(parents=True, exist_ok=True)
            write_checkpoint(draft, checkpoint)
            with self._changed:  # the trial may have ended meanwhile
                if trial_id not in self._over:
                    os.replace(draft, self._file(trial_id))
            self._error = None
        except OSError as error:
            self._error = error.strerror or str(error)
        with contextlib.suppress(OSError):
            draft.unlink()


def resume_trials(
    trials: Sequence[TrialJob],
    *,
    folder: Path,
    run_folder: Path,
    device: str,
    force: bool,
    on_event: OnEvent,
) -> tuple[TrialJob, ...]:
    """Mark the trials that go on from a checkpoint, which moves into this run's folder.

    Args:
        trials: What this run trains.
        folder: results/<benchmark>.
        run_folder: Of this run.
        device: That they will train on.
        force: No trial goes on; what was left of them is removed.
        on_event: Receives a note on those that go on, and one for each that can't.

    Returns:
        All the trials, in their order.
    """
    files = checkpoint_files(folder)
    wanted = {trial.trial_id: trial for trial in trials}
    for trial_id in files.keys() & wanted.keys() if force else ():
        _remove(files.pop(trial_id))
    here = {
        trial_id: trial_setting(replace(wanted[trial_id], device=device))
        for trial_id in files
        if trial_id in wanted
    }
    left = what_is_left(files, here)
    for trial_id in here:
        _adopt(files[trial_id], run_folder)
    for line in left.lines():
        on_event(Note(line))
    return tuple(_marked(trial, left.usable.get(trial.trial_id)) for trial in trials)


def checkpoint_lines(folder: Path, trial_ids: Iterable[str]) -> list[str]:
    """Return what a run of these trials would find, whatever its device and its torch."""
    files = checkpoint_files(folder)
    headers = []
    for trial_id in trial_ids:
        with contextlib.suppress(CheckpointError, KeyError):
            headers.append(read_header(files[trial_id][-1]))
    return [_resumed_in_words(headers)] if headers else []


def checkpoint_files(folder: Path) -> dict[str, list[Path]]:
    """Return trial id -> its files in a results folder, the newest run's last."""
    files: dict[str, list[Path]] = {}
    kept = (sorted((run / FOLDER).glob(f"*{SUFFIX}")) for run in run_folders(folder))
    for file in chain.from_iterable(kept):
        files.setdefault(file.name.removesuffix(SUFFIX), []).append(file)
    return files


@dataclass(frozen=True)
class LeftCheckpoints:
    """What earlier runs left of some trials.

    usable: trial id -> what can be gone on from. problems: trial id -> why the others can't.
    """

    usable: Mapping[str, Header]
    problems: Mapping[str, str]

    def lines(self) -> list[str]:
        """Return what a user should know; empty where nothing was left."""
        problems = [
            starts_anew(f"trial {trial_id}", why) for trial_id, why in self.problems.items()
        ]
        return ([_resumed_in_words(list(self.usable.values()))] if self.usable else []) + problems


def what_is_left(
    files: Mapping[str, Sequence[Path]], here: Mapping[str, Setting]
) -> LeftCheckpoints:
    """Return which checkpoints can be gone on from. here: of each trial that is asked about."""
    usable, problems = {}, {}
    for trial_id, setting in here.items():
        try:
            header = read_header(files[trial_id][-1])
            why = why_foreign(header, setting)
        except CheckpointError as error:
            why = str(error)
        if why is None:
            usable[trial_id] = header
        else:
            problems[trial_id] = why
    return LeftCheckpoints(usable, problems)


def _resumed_in_words(headers: Sequence[Header]) -> str:
    named = ", ".join(str(header.epoch) for header in headers[:MOST_NAMED])
    more = ", …" if len(headers) > MOST_NAMED else ""
    if len(headers) == 1:
        return f"1 trial goes on from its checkpoint (epoch {named} of {headers[0].epochs})"
    return f"{len(headers)} trials go on from their checkpoints (epochs {named}{more})"


def _marked(trial: TrialJob, header: Header | None) -> TrialJob:
    """Attempts count on, also where a run was killed before it wrote a row."""
    if header is None:
        return trial
    return replace(trial, attempt=max(trial.attempt, header.attempt), goes_on=True)


def _adopt(files: Sequence[Path], run_folder: Path) -> None:
    """The newest moves into the run's folder; a worker that can't use it writes over it."""
    *older, newest = files
    target = run_folder / FOLDER / newest.name
    target.parent.mkdir(parents=True, exist_ok=True)
    os.replace(newest, target)
    _remove(older)
    _remove_empty(newest.parent)


def _remove(files: Sequence[Path]) -> None:
    for file in files:
        file.unlink(missing_ok=True)
        _remove_empty(file.parent)


def _remove_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):  # something is left in it, or it is gone
        folder.rmdir()
