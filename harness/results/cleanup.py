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
    """A folder within the results, such as `weights`, where it is there."""
    return [folder / name] if (folder / name).exists() else []


def checkpoints(folder: Path) -> list[Path]:
    """Of trials, in all runs, and of pretraining; those of trials that are done are gone anyway."""
    of_pretraining = (folder / "pretraining").glob("*.checkpoint")
    return sorted([*(folder / "runs").glob("*/checkpoints"), *of_pretraining])


def runs_before(folder: Path, *, days: float, now: datetime | None = None) -> list[Path]:
    """Folders of runs that began more than `days` ago, never the newest: reports need its plan."""
    oldest = (now or datetime.now(UTC)) - timedelta(days=days)
    runs = sorted(path for path in (folder / "runs").glob("*") if path.is_dir())
    return [run for run in runs[:-1] if (began := _began(run)) is not None and began < oldest]


def cache_entries(folder: Path) -> tuple[list[Path], int]:
    """What bench keeps in its cache folder, and how much else lies there that is not its own."""
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    ours = [path for path in found if _CACHE_ENTRY.fullmatch(path.name)]
    return ours, len(found) - len(ours)


def measured(paths: Iterable[Path]) -> list[Leftover]:
    """With their numbers, each once, without those that lie in another one.

    Raises BenchError for a link: what it leads to is not ours to remove.
    """
    kept: list[Path] = []
    for path in dict.fromkeys(paths):
        if path.is_symlink():
            raise BenchError(f"{path} is a link; nothing was removed, remove links by hand")
        if not any(path.is_relative_to(one) for one in kept):
            kept = [one for one in kept if not one.is_relative_to(path)]
            kept.append(path)
    return [_measured(path) for path in kept]


def remove(leftovers: Iterable[Leftover]) -> None:
    """Removes them. Raises BenchError where the system refuses; what went before is gone."""
    for one in leftovers:
        try:
            shutil.rmtree(one.path) if one.path.is_dir() else one.path.unlink(missing_ok=True)
        except OSError as error:
            raise BenchError(f"{one.path} can't be removed: {error.strerror or error}") from None


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
