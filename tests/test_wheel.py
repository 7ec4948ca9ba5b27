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
MOVED = ("models", "data_prep", "benchmarks")
SOURCES = ("harness", *MOVED)
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


# What the environment of the tests has of bench is an editable install: it must not help here, be
# it by a finder or by a path.
ONLY_FROM_PYTHONPATH = f"""
import sys
sys.meta_path[:] = [finder for finder in sys.meta_path if "__editable__" not in str(finder)]
sys.path[:] = [folder for folder in sys.path if folder != {str(SHIPPED)!r}]
"""
OWN_MODELS = {
    "models/__init__.py": "WHOSE = 'the project'\n",
    "models/layers.py": "from torch import nn\ndef flat(n, c):\n"
    "    return nn.Sequential(nn.Flatten(), nn.Linear(n, c))\n",
    "models/mine.py": """\
import math
from models.layers import flat
from models.linear import build as shipped
def build(*, input_shape: tuple[int, ...], num_classes: int):
    assert shipped(input_shape=input_shape, num_classes=num_classes)
    return flat(math.prod(input_shape), num_classes)
""",
    "data_prep/__init__.py": "",
    "data_prep/mine.py": "",
    "mine.yaml": """\
question: Does a project keep its own models?
dataset: {name: digits, limit: 60}
model: {name: mine}
training: {epochs: 1, batch_size: 16, optimizer: adam, lr: 0.001}
cross_validation: {strategy: stratified, n_splits: 3}
objective: {metric: accuracy}
""",
    "script.py": ONLY_FROM_PYTHONPATH
    + """\
import models
from harness.api import run
from harness.plugins.shipped_folders import SHIPPED
assert models.WHOSE == "the project"
outcome = run("mine.yaml", in_process=True, quiet=True)
import models.layers, models.linear, data_prep.examples
for module in (models, models.layers, models.linear, data_prep.examples):
    print(module.__file__)
print(SHIPPED, len(outcome.plan.trials), outcome.exit_code)
""",
}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository, so that building leaves nothing in it."""
    source = tmp_path_factory.mktemp("wheel") / "source"
    for name in SOURCES:
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(SHIPPED / name, source / name, ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(SHIPPED / name, source / name)
    return source


@pytest.fixture(scope="module")
def wheel(source: Path) -> Path:
    """The wheel of that copy."""
    folder = source.parent
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
        in_the_wheel(file.relative_to(SHIPPED).as_posix())
        for name in SOURCES
        for file in (SHIPPED / name).rglob("*")
        if file.is_file()
    }
    wanted = {file for file in files if not any(part in file for part in NOT_SHIPPED)}
    with zipfile.ZipFile(wheel) as archive:
        found = set(archive.namelist())

    assert {
        "harness/py.typed",
        "harness/shipped/benchmarks/quickstart.yaml",
        "harness/shipped/models/vit.py",
    } <= wanted
    assert wanted - found == set()


def test_the_wheel_takes_no_name_but_its_own(wheel: Path) -> None:
    """A `models` in site-packages would be in the way of the package that a project has itself."""
    with zipfile.ZipFile(wheel) as archive:
        tops = {name.split("/")[0] for name in archive.namelist()}
        (declared,) = (name for name in archive.namelist() if name.endswith("/top_level.txt"))
        assert archive.read(declared).decode().split() == ["harness"]

    assert {top for top in tops if not top.endswith(".dist-info")} == {"harness"}


def test_bench_works_from_the_wheel_in_another_directory(unpacked: Path, tmp_path: Path) -> None:
    """The shipped benchmarks, models and datasets are found where the wheel lies."""
    listed, checked = (
        run(unpacked, tmp_path, BENCH[2], *arguments)
        for arguments in (["list"], ["check", "quickstart"])
    )

    assert (listed.returncode, listed.stderr) == (0, "")
    assert {"quickstart", "vit", "digits", "accuracy"} <= set(listed.stdout.split())
    assert (checked.returncode, checked.stderr) == (0, "")
    assert (
        str(unpacked / "harness" / "shipped" / "benchmarks" / "quickstart.yaml") in checked.stdout
    )


def test_the_wheel_s_own_code_runs(unpacked: Path, tmp_path: Path) -> None:
    """Not that of the repository; a model file is importable as a package's."""
    code = ONLY_FROM_PYTHONPATH + (
        "import harness, models.linear; print(harness.__file__, models.linear.__file__)"
    )
    done = run(unpacked, tmp_path, code)

    assert done.stdout.split() == [
        str(unpacked / "harness" / "__init__.py"),
        str(unpacked / "harness" / "shipped" / "models" / "linear.py"),
    ], done.stderr


def test_a_project_with_models_of_its_own_uses_the_wheel(unpacked: Path, tmp_path: Path) -> None:
    """Its package is what the name means; what the package lacks is found in the shipped one."""
    shipped = unpacked / "harness" / "shipped"

    assert modules_of_the_project(unpacked, tmp_path) == [
        tmp_path / "models" / "__init__.py",
        tmp_path / "models" / "layers.py",
        shipped / "models" / "linear.py",
        shipped / "data_prep" / "examples.py",
    ]


def test_a_project_with_models_of_its_own_uses_a_clone(source: Path, tmp_path: Path) -> None:
    """The same where the clone is on the path, as an editable install puts it there."""
    assert modules_of_the_project(source, tmp_path) == [
        tmp_path / "models" / "__init__.py",
        tmp_path / "models" / "layers.py",
        source / "models" / "linear.py",
        source / "data_prep" / "examples.py",
    ]


def test_an_editable_install_puts_the_clone_on_the_path(source: Path, tmp_path: Path) -> None:
    """So `from models import vit` works in it as before, and finds the clone's file."""
    code = (
        "from setuptools.build_meta import build_editable; import sys; build_editable(sys.argv[1])"
    )
    built = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        cwd=source,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as archive:
        (path_file,) = (name for name in archive.namelist() if name.endswith(".pth"))
        places = archive.read(path_file).decode().split()

    assert [Path(place) for place in places] == [source]


def in_the_wheel(file: str) -> str:
    """Where a file of the repository is in the wheel."""
    return f"harness/shipped/{file}" if file.split("/")[0] in MOVED else file


def modules_of_the_project(installed: Path, project: Path) -> list[Path]:
    """The files behind four imports in a script of a project that trained its own model."""
    for name, text in OWN_MODELS.items():
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).write_text(text)
    done = subprocess.run(
        [sys.executable, "script.py"],
        cwd=project,
        env=surroundings(project, PYTHONPATH=str(installed)),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    *files, summary = done.stdout.splitlines()
    shipped = installed / "harness" / "shipped"
    assert summary == f"{shipped if shipped.is_dir() else installed} 1 0"
    return [Path(file) for file in files]


def run(
    unpacked: Path, folder: Path, code: str, *arguments: str
) -> "subprocess.CompletedProcess[str]":
    given = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    paths = [str(unpacked), *(path for path in given if path and Path(path) != SHIPPED)]
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=folder,
        env=surroundings(folder, PYTHONPATH=os.pathsep.join(paths)),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
