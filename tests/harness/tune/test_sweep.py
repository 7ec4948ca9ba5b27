"""The signals that stop a sweep."""

import signal
import threading

import pytest

from harness.tune.sweep import remember_first_interrupt


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_interruption_is_remembered_the_second_raises(number: signal.Signals) -> None:
    """And afterwards the handlers are those from before."""
    before, interrupted = signal.getsignal(number), threading.Event()
    with pytest.raises(KeyboardInterrupt), remember_first_interrupt(interrupted):
        signal.raise_signal(number)
        assert interrupted.is_set()
        signal.raise_signal(number)

    assert signal.getsignal(number) == before


def test_an_undisturbed_sweep_was_not_interrupted() -> None:
    """Nothing is set by itself."""
    interrupted = threading.Event()
    with remember_first_interrupt(interrupted):
        pass

    assert not interrupted.is_set()
