"""Writing the page again while a run lasts: whenever its tables have grown, and not too often."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from harness.errors import BenchError
from harness.report.page import without_live_script
from harness.report.report_writer import write_text
from harness.results.lock import is_held

POLL_S = 1.0
EVERY_S = 5.0  # at most so often
BUSY_SHARE = 0.05  # at most so much of one core, while others train on it
RELOAD_S = 10
WATCHED = ("runs/*/*", "*/*.parquet")

Stamp = frozenset[tuple[str, int, int]]


def watch(
    folders: Sequence[Path],
    write: Callable[[int | None], Path],
    *,
    on_written: Callable[[Path], None],
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Writes the page when something changed, until a run that was under way has ended.

    write: makes the page, reading itself anew after so many seconds, or never for None. Where no
    run is under way, the first one is waited for. Raises BenchError where the page can't be made
    at the end; before it, another attempt follows. After KeyboardInterrupt, which passes through,
    the page no longer reads itself anew.
    """
    began, last, due_s, page = False, None, 0.0, None
    try:
        while True:
            running = any(map(is_held, folders))
            ended = began and not running
            began = began or running
            found = stamp(folders)
            if ended or (found != last and clock() >= due_s):
                started_s = clock()
                page = _written(write, ended=ended)
                if page is not None:
                    last = found
                    on_written(page)
                due_s = clock() + max(EVERY_S, (clock() - started_s) / BUSY_SHARE)
            if ended:
                return
            sleep(POLL_S)
    except KeyboardInterrupt:
        if page is not None:
            settle(page)
        raise


def stamp(folders: Sequence[Path]) -> Stamp:
    """Equal as long as nothing that a report reads has changed."""
    found = set()
    for file in (file for folder in folders for kind in WATCHED for file in folder.glob(kind)):
        try:
            about = file.stat()
        except OSError:  # a compaction took it away
            continue
        found.add((str(file), about.st_mtime_ns, about.st_size))
    return frozenset(found)


def settle(page: Path) -> None:
    """The page no longer reads itself anew."""
    text = without_live_script(page.read_text(encoding="utf-8"))
    write_text(page, text)


def _written(write: Callable[[int | None], Path], *, ended: bool) -> Path | None:
    """The page; None where the tables are not there yet, or change while they are read."""
    if ended:
        return write(None)
    try:
        return write(RELOAD_S)
    except (BenchError, OSError):
        return None
