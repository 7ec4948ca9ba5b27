"""Progress of sweeps and downloads on stderr: bars in a terminal, plain lines when piped."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from harness.duration_text import duration
from harness.events import (
    EpochEnded,
    Event,
    Note,
    OnEvent,
    RunLost,
    StepStarted,
    SweepPlanned,
    TrialDrawn,
    TrialEnded,
    TrialStarted,
)
from harness.sanitize import printable

PLAIN_EVERY_S = 2.0  # a log of a long sweep stays readable


@dataclass
class Counts:
    """What is known of the sweep so far; pure state, drawn elsewhere."""

    planned: SweepPlanned | None = None
    step: str = ""
    running: dict[str, EpochEnded | None] = field(default_factory=dict)
    ended: int = 0
    failed: int = 0
    pruned: int = 0
    drawn: dict[str, str] = field(default_factory=dict)
    best: TrialEnded | None = None
    started_s: float = field(default_factory=time.monotonic)

    def apply(self, event: Event) -> None:
        """Take one event into account."""
        if isinstance(event, SweepPlanned):
            self.planned, self.started_s = event, time.monotonic()
        elif isinstance(event, StepStarted):
            self.step = event.text
        elif isinstance(event, TrialDrawn):
            self.drawn[event.trial_id] = event.label
        elif isinstance(event, TrialStarted):
            self.running.setdefault(event.trial_id, None)
        elif isinstance(event, EpochEnded):
            self.running[event.trial_id] = event
        elif isinstance(event, TrialEnded):
            self._trial_ended(event)

    def _trial_ended(self, event: TrialEnded) -> None:
        self.running.pop(event.trial_id, None)
        if event.status == "interrupted":
            return
        self.ended += 1
        self.failed += event.status == "failed"
        self.pruned += event.status == "pruned"
        if event.objective is not None and self._is_better(event.objective):
            self.best = event

    def _is_better(self, value: float) -> bool:
        if self.best is None or self.best.objective is None:
            return True
        maximize = self.planned is None or self.planned.mode == "max"
        return value > self.best.objective if maximize else value < self.best.objective

    @property
    def remaining_s(self) -> float | None:
        """Return the seconds to the end at the pace so far; None before anything ended."""
        if not self.planned or not self.ended:
            return None
        pace = (time.monotonic() - self.started_s) / (self.ended + 0.5 * len(self.running))
        return pace * max(self.planned.missing - self.ended - 0.5 * len(self.running), 0)

    def name(self, trial_id: str) -> str:
        """Return the trial's searched values, or its id where nothing is searched."""
        labels = self.planned.labels if self.planned else {}
        return printable(labels.get(trial_id) or self.drawn.get(trial_id) or trial_id)

    def line(self) -> str:
        """Return the whole state in one line."""
        if self.planned is None:
            return self.step
        done = self.planned.done + self.ended
        parts = [f"{done}/{self.planned.done + self.planned.missing} trials"]
        starting = not self.running and not self.ended and self.planned.missing
        parts.append("starting workers" if starting else f"{len(self.running)} running")
        if self.failed:
            parts.append(f"{self.failed} failed")
        if self.pruned:
            parts.append(f"{self.pruned} pruned")
        if self.best is not None:
            parts.append(f"best {self.planned.objective} {spread(self.best)}")
        if self.remaining_s is not None and self.ended < self.planned.missing:
            parts.append(f"ETA {duration(self.remaining_s)}")
        return " · ".join(parts)


def failure(trial: TrialEnded, counts: Counts) -> str:
    """Return one line for a failed trial: which one, and why."""
    label = counts.name(trial.trial_id)
    named = f" ({label})" if label != trial.trial_id else ""
    return printable(f"failed {trial.trial_id}{named}: {trial.error}")


def lost(event: RunLost) -> str:
    """Return what a user should know where nothing of the run can go any further."""
    return f"error: {event.text}; the same command goes on"


def spread(trial: TrialEnded) -> str:
    """Return `0.9512 ± 0.0087`: validation mean and its standard deviation over the folds."""
    if trial.objective_std is None:
        return f"{trial.objective:.4f}"
    return f"{trial.objective:.4f} ± {trial.objective_std:.4f}"


@contextlib.contextmanager
def progress(*, quiet: bool, live: bool = True) -> Iterator[OnEvent]:
    """Yield the callback to hand down, drawn on stderr while the block lasts.

    Args:
        quiet: Nothing is drawn, but why a run is lost.
        live: Bars in a terminal, which would overwrite what a debugger prints.
    """
    console = Console(stderr=True, quiet=quiet, highlight=False)
    if quiet or not live or not console.is_terminal:
        yield _plain(quiet=quiet)
        return
    counts = Counts()
    view = _View(counts)
    with Live(view, console=console, refresh_per_second=4, transient=True) as display:
        yield lambda event: _drawn(event, counts, display)


@contextlib.contextmanager
def download_progress(name: str) -> Iterator[Callable[[int, int | None], None]]:
    """Yield a callback `(bytes done, bytes in all or None)`; the bar shows once a byte has come."""
    columns = ("{task.description}", BarColumn(), DownloadColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task(name, total=None, visible=False)

        def advance(done: int, total: int | None) -> None:
            bar.update(task, completed=done, total=total, visible=True)

        yield advance


def _drawn(event: Event, counts: Counts, live: Live) -> None:
    counts.apply(event)
    if isinstance(event, RunLost):
        live.stop()  # gives the cursor back
        live.console.print(Text(lost(event)))
    elif isinstance(event, Note):
        live.console.print(Text(printable(event.text)))
    elif isinstance(event, TrialEnded) and event.status == "failed":
        live.console.print(Text(failure(event, counts), style="red"))


class _View:
    """What the live display shows at this moment."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts

    def __rich__(self) -> Table:
        counts = self._counts
        table = Table.grid(padding=(0, 1))
        if counts.planned is not None:
            total = counts.planned.done + counts.planned.missing
            bar = ProgressBar(total=total, completed=counts.planned.done + counts.ended, width=30)
            table.add_row(bar, Text(counts.line()))
        elif counts.step:
            table.add_row(Text(f"… {counts.step}"))
        for trial_id, epoch in list(counts.running.items())[:8]:
            text = f"{_epoch_text(counts, epoch)}  {counts.name(trial_id)}"
            table.add_row("", Text(text, style="dim", no_wrap=True, overflow="ellipsis"))
        return table


def _epoch_text(counts: Counts, epoch: EpochEnded | None) -> str:
    if epoch is None or counts.planned is None:
        return "started"
    return f"epoch {epoch.epoch:>3}  {counts.planned.objective} {epoch.objective:.4f}"


def _plain(*, quiet: bool) -> OnEvent:
    counts, last_s = Counts(), 0.0

    def watch(event: Event) -> None:
        nonlocal last_s
        counts.apply(event)
        if isinstance(event, RunLost):
            print(lost(event), file=sys.stderr, flush=True)
        if quiet:
            return
        final = counts.planned is not None and counts.ended == counts.planned.missing
        due = time.monotonic() - last_s >= PLAIN_EVERY_S or final
        if isinstance(event, Note | StepStarted):
            print(printable(event.text), file=sys.stderr, flush=True)
        elif isinstance(event, TrialEnded) and event.status == "failed":
            print(failure(event, counts), file=sys.stderr, flush=True)
        elif isinstance(event, TrialEnded) and due and event.status != "interrupted":
            last_s = time.monotonic()
            print(counts.line(), file=sys.stderr, flush=True)

    return watch
