"""Checkpoints that earlier runs left: found at the start of a run, and gone on from."""

import contextlib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from harness.events import Note, OnEvent
from harness.results.layout import run_folders
from harness.training.checkpoint_format import (
    About,
    CheckpointError,
    Setting,
    starts_anew,
    why_foreign,
)
from harness.training.trial_checkpoint import checkpoint_setting
from harness.tune.recovery.checkpoint_store import FOLDER, SUFFIX, read_about

if TYPE_CHECKING:
    from harness.tune.trainable import SweepTrial

MOST_NAMED = 5


@dataclass(frozen=True)
class Left:
    """What earlier runs left of some trials.

    usable: trial id -> what can be gone on from. problems: trial id -> why the others can't.
    """

    usable: Mapping[str, About]
    problems: Mapping[str, str]

    def lines(self) -> list[str]:
        """What a user should know; empty where nothing was left."""
        problems = [starts_anew(trial_id, why) for trial_id, why in self.problems.items()]
        return ([_going_on(list(self.usable.values()))] if self.usable else []) + problems


def go_on(
    trials: Sequence["SweepTrial"],
    *,
    folder: Path,
    run_folder: Path,
    device: str,
    force: bool,
    on_event: OnEvent,
) -> tuple["SweepTrial", ...]:
    """The trials, those marked that go on from a checkpoint; it moves into this run's folder.

    folder: results/<benchmark>. device: that they will train on. force: what was left goes.
    """
    files = checkpoint_files(folder)
    wanted = {trial.job.trial_id: trial for trial in trials}
    for trial_id in files.keys() & wanted.keys() if force else ():
        _remove(files.pop(trial_id))
    here = {
        trial_id: checkpoint_setting(replace(wanted[trial_id].job, device=device))
        for trial_id in files
        if trial_id in wanted
    }
    left = what_is_left(files, here)
    for trial_id in here:
        _adopt(files[trial_id], run_folder)
    for line in left.lines():
        on_event(Note(line))
    return tuple(_marked(trial, left.usable.get(trial.job.trial_id)) for trial in trials)


def checkpoint_lines(folder: Path, trial_ids: Iterable[str]) -> list[str]:
    """What a run of these trials would find, without its tensors, its device or torch."""
    files = checkpoint_files(folder)
    abouts = []
    for trial_id in trial_ids:
        with contextlib.suppress(CheckpointError, KeyError):
            abouts.append(read_about(files[trial_id][-1]))
    return [_going_on(abouts)] if abouts else []


def checkpoint_files(folder: Path) -> dict[str, list[Path]]:
    """Trial id -> its files in a results folder, the newest run's last."""
    files: dict[str, list[Path]] = {}
    kept = (sorted((run / FOLDER).glob(f"*{SUFFIX}")) for run in run_folders(folder))
    for file in chain.from_iterable(kept):
        files.setdefault(file.name.removesuffix(SUFFIX), []).append(file)
    return files


def what_is_left(files: Mapping[str, Sequence[Path]], here: Mapping[str, Setting]) -> Left:
    """Which checkpoints can be gone on from. here: of each trial that is asked about."""
    usable, problems = {}, {}
    for trial_id, setting in here.items():
        try:
            about = read_about(files[trial_id][-1])
            why = why_foreign(about, setting)
        except CheckpointError as error:
            why = str(error)
        if why is None:
            usable[trial_id] = about
        else:
            problems[trial_id] = why
    return Left(usable, problems)


def _going_on(abouts: Sequence[About]) -> str:
    named = ", ".join(str(about.epoch) for about in abouts[:MOST_NAMED])
    more = ", …" if len(abouts) > MOST_NAMED else ""
    if len(abouts) == 1:
        return f"1 trial goes on from its checkpoint (epoch {named} of {abouts[0].epochs})"
    return f"{len(abouts)} trials go on from their checkpoints (epochs {named}{more})"


def _marked(trial: "SweepTrial", about: About | None) -> "SweepTrial":
    """Attempts count on, also where a run was killed before it wrote a row."""
    if about is None:
        return trial
    attempt = max(trial.job.attempt, about.attempt)
    return replace(trial, job=replace(trial.job, attempt=attempt), goes_on=True)


def _adopt(files: Sequence[Path], run_folder: Path) -> None:
    """The newest moves into the run's folder; a worker that can't use it writes over it."""
    *older, newest = files
    target = run_folder / FOLDER / newest.name
    target.parent.mkdir(parents=True, exist_ok=True)
    os.replace(newest, target)
    _remove(older)
    _tidy(newest.parent)


def _remove(files: Sequence[Path]) -> None:
    for file in files:
        file.unlink(missing_ok=True)
        _tidy(file.parent)


def _tidy(folder: Path) -> None:
    with contextlib.suppress(OSError):
        folder.rmdir()
