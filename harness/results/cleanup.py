"""What lies in a results folder and in the cache that can be removed, and removing exactly it."""

import re
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from harness.errors import BenchError

_RUN_TIME = "%Y%m%dT%H%M%S"
_CACHE_ENTRY = re.compile(r"[0-9a-f]{16}|\.tmp-.*|[a-z_]+\.json")


@dataclass(frozen=True)
class Leftover:
    """A file or folder that may go, with what lies in it."""

    path: Path
    n_files: int
    n_bytes: int


def part_of(folder: Path, name: str) -> list[Path]:
    """Return a folder within the results, such as `weights`, where it is there."""
    return [folder / name] if (folder / name).exists() else []


def checkpoints(folder: Path) -> list[Path]:
    """Return checkpoints of trials, in all runs, and of pretraining."""
    of_pretraining = (folder / "pretraining").glob("*.checkpoint")
    return sorted([*(folder / "runs").glob("*/checkpoints"), *of_pretraining])


def runs_before(folder: Path, *, days: float, now: datetime | None = None) -> list[Path]:
    """Return runs that began more than `days` ago, never the newest: reports need its plan."""
    oldest = (now or datetime.now(UTC)) - timedelta(days=days)
    runs = sorted(path for path in (folder / "runs").glob("*") if path.is_dir())
    return [run for run in runs[:-1] if (began := _began(run)) is not None and began < oldest]


def cache_entries(folder: Path) -> tuple[list[Path], int]:
    """Return what bench keeps in its cache folder, and how many other files lie there."""
    present = sorted(folder.iterdir()) if folder.is_dir() else []
    ours = [path for path in present if _CACHE_ENTRY.fullmatch(path.name)]
    return ours, len(present) - len(ours)


def measured(paths: Iterable[Path]) -> list[Leftover]:
    """Return paths with their numbers, each once, without those that lie in another one.

    Raises:
        BenchError: One is a link; what it leads to is not ours to remove.
    """
    kept: list[Path] = []
    for path in dict.fromkeys(paths):
        if path.is_symlink():
            raise BenchError(f"{path} is a link; nothing was removed, remove links by hand")
        if not any(path.is_relative_to(outer) for outer in kept):
            kept = [inner for inner in kept if not inner.is_relative_to(path)]
            kept.append(path)
    return [_measured(path) for path in kept]


def remove(leftovers: Iterable[Leftover]) -> None:
    """Remove leftovers one by one.

    Raises:
        BenchError: The system refuses; what came before it is gone.
    """
    for path in (leftover.path for leftover in leftovers):
        try:
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        except OSError as error:
            raise BenchError(f"{path} can't be removed: {error.strerror or error}") from None


def _measured(path: Path) -> Leftover:
    sizes = [file.lstat().st_size for file in _files(path)]
    return Leftover(path, len(sizes), sum(sizes))


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
    elif path.is_dir():
        yield from (file for file in path.rglob("*") if file.is_symlink() or file.is_file())


def _began(run: Path) -> datetime | None:
    try:
        return datetime.strptime(run.name.partition("-")[0], _RUN_TIME).replace(tzinfo=UTC)
    except ValueError:
        return None
