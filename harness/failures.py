"""What went wrong, as a row says it: one line, the last lines of the traceback, out of memory."""

import traceback

from harness.printable import printable

OUT_OF_MEMORY = "out of memory: "
TRACEBACK_LINES = 30
ERROR_CHARACTERS = 500

_OUT_OF_MEMORY_TYPES = frozenset({"MemoryError", "OutOfMemoryError"})
# of RuntimeError and OSError, which say it in words alone
_OUT_OF_MEMORY_WORDS = (
    "can't allocate memory",
    "Cannot allocate memory",
    "out of memory",
    "ALLOC_FAILED",
)


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
    text = printable(" ".join(str(error).split()))[:ERROR_CHARACTERS]
    if text.startswith("diverged: ") or isinstance(error, TimeLimitReached):
        return text
    named = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return f"{OUT_OF_MEMORY}{named}" if is_out_of_memory(error) else named


def traceback_text(error: BaseException) -> str:
    """The last lines of its traceback."""
    lines = "".join(traceback.format_exception(error)).splitlines()
    return "\n".join(lines[-TRACEBACK_LINES:])


def log_of_failure(log: str, error: str, trace: str | None = None) -> str:
    """A failed trial's log: what it said, then where and why it ended. Never empty."""
    parts = [log, trace or "", f"failed: {error}"]
    return "".join(part if part.endswith("\n") else f"{part}\n" for part in parts if part)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out: Python's, numpy's and torch's on the CPU and on a graphics card."""
    if _OUT_OF_MEMORY_TYPES & {one.__name__ for one in type(error).__mro__}:
        return True
    said = isinstance(error, RuntimeError | OSError)
    return said and any(words in str(error) for words in _OUT_OF_MEMORY_WORDS)
