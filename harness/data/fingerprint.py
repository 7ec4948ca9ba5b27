"""The identity of raw data: a hash of file contents, read once and then remembered."""

import contextlib
import hashlib
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from harness.data.cache import read_cached, write_cached
from harness.data.paths import cache_dir
from harness.errors import BenchError
from harness.plugins import catalog

# A file changed twice within the file system's clock tick keeps its times, so those of a file this
# young prove nothing yet (2 s is the coarsest tick in use, that of FAT).
YOUNG_S = 2.0


class Stamp(NamedTuple):
    """What a file system records of a file's contents, known without reading them.

    changed_ns: of contents, name or rights; unlike `modified_ns` no program can set it back.
    """

    size: int
    modified_ns: int
    changed_ns: int
    inode: int
    device: int

    def proves_contents(self, *, read_at: float) -> bool:
        """Return whether equal stamps from now on mean the contents that were read then.

        False for a file changed just before, for times that lie ahead of the clock, and where the
        file system has no inodes or no time of change, as some over a network have not.
        """
        latest_ns = max(self.modified_ns, self.changed_ns)
        return self.inode > 0 and self.changed_ns > 0 and read_at - latest_ns / 1e9 > YOUNG_S


Memory = dict[str, tuple[Stamp, str]]  # absolute path -> stamp, content sha256


def stamp(path: Path) -> Stamp:
    """Return the stamp of a file, or of what a link points to."""
    status = path.stat()
    return Stamp(
        status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_dev
    )


def fingerprint_memory(cache_dir: Path) -> Path:
    """Return the file below the cache folder that remembers content hashes."""
    return cache_dir / "fingerprints.json"


def data_fingerprint(files: Iterable[Path], *, root: Path, memory: Path, anew: bool = False) -> str:
    """Hash each file's path below `root` and its content.

    A single file outside `root` (data installed with a library) counts by its name, several of
    them by their paths from the folder that holds their common one.

    Args:
        files: The raw files.
        root: The folder of raw data.
        memory: A JSON file that remembers content hashes by path and stamp; it may be missing,
            damaged, or written by others at the same time.
        anew: Read every file, whatever is remembered.

    Returns:
        16 hex digits.

    Raises:
        BenchError: A file can't be read; it is named.
    """
    known = {} if anew else _recall(memory)
    learned: Memory = {}
    entries = []
    for name, path in _named(files, Path(os.path.abspath(root))):
        entries.append((name, _content_hash(path, known, learned)))
    if learned:
        _remember(memory, learned)
    digest = hashlib.sha256()
    for name, content in sorted(entries):
        digest.update(f"{name}\0{content}\n".encode())
    return digest.hexdigest()[:16]


def _named(files: Iterable[Path], root: Path) -> Iterator[tuple[str, Path]]:
    """Yield each file's name, the same wherever the data is, and its absolute path."""
    paths = [Path(os.path.abspath(file)) for file in files]
    outside = [path for path in paths if not path.is_relative_to(root)]
    common = os.path.commonpath([path.parent for path in outside]) if outside else ""
    base = Path(common).parent if len(outside) > 1 else Path(common)
    for path in paths:
        yield path.relative_to(root if path.is_relative_to(root) else base).as_posix(), path


def _content_hash(path: Path, known: Memory, learned: Memory) -> str:
    read_at = time.time()  # before the file is looked at: what changes it later is younger
    try:
        now = stamp(path)
        remembered = known.get(str(path))
        if remembered is not None and remembered[0] == now:
            return remembered[1]
        with path.open("rb") as handle:
            content = hashlib.file_digest(handle, "sha256").hexdigest()
    except OSError as error:
        raise BenchError(f"{path}: raw data can't be read: {error.strerror}") from error
    if now.proves_contents(read_at=read_at):
        learned[str(path)] = (now, content)
    return content


def _recall(memory: Path) -> Memory:
    """Read the memory file; nothing where it is missing or damaged."""
    try:
        stored = read_cached(memory)
        return {path: _entry(*values) for path, values in stored.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _entry(numbers: object, content: object) -> tuple[Stamp, str]:
    if not (isinstance(numbers, list) and isinstance(content, str)):
        raise TypeError
    if not all(isinstance(number, int) for number in numbers):
        raise TypeError
    int(content, 16)
    return Stamp(*numbers), content


def _remember(memory: Path, learned: Memory) -> None:
    """Join the file with what was learned; of two writers at once one may lose, harmlessly."""
    with contextlib.suppress(OSError):  # a memory that can't be kept only costs time
        write_cached(memory, {**_recall(memory), **learned})


def fingerprint_of(
    dataset: catalog.Entry, arguments: Mapping[str, object], *, root: Path, anew: bool = False
) -> str:
    """Return the fingerprint of a dataset's raw files with these options.

    Raises what the dataset's `files` and `data_fingerprint` raise.
    """
    files = catalog.load(dataset).files(root, **arguments)
    memory = fingerprint_memory(cache_dir())
    return data_fingerprint(files, root=root, memory=memory, anew=anew)
