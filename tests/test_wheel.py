"""The wheel holds everything, and works from any directory without the repository."""

import os
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

from harness.plugins.catalog import SHIPPED
from tests.commands import BENCH, surroundings

OLDEST_BACKEND = 77  # the setuptools that pyproject.toml asks for
SOURCES = ("harness", "models", "data_prep", "benchmarks")
NOT_SHIPPED = ("benchmarks/performance/", "__pycache__/", "/.")  # caches of tools are hidden


def backend_version() -> int:
    """The major version of setuptools, 0 without it."""
    try:
        return int(version("setuptools").split(".")[0])
    except PackageNotFoundError:
        return 0


pytestmark = pytest.mark.skipif(
    backend_version() < OLDEST_BACKEND,
    reason=f"needs setuptools {OLDEST_BACKEND} or newer: pip install -e '.[dev]'",
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, so that nothing is left in the repository."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    for name in SOURCES:
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(SHIPPED / name, source / name, ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(SHIPPED / name, source / name)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder)]
    done = subprocess.run(
        [*command, str(source)], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def unpacked(wheel: Path) -> Path:
    """Where it lies, as after an installation."""
    folder = wheel.parent / "installed"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def test_every_file_of_the_packages_is_in_the_wheel(wheel: Path) -> None:
    """Modules, benchmark files, the marker of types, and whatever a page is made of."""
    files = {
        file.relative_to(SHIPPED).as_posix()
        for name in SOURCES
        for file in (SHIPPED / name).rglob("*")
        if file.is_file()
    }
    wanted = {file for file in files if not any(part in file for part in NOT_SHIPPED)}
    with zipfile.ZipFile(wheel) as archive:
        found = set(archive.namelist())

    assert {"harness/py.typed", "benchmarks/quickstart.yaml", "models/vit.py"} <= wanted
    assert wanted - found == set()
    assert {file for file in found if not file.startswith(SOURCES)} == {
        file for file in found if ".dist-info/" in file
    }


def test_bench_works_from_the_wheel_in_another_directory(unpacked: Path, tmp_path: Path) -> None:
    """The shipped benchmarks, models and datasets are found where the wheel lies."""
    listed, checked = (
        run(unpacked, tmp_path, BENCH[2], *arguments)
        for arguments in (["list"], ["check", "quickstart"])
    )

    assert (listed.returncode, listed.stderr) == (0, "")
    assert {"quickstart", "vit", "digits", "accuracy"} <= set(listed.stdout.split())
    assert (checked.returncode, checked.stderr) == (0, "")
    assert str(unpacked / "benchmarks" / "quickstart.yaml") in checked.stdout


def test_the_wheel_s_own_code_runs(unpacked: Path, tmp_path: Path) -> None:
    """Not that of the repository; a model file is importable as a package's."""
    code = "import harness, models.linear; print(harness.__file__, models.linear.__file__)"
    done = run(unpacked, tmp_path, code)

    assert done.stdout.split() == [
        str(unpacked / "harness" / "__init__.py"),
        str(unpacked / "models" / "linear.py"),
    ], done.stderr


def run(
    unpacked: Path, folder: Path, code: str, *arguments: str
) -> "subprocess.CompletedProcess[str]":
    paths = [str(unpacked), *filter(None, [os.environ.get("PYTHONPATH")])]
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=folder,
        env=surroundings(folder, PYTHONPATH=os.pathsep.join(paths)),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
