"""What a user did wrong, said so that they can mend it. Never a traceback."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

MOST_PROBLEMS = 100  # of one file: a person mends a few, and runs the check again
MOST_COMPARED = 1_000  # names with a misspelled one: each comparison takes some 10 microseconds
MOST_SHOWN = 500  # characters of what was found or is allowed: a value may have a million


class BenchError(Exception):
    """A mistake the user can mend; its text is the whole answer, the exit code is 2."""


@dataclass(frozen=True)
class Problem:
    """One mistake in a benchmark file.

    path: dotted field path, such as `training.lr`; line counts from 1; `found`, `allowed` and
    `nearest` are ready to print.
    """

    message: str
    path: str = ""
    file: str = ""
    line: int | None = None
    found: str | None = None
    allowed: str | None = None
    nearest: str | None = None

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        parts = [part for part in (place, shortened(self.path)) if part]
        text = ": ".join([*parts, shortened(self.message)])
        if self.found is not None:
            text += f"; found {shortened(self.found)}"
        if self.allowed is not None:
            text += f"; allowed: {shortened(self.allowed)}"
        if self.nearest is not None:
            text += f"; did you mean {self.nearest!r}?"
        return text


class SpecError(BenchError):
    """All problems of one benchmark file together, in the order of its lines.

    document: the parsed file (`harness.config.yaml_io.Document`), where it could be parsed.
    ended_early: whether the check ended at MOST_PROBLEMS.
    """

    def __init__(
        self, problems: Iterable[Problem], *, document: Any = None, ended_early: bool = False
    ) -> None:
        ordered = sorted(problems, key=lambda problem: (problem.line or 0, problem.path))
        self.problems: tuple[Problem, ...] = tuple(dict.fromkeys(ordered))
        self.document = document
        self.ended_early = ended_early
        count = len(self.problems)
        head = "1 problem" if count == 1 else f"{count} problems"
        if ended_early:
            head += ", and the check went no further"
        shown = [f"  {problem}" for problem in self.problems[:MOST_PROBLEMS]]
        hidden = count - len(shown)
        super().__init__("\n".join([head, *shown, *([f"  and {hidden:,} more"] if hidden else [])]))


def shortened(text: str) -> str:
    """The text, of a long one the beginning."""
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}… ({len(text):,} characters)"


def listed(known: Sequence[str]) -> str:
    """`there are: a, b`, or `there are none`."""
    return f"there are: {', '.join(known)}" if known else "there are none"


def nearest(name: str, known: Sequence[str]) -> str | None:
    """The known name closest to a misspelled or shortened one, or None where none is close."""
    if len(name) > MOST_SHOWN or len(known) > MOST_COMPARED:
        return None
    matches = get_close_matches(name, known, n=1, cutoff=0.6)
    if not matches and len(name) > 1:
        matches = [one for one in known if name in one]
    return matches[0] if matches else None
