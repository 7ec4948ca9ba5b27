"""An error in one line, and whether it means that memory ran out."""

import bdb

import numpy as np
import pytest
import torch

from harness.training.types import Diverged
from harness.user_code_errors import (
    ERROR_CHARACTERS,
    LINE_CHARACTERS,
    MESSAGE_CHARACTERS,
    TRACEBACK_LINES,
    NoException,
    TimeLimitReached,
    UserErrorsIgnored,
    as_exceptions,
    error_text,
    is_out_of_memory,
    log_of_failure,
    message,
    named,
    next_step,
    time_limit_text,
    traceback_text,
)

TOO_MUCH = 2**60  # bytes; no machine has them


def raised_by(allocate) -> BaseException:
    """What asking for too much memory really raises."""
    with pytest.raises((MemoryError, RuntimeError)) as raised:
        allocate()
    return raised.value


@pytest.mark.parametrize(
    "allocate",
    [
        lambda: bytearray(TOO_MUCH),
        lambda: np.empty(TOO_MUCH, dtype=np.uint8),
        lambda: torch.empty(TOO_MUCH, dtype=torch.uint8),
    ],
    ids=["Python", "numpy", "torch"],
)
def test_memory_that_runs_out_is_recognised(allocate) -> None:
    """As it is raised here, not as somebody remembers it."""
    assert error_text(raised_by(allocate)).startswith("out of memory: ")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB"), True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), True),
        (RuntimeError("CUDA error: out of memory"), True),
        (OSError(12, "Cannot allocate memory"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("the word 'out of memory' is no class"), False),
    ],
)
def test_words_of_gpus_and_systems(error: Exception, expected: bool) -> None:
    """Only errors that say so of memory."""
    assert is_out_of_memory(error) is expected


def test_an_error_is_one_line_of_bounded_length() -> None:
    """Type and message; the rest is in the traceback."""
    assert error_text(RuntimeError("CUDA error\nCompile with\n  X")) == (
        "RuntimeError: CUDA error Compile with X"
    )
    assert error_text(KeyError()) == "KeyError"
    assert len(error_text(ValueError("x" * 10_000))) == len("ValueError: ") + ERROR_CHARACTERS


def test_what_says_all_in_its_words_has_no_type() -> None:
    """Divergence and time limits."""
    assert error_text(TimeLimitReached("time limit of 3 s")) == "time limit of 3 s"
    text = error_text(Diverged(float("nan"), role="train", repeat=1, fold=2, epoch=3))
    assert text.startswith("diverged: ")


def test_a_time_limit_says_how_far_it_came() -> None:
    """And what to do."""
    assert time_limit_text(60.0, 1) == (
        "time limit of 60 s reached after 1 epoch; "
        "raise resources.time_limit_s, then --retry-failed"
    )
    assert "after 0 epochs" in time_limit_text(0.5, 0)


def test_the_log_of_a_failure_ends_with_where_and_why() -> None:
    """Also where the trial said nothing."""
    assert log_of_failure("so far so good", "ValueError: no", "line 3") == (
        "so far so good\nline 3\nfailed: ValueError: no\n"
    )
    assert log_of_failure("", "it died 2 times") == "failed: it died 2 times\n"


def test_the_end_of_a_long_traceback_is_kept() -> None:
    """That is where it happened."""

    def deep(n: int) -> int:
        return 1 // n + deep(n - 1)

    with pytest.raises(ZeroDivisionError) as raised:
        deep(100)
    lines = traceback_text(raised.value).splitlines()
    assert len(lines) <= TRACEBACK_LINES
    assert lines[-1].startswith("ZeroDivisionError")


class Mute(Exception):
    """Has no text, and raises when it is asked for one."""

    def __str__(self) -> str:
        raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (Mute(), "Mute: its text can't be shown (KeyboardInterrupt)"),
        (ValueError("\ud800 half"), "ValueError: \N{REPLACEMENT CHARACTER} half"),
        (NoException(KeyboardInterrupt("mine")), "KeyboardInterrupt: mine"),
        (NoException(GeneratorExit()), "GeneratorExit"),
    ],
)
def test_any_exception_has_a_text_that_can_be_written(error: Exception, text: str) -> None:
    assert error_text(error) == text
    assert error_text(error).encode() == text.encode()
    assert traceback_text(error).encode()


def test_a_text_of_megabytes_is_cut_before_it_is_looked_at() -> None:
    error = ValueError("x" * 3_000_000)

    assert len(message(error)) == MESSAGE_CHARACTERS
    assert named(error) == "ValueError: " + "x" * ERROR_CHARACTERS
    assert max(map(len, traceback_text(error).splitlines())) == LINE_CHARACTERS


@pytest.mark.parametrize("kind", [KeyboardInterrupt, GeneratorExit, SystemExit])
def test_what_is_no_exception_becomes_one(kind: type[BaseException]) -> None:
    with pytest.raises(NoException) as raised, as_exceptions(interruptible=False):
        raise kind("why")

    assert error_text(raised.value) == f"{kind.__name__}: why"


def test_ctrl_c_passes_where_it_may_be_meant() -> None:
    with pytest.raises(KeyboardInterrupt), as_exceptions(interruptible=True):
        raise KeyboardInterrupt


def test_a_generator_exit_from_within_is_an_error() -> None:
    """At the end of the generator there is no step."""

    def steps(raises: bool):
        yield 1
        if raises:
            raise GeneratorExit("from a model")

    running, whole = steps(True), steps(False)
    assert [next_step(whole, interruptible=False) for _ in range(3)] == [1, None, None]
    assert next_step(running, interruptible=False) == 1
    with pytest.raises(NoException):
        next_step(running, interruptible=False)


def test_what_user_code_raises_is_ignored_but_for_those_who_end_the_run() -> None:
    for ignored in (ValueError, SystemExit, GeneratorExit):
        with UserErrorsIgnored():
            raise ignored
    for ends in (KeyboardInterrupt, bdb.BdbQuit):
        with pytest.raises(ends), UserErrorsIgnored():
            raise ends
