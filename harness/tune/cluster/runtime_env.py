"""The code that a run takes along to the nodes of a cluster: ours, and the user's two folders."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.errors import BenchError
from harness.plugins.catalog import FOLDERS, TRAVELLED
from harness.plugins.shipped_folders import PACKAGE, SHIPPED

LIMIT_BYTES = 50_000_000
_LEFT_BEHIND = shutil.ignore_patterns("__pycache__", ".*", "*.pyc")


@contextmanager
def travelling_code(folder: Path | None = None) -> Iterator[list[str]]:
    """The Python packages that the workers get, as folders; those made for it go at the end.

    folder: the user's, by default the working directory. Its `models/` and `data_prep/` travel
    in a package of their own name, so that nothing shipped is shadowed. Raises BenchError where
    they are too large to be code.
    """
    own = (folder or Path.cwd()).resolve()
    with tempfile.TemporaryDirectory(prefix="bench-code-") as scratch:
        staged = Path(scratch, TRAVELLED)
        staged.mkdir()
        (staged / "__init__.py").touch()
        if own != SHIPPED:
            _stage(own, staged)
        yield [str(PACKAGE), *(str(SHIPPED / name) for name in FOLDERS.values()), str(staged)]


def _stage(own: Path, staged: Path) -> None:
    for name in FOLDERS.values():
        if (own / name).is_dir():
            _check_size(own / name)
            shutil.copytree(own / name, staged / name, ignore=_LEFT_BEHIND)


def _check_size(folder: Path) -> None:
    sizes = {file: file.stat().st_size for file in folder.rglob("*") if file.is_file()}
    if sum(sizes.values()) > LIMIT_BYTES:
        largest = max(sizes, key=lambda file: sizes[file])
        raise BenchError(
            f"{folder} travels to every node and holds {sum(sizes.values()) / 1e6:.0f} MB; "
            f"allowed: {LIMIT_BYTES / 1e6:.0f} MB of code; data belongs elsewhere, "
            f"the largest file is {largest.name}"
        )
