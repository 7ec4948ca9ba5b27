"""The identity of raw data: a hash of file contents, read once and then remembered."""

import contextlib
import hashlib
import json
import os
import time
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path

from harness.errors import BenchError

# A file changed within the file system's clock tick keeps its mtime, so that of a file this young
# proves nothing yet.
YOUNG_S = 2.0

Memory = dict[str, tuple[int, int, str]]  # absolute path -> size, mtime_ns, content sha256


def data_fingerprint(files: Iterable[Path], *, root: Path, memory: Path) -> str:
    """16 hex digits of sha256 over each file's path below `root` and its content.

    A single file outside `root` (data installed with a library) counts by its name, several of
    them by their paths from the folder that holds their common one. memory: a JSON file
    that remembers content hashes by path, size and mtime; it may be missing, damaged, or written
    by others at the same time. Raises BenchError naming a file that can't be read.
    """
    known = _recall(memory)
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
    """Each file's name, the same wherever the data lies, and its absolute path."""
    paths = [Path(os.path.abspath(file)) for file in files]
    outside = [path for path in paths if not path.is_relative_to(root)]
    common = os.path.commonpath([path.parent for path in outside]) if outside else ""
    base = Path(common).parent if len(outside) > 1 else Path(common)
    for path in paths:
        yield path.relative_to(root if path.is_relative_to(root) else base).as_posix(), path


def _content_hash(path: Path, known: Memory, learned: Memory) -> str:
    try:
        status = path.stat()
        size, mtime_ns, content = known.get(str(path), (-1, -1, ""))
        if (size, mtime_ns) == (status.st_size, status.st_mtime_ns):
            return content
        with path.open("rb") as handle:
            content = hashlib.file_digest(handle, "sha256").hexdigest()
    except OSError as error:
        raise BenchError(f"{path}: raw data can't be read: {error.strerror}") from error
    if time.time() - status.st_mtime > YOUNG_S:
        learned[str(path)] = (status.st_size, status.st_mtime_ns, content)
    return content


def _recall(memory: Path) -> Memory:
    """What the memory file says; nothing where it is missing or damaged."""
    try:
        stored = json.loads(memory.read_text(encoding="utf-8"))
        return {str(path): _entry(*values) for path, values in stored.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _entry(size: object, mtime_ns: object, content: object) -> tuple[int, int, str]:
    if not (isinstance(size, int) and isinstance(mtime_ns, int) and isinstance(content, str)):
        raise TypeError
    int(content, 16)
    return size, mtime_ns, content


def _remember(memory: Path, learned: Memory) -> None:
    """Join the file with what was learned; of two writers at once one may lose, harmlessly."""
    temporary = memory.with_name(f".{memory.name}.{uuid.uuid4().hex[:12]}.tmp")
    try:
        memory.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps({**_recall(memory), **learned}), encoding="utf-8")
        os.replace(temporary, memory)
    except OSError:
        with contextlib.suppress(OSError):  # a memory that can't be kept only costs time
            temporary.unlink()
