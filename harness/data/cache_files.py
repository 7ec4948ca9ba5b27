"""Files of the cache folder: small, disposable, and never trusted to be what was written.

Anything may lie in their place: a folder, a pipe, a link to nowhere, half a file, gigabytes.
"""

import json
import os
import shutil
import uuid
from pathlib import Path
from typing import Any

from harness.regular_files import open_regular

MOST_BYTES = 64 * 2**20  # of a JSON file: 100,000 fingerprints or class names take 20 MB


def read_cached(file: Path) -> Any:
    """What a JSON file holds; raises OSError where it can't be read, ValueError for no JSON."""
    with os.fdopen(open_regular(file), "rb") as handle:
        content = handle.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise ValueError(f"{file} is larger than {MOST_BYTES:,} bytes")
    try:
        return json.loads(content)
    except RecursionError:
        raise ValueError(f"{file} is nested too deep") from None


def write_cached(file: Path, value: Any) -> None:
    """Put a JSON file in place in one step, whatever lies there; raises OSError where it can't."""
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
    """A file, a link or a whole folder; what can't be removed stays."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
