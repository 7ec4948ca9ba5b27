"""Write the page again while a run lasts: whenever its tables have grown, and not too often."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from harness.errors import BenchError
from harness.report.page import without_live_script
from harness.report.report_writer import write_text
from harness.results.lock import is_held

POLL_S = 1.0  # a look at the files' times, which costs almost nothing
EVERY_S = 5.0  # the page is written at most so often
BUSY_SHARE = 0.05  # and takes at most this share of one core, as trials train on it
RELOAD_S = 10  # a browser reads the page again; an open plot is lost by it, so not more often
WATCHED = ("runs/*/*", "*/*.parquet")

Stamp = frozenset[tuple[str, int, int]]
"""Path, time of change in ns, and size of each file that a report reads."""


def watch(
    folders: Sequence[Path],
    write: Callable[[int | None], Path],
    *,
    on_written: Callable[[Path], None],
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Write the page whenever something changed, until a run that was under way has ended.

    If no run is under way, the first one is waited for. After KeyboardInterrupt, which passes
    through, the page no longer reloads.

    Args:
        folders: Results folders.
        write: Writes the page, which then reloads after so many seconds; None: never.
        on_written: Called with the page each time it was written.
        sleep: As `time.sleep`.
        clock: As `time.monotonic`.

    Raises:
        BenchError: If the page can't be made at the end; before it, another attempt follows.
    """
    began, last, due_s, page = False, None, 0.0, None
    try:
        while True:
            running = any(map(is_held, folders))
            ended = began and not running
            began = began or running
            current = stamp(folders)
            if ended or (current != last and clock() >= due_s):
                started_s = clock()
                page = _written(write, ended=ended)
                if page is not None:
                    last = current
                    on_written(page)
                due_s = clock() + max(EVERY_S, (clock() - started_s) / BUSY_SHARE)
            if ended:
                return
            sleep(POLL_S)
    except KeyboardInterrupt:
        if page is not None:
            stop_reloading(page)
        raise


def stamp(folders: Sequence[Path]) -> Stamp:
    """Return a value that stays equal as long as nothing that a report reads has changed."""
    states = set()
    for file in (file for folder in folders for kind in WATCHED for file in folder.glob(kind)):
        try:
            status = file.stat()
        except OSError:  # a compaction took it away
            continue
        states.add((str(file), status.st_mtime_ns, status.st_size))
    return frozenset(states)


def stop_reloading(page: Path) -> None:
    """Write the page again without what makes a browser reload it."""
    text = without_live_script(page.read_text(encoding="utf-8"))
    write_text(page, text)


def _written(write: Callable[[int | None], Path], *, ended: bool) -> Path | None:
    """Return the page; None if the tables are not there yet, or change while they are read."""
    if ended:
        return write(None)
    try:
        return write(RELOAD_S)
    except (BenchError, OSError):
        return None
