"""A trial is alone: what it leaves in its process is noticed, and put back.

Workers take one trial after another. What a trial's code changes for the whole process (a default
dtype, a hook, a function of torch) would reach the numbers of those after it.
"""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from harness.data.types import TrialData
from harness.plugins.catalog import is_user_module
from harness.training import switches
from harness.training.namespaces import Names, read_names, replaced
from harness.training.shared_arrays import SharedArrays, shared_arrays

MOST_NAMED = 4


@dataclass(frozen=True, eq=False)
class ProcessState:
    """What a process was at one moment, as far as it can reach numbers."""

    switches: tuple[Any, ...]
    names: Names
    modules: frozenset[str]
    threads: frozenset[threading.Thread]


def process_state() -> ProcessState:
    """The process as it is now."""
    return ProcessState(
        switches.read_all(), read_names(), frozenset(sys.modules), frozenset(threading.enumerate())
    )


def what_changed(before: ProcessState) -> tuple[str, ...]:
    """What is different now and may reach the numbers of whatever comes, in words."""
    switched = _switched(before.switches, switches.read_all())
    names = dict.fromkeys(found.name for found in replaced(before.names))
    return (*switched, *names, *_started(before.threads))


def restore_process(before: ProcessState, *, surroundings: bool = True) -> tuple[str, ...]:
    """Puts back what is different now, as far as that can be done; gives what `what_changed` does.

    surroundings: the environment, the working directory and the like are put back too, without a
    word.
    """
    changed = what_changed(before)
    switches.restore(before.switches, harmless=surroundings)
    if changed:
        for found in list(replaced(before.names)):
            found.put()
    for name in sys.modules.keys() - before.modules:
        if is_user_module(name):
            del sys.modules[name]
    return changed


@contextmanager
def unchanged_process(*, surroundings: bool = True) -> Iterator[None]:
    """Puts back whatever the block has changed; see `restore_process`."""
    before = process_state()
    try:
        yield
    finally:
        restore_process(before, surroundings=surroundings)


@dataclass(frozen=True)
class Left:
    """What a trial leaves: process, changed in words; written: names of shared arrays."""

    process: tuple[str, ...]
    written: tuple[str, ...]

    @property
    def changed(self) -> tuple[str, ...]:
        """Both, in words."""
        return (*self.process, *(f"shared {name}" for name in self.written))


def in_words(changed: tuple[str, ...]) -> str:
    """`default dtype (torch.float32 -> torch.float64), torch.relu and 3 more`."""
    named, more = ", ".join(changed[:MOST_NAMED]), len(changed) - MOST_NAMED
    return f"{named} and {more} more" if more > 0 else named


def codes(code: str, changed: tuple[str, ...]) -> list[str]:
    """Findings such as `changed_process:default dtype`; no more than can be read."""
    return [f"{code}:{name.partition(' (')[0]}" for name in changed[:MOST_NAMED]]


class TrialProcess:
    """The process of a trial, from before anything of its model runs to its end."""

    def __init__(self) -> None:
        self._before: ProcessState | None = None
        self._arrays: SharedArrays | None = None

    def begin(self, data: TrialData) -> None:
        """Remembers the process, and the data that the trial may read only, as they are now."""
        for abandoned in [*_running]:  # whose generator nobody has closed yet
            abandoned.end()
        self._arrays = shared_arrays(data)
        self._before = process_state()
        _running[:] = [self]

    def end(self) -> Left:
        """Puts back what the trial has changed; what that was.

        Nothing once another trial has begun: a generator that is collected late would put back the
        state of its own time into the middle of that one.
        """
        if self not in _running:
            return Left((), ())
        _running.remove(self)
        if self._before is None or self._arrays is None:
            return Left((), ())
        return Left(restore_process(self._before), self._arrays.restore())

    @property
    def changes(self) -> tuple[str, ...]:
        """What the trial has changed in its process so far, in words."""
        return () if self._before is None else what_changed(self._before)


_running: list[TrialProcess] = []


def forget_running_trial() -> None:
    """Let a trial that nobody will end put nothing back."""
    _running.clear()


def changes_of_running_trial() -> tuple[str, ...]:
    """What the trial that this process trains now has changed in it so far, in words."""
    return tuple(change for trial in _running for change in trial.changes)


def _switched(before: tuple[Any, ...], now: tuple[Any, ...]) -> Iterator[str]:
    for switch, old, new in zip(switches.switches(), before, now, strict=True):
        if old != new and not switch.harmless:
            yield f"{switch.name}{_values(old, new)}"


def _values(old: Any, new: Any) -> str:
    """The values where they are short enough to be read."""
    text = f" ({old} -> {new})"
    return text if len(text) < 60 and " at 0x" not in text else ""


def _started(before: frozenset[threading.Thread]) -> Iterator[str]:
    """Threads that run a model's own code."""
    for thread in threading.enumerate():
        target = getattr(thread, "_target", None) or type(thread)
        if thread not in before and is_user_module(str(getattr(target, "__module__", ""))):
            yield f"a thread that runs {getattr(target, '__qualname__', target)}"
