"""The cache folder: prepared arrays by the identity of what made them, and small JSON files.

Arrays are read back memory-mapped. Nothing in the folder is trusted to be what was written: a
folder, a pipe, a link to nowhere, half a file or gigabytes may be in its place.
"""

import hashlib
import json
import os
import shutil
import time
import uuid
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from data_prep.examples import Examples
from harness.data.types import Array
from harness.regular_files import open_regular

CACHE_VERSION = 2  # raised when entries written before can't be used any more
ARRAYS = ("inputs", "targets", "example_ids", "parts", "groups")
ABANDONED_S = 24 * 3600  # no process writes one entry for so long
_BLOCK_BYTES = 1 << 24  # read at a time: 16 MB
MOST_BYTES = 64 * 2**20  # of a JSON file: 100,000 fingerprints or class names take 20 MB


def cached_examples(key: str, make: Callable[[], Examples], cache_dir: Path) -> Examples:
    """Return the examples stored under `key`, or make and store them.

    Two processes that make the same at once both finish, and one result is kept. A damaged entry
    (checksums are compared) is made again.

    Args:
        key: Names all that decides the arrays: dataset, options, data and code fingerprints.
        make: Called where no sound entry is there.
        cache_dir: The folder of entries; where nothing can be stored in it, what `make` returns is
            returned as it is.
    """
    entry = cache_dir / hashlib.sha256(f"{CACHE_VERSION}\0{key}".encode()).hexdigest()[:16]
    found = _read(entry, key)
    if found is not None:
        return found
    made = _plain(make())
    try:
        _store(made, entry, key)
    except OSError:
        return made
    return _read(entry, key) or made


def read_cached(file: Path) -> Any:
    """Read a JSON file.

    Raises:
        OSError: It can't be read, or is no regular file.
        ValueError: It holds no JSON, or more than MOST_BYTES.
    """
    with os.fdopen(open_regular(file), "rb") as handle:
        content = handle.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise ValueError(f"{file} is larger than {MOST_BYTES:,} bytes")
    try:
        return json.loads(content)
    except RecursionError:
        raise ValueError(f"{file} is nested too deep") from None


def write_cached(file: Path, value: Any) -> None:
    """Put a JSON file in place in one step, whatever is there.

    Raises:
        OSError: It can't be written.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".{file.name}.{uuid.uuid4().hex[:12]}.tmp")
    try:
        temporary.write_text(json.dumps(value), encoding="utf-8")
        try:
            os.replace(temporary, file)
        except IsADirectoryError:
            remove(file)
            os.replace(temporary, file)
    finally:
        temporary.unlink(missing_ok=True)


def remove(path: Path) -> None:
    """Remove a file, a link or a whole folder; what can't be removed stays."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _plain(examples: Examples) -> Examples:
    """Make arrays contiguous and text fixed-width, so that nothing needs pickling."""
    arrays: dict[str, Any] = {}
    for name in ARRAYS:
        values = getattr(examples, name)
        if values is not None and values.dtype.kind == "O":
            values = values.astype(np.str_)
        arrays[name] = None if values is None else np.ascontiguousarray(values)
    return Examples(
        class_names=tuple(examples.class_names), input_scale=examples.input_scale, **arrays
    )


def _store(examples: Examples, entry: Path, key: str) -> None:
    """Write into a folder of its own, then rename: an entry is whole or not there."""
    entry.parent.mkdir(parents=True, exist_ok=True)
    _sweep(entry.parent)
    temporary = _temporary(entry)
    temporary.mkdir()
    try:
        checksums = {}
        for name in ARRAYS:
            values = getattr(examples, name)
            if values is not None:
                checksums[name] = _write_array(temporary / f"{name}.npy", values)
        meta = {
            "key": key,
            "class_names": list(examples.class_names),
            "input_scale": examples.input_scale,
            "checksums": checksums,
        }
        write_cached(temporary / "meta.json", {**meta, "checksum": _checksum_of(meta)})
        if _read(entry, key) is None:
            _remove(entry)
            os.rename(temporary, entry)
    except OSError:
        if not entry.is_dir():  # else another process was first
            raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _write_array(file: Path, values: Array) -> int:
    with file.open("wb") as handle:
        np.save(handle, values, allow_pickle=False)
        handle.flush()
        os.fsync(handle.fileno())
    return _checksum(file)


def _read(entry: Path, key: str) -> Examples | None:
    """Return the stored examples, or None where the entry is missing or damaged."""
    try:
        meta = read_cached(entry / "meta.json")
        if meta.pop("checksum") != _checksum_of(meta) or meta["key"] != key:
            return None
        arrays: dict[str, Any] = dict.fromkeys(ARRAYS)
        for name, checksum in meta["checksums"].items():
            file = entry / f"{name}.npy"
            if _checksum(file) != checksum:
                return None
            # a plain array, not the memmap subclass: it shares the mapped pages all the same
            arrays[name] = np.asarray(np.load(file, mmap_mode="r", allow_pickle=False))
        return Examples(
            class_names=tuple(meta["class_names"]), input_scale=meta["input_scale"], **arrays
        )
    except Exception:  # damage takes any form, and the raw data are there
        return None


def _checksum_of(meta: dict[str, Any]) -> int:
    return zlib.crc32(json.dumps(meta, sort_keys=True).encode())


def _checksum(file: Path) -> int:
    value = 0
    with os.fdopen(open_regular(file), "rb") as handle:
        while block := handle.read(_BLOCK_BYTES):
            value = zlib.crc32(block, value)
    return value


def _temporary(entry: Path) -> Path:
    return entry.parent / f".tmp-{os.getpid()}-{uuid.uuid4().hex[:8]}"


def _remove(entry: Path) -> None:
    """Take a damaged entry away in one step, so that no process reads half of it."""
    doomed = _temporary(entry)
    try:
        os.rename(entry, doomed)
    except FileNotFoundError:
        return
    remove(doomed)


def _sweep(folder: Path) -> None:
    """Remove what processes that were killed left behind a day ago or earlier."""
    for leftover in folder.glob(".tmp-*"):
        try:
            if time.time() - leftover.stat().st_mtime > ABANDONED_S:
                remove(leftover)
        except OSError:
            continue
