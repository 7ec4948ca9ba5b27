"""What commands share: printing a text, some options, and signals that end a run.

Names and errors in a printed text come from files, so a terminal only shows them.
"""

import contextlib
import signal
import threading
import time
from collections.abc import Iterator, Set
from pathlib import Path
from typing import Any

import click

from harness.errors import nearest
from harness.sanitize import printable

SAME_REQUEST_S = 5.0  # `timeout` sends SIGTERM twice, a closing shell SIGHUP: that is one request

data_option = click.option(
    "--data", type=click.Path(path_type=Path), help="Folder that holds the datasets."
)
results_option = click.option(
    "--results",
    type=click.Path(path_type=Path),
    default=Path("results"),
    show_default=True,
    help="Folder that holds one folder per benchmark.",
)


def echo(text: object, *, err: bool = False, nl: bool = True) -> None:
    """Print a text without control characters, by `click.echo`.

    Args:
        text: Converted to text.
        err: To stderr.
        nl: A newline follows.
    """
    click.echo(printable(str(text)), err=err, nl=nl)


class Word(click.Choice[str]):
    """`click.Choice` that refuses with what was found, what is allowed, and the nearest word."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if value not in self.choices:
            close = nearest(str(value), list(self.choices))
            hint = f"; did you mean {close!r}?" if close else ""
            self.fail(f"found {value!r}; allowed: {', '.join(self.choices)}{hint}", param, ctx)
        return super().convert(value, param, ctx)

    def get_missing_message(self, param: click.Parameter, ctx: click.Context | None) -> str:
        return f"allowed: {', '.join(self.choices)}"


@contextlib.contextmanager
def stopped_as_by_ctrl_c() -> Iterator[None]:
    """Let SIGTERM and SIGHUP raise in the main thread what Ctrl-C raises, while the block lasts.

    They are blocked in every thread and process that starts within the block, and one thread waits
    for them. So no library's C++ handler takes them (Ray's aborts the process), and Ray's own
    processes, which inherit the block, outlive a signal to their whole group: they are needed to
    hand over what they hold, and end with the run. Outside the main thread it does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    nohup = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    signals = {signal.SIGTERM} if nohup else {signal.SIGTERM, signal.SIGHUP}
    on_interrupt = signal.signal(signal.SIGINT, signal.default_int_handler)  # `&` may ignore it
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    ended = threading.Event()
    waiter = threading.Thread(target=_pass_on, args=(signals, ended), daemon=True)
    waiter.start()
    try:
        yield
    finally:
        ended.set()
        signal.pthread_kill(waiter.ident or 0, signal.SIGTERM)
        waiter.join()
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        signal.signal(signal.SIGINT, on_interrupt)


def _pass_on(signals: Set[int], ended: threading.Event) -> None:
    main = threading.main_thread().ident or 0
    last_s = -SAME_REQUEST_S
    while True:
        signal.sigwait(signals)
        if ended.is_set():
            return
        if time.monotonic() - last_s >= SAME_REQUEST_S:
            signal.pthread_kill(main, signal.SIGINT)
        last_s = time.monotonic()
