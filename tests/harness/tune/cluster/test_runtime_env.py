"""The code that a run takes along to the nodes of a cluster."""

import subprocess
import sys
from pathlib import Path

import pytest

from harness.errors import BenchError
from harness.plugins import catalog
from harness.tune.cluster import runtime_env
from harness.tune.cluster.runtime_env import travelling_code


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A user's working directory with a model, a file beside it, and what is no code."""
    for name in ("models/mine.py", "models/labels.json", "models/__pycache__/mine.pyc"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x = 1\n")
    return tmp_path


def test_our_packages_and_the_users_folders_travel(folder: Path) -> None:
    """The user's under a name that shadows nothing, without what Python makes of it."""
    with travelling_code(folder) as packages:
        *ours, users = map(Path, packages)
        assert [one.name for one in ours] == ["harness", "models", "data_prep"]
        assert users.name == "bench_user"
        files = sorted(str(file.relative_to(users)) for file in users.rglob("*") if file.is_file())
        assert files == ["__init__.py", "models/labels.json", "models/mine.py"]
    assert not users.exists()


def test_a_folder_too_large_to_be_code_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Data in it would be sent to every node."""
    monkeypatch.setattr(runtime_env, "LIMIT_BYTES", 1000)
    (folder / "models" / "weights.bin").write_bytes(bytes(2000))
    with pytest.raises(BenchError, match=r"models travels .* largest file is weights\.bin"):
        travelling_code(folder).__enter__()


def test_a_file_is_found_where_it_travelled_to(folder: Path) -> None:
    """A process of a node: the driver's paths mean nothing there, or something else."""
    driver = Path("/home/somebody/project/models")
    with travelling_code(folder) as packages:
        places = [str(Path(one).parent) for one in packages]
        script = f"""
import sys
from pathlib import Path
sys.path[:0] = {places!r}
from harness.plugins.catalog import Entry, has_travelled, here, load
assert has_travelled()
mine = Entry("model", "mine", Path({str(driver / "mine.py")!r}), shipped=False)
vit = Entry("model", "vit", Path({str(driver / "vit.py")!r}), shipped=True)
print(load(mine).x, here(mine).file, here(vit).file)
"""
        command = [sys.executable, "-c", script]
        done = subprocess.run(command, cwd="/", capture_output=True, text=True, check=True)
        assert done.stdout.split() == [
            "1",
            f"{packages[-1]}/models/mine.py",
            str(catalog.SHIPPED / "models" / "vit.py"),
        ]


def test_on_a_machine_of_ones_own_nothing_travels() -> None:
    """An entry keeps its file."""
    vit = catalog.find("model", "vit", folder=catalog.SHIPPED)
    assert not catalog.has_travelled()
    assert catalog.here(vit) is vit
