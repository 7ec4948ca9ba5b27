"""What bench calls its files in a results folder, and that nothing in it leads out of it.

A folder may come from anybody, or have lain where a sync program put its own files beside ours.
Links, pipes, sockets and devices in the places of our files are refused before one is opened.
"""

import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.errors import BenchError
from harness.regular_files import NotRegular, open_regular
from harness.results.tables import TABLES

TEMPORARY = ".tmp"
SET_ASIDE = ".damaged"
LOCK = ".lock"
RUNS = "runs"
WEIGHTS = "weights"
PLAN, RECORD, RESOLVED = "plan.parquet", "run.json", "benchmark.yaml"
CARD, PREVIEWS = "data_card.json", "previews.json"
FOLDERS = (*TABLES, RUNS, WEIGHTS, "pretraining", "tracking", TEMPORARY, SET_ASIDE)
NOT_OURS = frozenset({"wandb"})  # Weights & Biases keeps links among its own files
MOST_NAMED = 5  # files or trials in a message; the others are counted

_PART = re.compile(r"[0-9a-f]{16}\.parquet")
_RUN = re.compile(r"\d{8}T\d{6}-[0-9a-f]+")
_TRIAL = re.compile(r"[0-9a-f]{16}")
_KINDS = {
    stat.S_IFLNK: "a link",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
    stat.S_IFREG: "a file",
}


def check_plain(folder: Path) -> None:
    """Check that a results folder holds nothing that bench must not open or follow.

    The folder itself may be a link: whoever names it means what it leads to.

    Raises:
        BenchError: There is a link, pipe, socket or device in it; the text names it.
    """
    _check_kind(folder / LOCK, stat.S_IFREG)
    for name in FOLDERS:
        if _check_kind(folder / name, stat.S_IFDIR):
            _check_within(folder / name)


def check_files(folder: Path) -> None:
    """Check that nothing but files lies in a folder and those in it, links as what they lead to.

    Raises:
        BenchError: There is anything else; the text names it.
    """
    for place, _, names in os.walk(folder):
        for path in (Path(place, name) for name in names):
            if path.exists() and not path.is_file():
                raise _foreign(path, stat.S_IFREG)


def check_folder(path: Path) -> bool:
    """Return whether a folder is there.

    Raises:
        BenchError: It is a link, or no folder.
    """
    return _check_kind(path, stat.S_IFDIR)


def part_files(folder: Path, table: str) -> dict[str, Path]:
    """Return file name -> path of a table's parts, in the order of their names.

    A part is what bench named one; copies that sync programs make are none.
    """
    place = folder / table
    if not _check_kind(place, stat.S_IFDIR):
        return {}
    with _readable(place), os.scandir(place) as entries:
        parts = [entry for entry in entries if _PART.fullmatch(entry.name)]
        for entry in parts:
            if not entry.is_file(follow_symlinks=False):
                raise _foreign(Path(entry.path), stat.S_IFREG)
    return {name: place / name for name in sorted(entry.name for entry in parts)}


def run_folders(folder: Path) -> list[Path]:
    """Return the folders of runs, the newest last."""
    place = folder / RUNS
    if not _check_kind(place, stat.S_IFDIR):
        return []
    with _readable(place), os.scandir(place) as entries:
        names = [
            entry.name
            for entry in entries
            if _RUN.fullmatch(entry.name) and _check_kind(Path(entry.path), stat.S_IFDIR)
        ]
    return [place / name for name in sorted(names)]


def run_files(folder: Path, name: str) -> list[Path]:
    """Return the files of this name that runs keep, the newest run's last."""
    files = [run / name for run in run_folders(folder)]
    return [file for file in files if _check_kind(file, stat.S_IFREG)]


def unknown_files(folder: Path) -> list[str]:
    """Return what lies among parts and runs and has no name that bench gives."""
    unknown = []
    for place, known in [*((table, _PART) for table in TABLES), (RUNS, _RUN)]:
        if _check_kind(folder / place, stat.S_IFDIR):
            with _readable(folder / place):
                names = sorted(os.listdir(folder / place))
            unknown += [f"{place}/{name}" for name in names if not known.fullmatch(name)]
    return unknown


def unknown_lines(folder: Path) -> list[str]:
    """Return one line about unknown files; none where there are none."""
    names = unknown_files(folder)
    if not names:
        return []
    listed = ", ".join(names[:MOST_NAMED])
    more = f" and {len(names) - MOST_NAMED:,} more" if len(names) > MOST_NAMED else ""
    return [f"ignored in {folder}, as bench gives no such names: {listed}{more}"]


def open_plain(path: Path, flags: int = os.O_RDONLY) -> int:
    """Return a descriptor of a regular file, without ever waiting.

    Raises:
        BenchError: It is anything else.
    """
    try:
        return open_regular(path, flags | os.O_NOFOLLOW)
    except NotRegular:
        raise _foreign(path, stat.S_IFREG) from None


def read_plain(path: Path) -> bytes:
    """Return the content of a regular file; raise as `open_plain` does."""
    with os.fdopen(open_plain(path), "rb") as file:
        return file.read()


def create_plain(path: Path) -> int:
    """Return a descriptor of a new file; what lay there is removed, not written through."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        return open_plain(path, flags)
    except FileExistsError:
        path.unlink()
        return open_plain(path, flags)


def check_regular(path: Path) -> None:
    """Check that a file is a regular one.

    Raises:
        BenchError: It is anything else.
        FileNotFoundError: Nothing is there.
    """
    if not stat.S_ISREG(path.lstat().st_mode):
        raise _foreign(path, stat.S_IFREG)


def _check_kind(path: Path, kind: int) -> bool:
    """Return whether it is there; raise BenchError where it is of another kind."""
    try:
        kind_there = stat.S_IFMT(path.lstat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise BenchError(f"{path} can't be read: {error.strerror}") from None
    if kind_there != kind:
        raise _foreign(path, kind)
    return True


def _check_within(place: Path) -> None:
    """Raise BenchError for anything but folders and regular files, at any depth."""
    waiting = [str(place)]
    while waiting:
        folder = waiting.pop()
        with _readable(Path(folder)), os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    waiting += [entry.path] if entry.name not in NOT_OURS else []
                elif not entry.is_file(follow_symlinks=False):
                    raise _foreign(Path(entry.path), stat.S_IFREG)
                elif place.name == WEIGHTS and _TRIAL.fullmatch(entry.name):
                    raise _foreign(Path(entry.path), stat.S_IFDIR)


@contextmanager
def _readable(folder: Path) -> Iterator[None]:
    """Raise BenchError in place of an OSError while a folder is listed."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        raise BenchError(f"{folder} can't be read: {error.strerror or error}") from None


def _foreign(path: Path, kind: int) -> BenchError:
    try:
        found = _KINDS.get(stat.S_IFMT(path.lstat().st_mode), "of an unknown kind")
    except OSError:
        found = "no longer there"
    place = "folder" if kind == stat.S_IFDIR else "file"
    return BenchError(
        f"{path} is {found}, and bench keeps a {place} of its own there: nothing was opened; "
        "remove it, or put what it leads to in its place"
    )
