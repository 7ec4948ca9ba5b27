"""A progress bar of bytes on stderr, for what a dataset downloads."""

import contextlib
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn


@contextlib.contextmanager
def download_progress(name: str) -> Iterator[Callable[[int, int | None], None]]:
    """A callback `(bytes done, bytes in all or None)`; the bar shows once a byte has come."""
    columns = ("{task.description}", BarColumn(), DownloadColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task(name, total=None, visible=False)

        def advance(done: int, total: int | None) -> None:
            bar.update(task, completed=done, total=total, visible=True)

        yield advance
