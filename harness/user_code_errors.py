"""What went wrong, as a row says it: one line, the last lines of the traceback, out of memory."""

import bdb
import contextlib
import traceback
from collections.abc import Iterator
from types import TracebackType
from typing import TypeVar

from harness.sanitize import printable

OUT_OF_MEMORY = "out of memory: "
TRACEBACK_LINES = 30
ERROR_CHARACTERS = 500
LINE_CHARACTERS = 500
MESSAGE_CHARACTERS = 10_000  # of an exception; some carry a whole tensor, printed

_OUT_OF_MEMORY_TYPES = frozenset({"MemoryError", "OutOfMemoryError"})
# of RuntimeError and OSError, which say it in words alone
_OUT_OF_MEMORY_WORDS = (
    "can't allocate memory",
    "Cannot allocate memory",
    "out of memory",
    "ALLOC_FAILED",
)


# What code of a user may raise, where Ctrl-C could be meant by KeyboardInterrupt.
USER_CODE_ERRORS = (Exception, SystemExit, GeneratorExit)

Yielded = TypeVar("Yielded")


class NoException(Exception):
    """What user code raised that is no Exception, such as KeyboardInterrupt or GeneratorExit.

    Left as it is, it would end the worker, or pass for the end of a generator, and its text would
    be lost.
    """

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error


class TimeLimitReached(Exception):
    """A trial trained longer than `resources.time_limit_s`; its text is the whole error."""


def time_limit_text(limit_s: float, epochs: int) -> str:
    """Why a trial was ended by its time limit, and what to do about it.

    epochs: those that were finished by then.
    """
    ended = f"time limit of {limit_s:g} s reached after {epochs} epoch{'s' if epochs != 1 else ''}"
    return f"{ended}; raise resources.time_limit_s, then --retry-failed"


def error_text(error: BaseException) -> str:
    """One line: type and message; only the message where that says all.

    The text of an error for want of memory begins with `out of memory: `.
    """
    if isinstance(error, NoException):
        error = error.error
    text = " ".join(message(error).split())[:ERROR_CHARACTERS]
    if text.startswith("diverged: ") or isinstance(error, TimeLimitReached):
        return text
    return f"{OUT_OF_MEMORY}{named(error)}" if is_out_of_memory(error) else named(error)


def message(error: BaseException) -> str:
    """Return the text of an exception, whatever its class makes of it.

    A text may be megabytes long, hold what no encoding can write, or raise when it is asked for.
    """
    try:
        text = str(error)
    except BaseException as unprintable:
        text = f"its text can't be shown ({type(unprintable).__name__})"
    return printable(text[:MESSAGE_CHARACTERS])


def named(error: BaseException) -> str:
    """Return the type and the text of an exception, on one line of bounded length."""
    if isinstance(error, NoException):
        error = error.error
    text = " ".join(message(error).split())[:ERROR_CHARACTERS]
    name = printable(type(error).__name__)
    return f"{name}: {text}" if text else name


@contextlib.contextmanager
def as_exceptions(*, interruptible: bool) -> Iterator[None]:
    """Raise NoException in place of what is raised within and is no Exception.

    Args:
        interruptible: KeyboardInterrupt passes, since it may be a user's Ctrl-C.
    """
    try:
        yield
    except bdb.BdbQuit as error:
        if interruptible:  # leaving the debugger ends the run, as Ctrl-C does
            raise KeyboardInterrupt from error
        raise
    except Exception:
        raise
    except KeyboardInterrupt as error:
        if interruptible:
            raise
        raise NoException(error) from error
    except BaseException as error:
        raise NoException(error) from error


class UserErrorsIgnored(contextlib.suppress):
    """Suppress what code of a user raises where that says nothing; leaving the debugger passes."""

    def __init__(self) -> None:
        super().__init__(*USER_CODE_ERRORS)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        """Return whether the error ends here."""
        return not isinstance(error, bdb.BdbQuit) and bool(super().__exit__(kind, error, trace))


def next_step(steps: Iterator[Yielded], *, interruptible: bool) -> Yielded | None:
    """Return the next thing that a generator of user code yields; None at its end.

    Raises:
        NoException: In place of what is raised inside and is no Exception.
    """
    with as_exceptions(interruptible=interruptible):
        return next(steps, None)


def traceback_text(error: BaseException) -> str:
    """The last lines of its traceback."""
    if isinstance(error, NoException):
        error = error.error
    lines = "".join(traceback.format_exception(error)).splitlines()[-TRACEBACK_LINES:]
    return "\n".join(printable(line[:LINE_CHARACTERS]) for line in lines)


def log_of_failure(log: str, error: str, trace: str | None = None) -> str:
    """A failed trial's log: what it said, then where and why it ended. Never empty."""
    parts = [log, trace or "", f"failed: {error}"]
    return "".join(part if part.endswith("\n") else f"{part}\n" for part in parts if part)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out: Python's, numpy's and torch's on the CPU and on a GPU."""
    if _OUT_OF_MEMORY_TYPES & {one.__name__ for one in type(error).__mro__}:
        return True
    said = isinstance(error, RuntimeError | OSError)
    return said and any(words in message(error) for words in _OUT_OF_MEMORY_WORDS)
