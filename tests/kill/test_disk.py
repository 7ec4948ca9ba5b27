"""A disk that is full or read-only, for real: a small file system in memory, mounted as root."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.engine import prepare
from harness.engine.options import RunOptions
from harness.engine.runner import RunOutcome, run_benchmark
from harness.errors import BenchError
from harness.results.table_writer import compact
from tests.kill.sweeps import (
    NAME,
    assert_same_results,
    ended,
    go_on,
    running,
    statuses,
    tables_of,
    wait_for_rows,
)
from tests.without_ray import run_without_ray

DISK_BYTES = 8 * 2**20
SHORT = """\
question: What does a full disk cost?
dataset: {name: digits, limit: 400}
model: {name: linear}
training: {epochs: 2, batch_size: 32, optimizer: adam, fold_execution: loop}
cross_validation: {strategy: stratified, n_splits: 4}
search:
  space:
    training.lr: [0.01, 0.02, 0.03]
objective: {metric: accuracy}
"""


def may_mount() -> bool:
    """Root may, in most places."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        return False
    return subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode == 0


pytestmark = [
    pytest.mark.all,
    pytest.mark.skipif(not may_mount(), reason="a full disk needs root, to mount a small one"),
]


@pytest.fixture
def disk(folder: Path) -> Iterator[Path]:
    """The user's `results/`, a file system of its own of a few megabytes."""
    place = folder / "results"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", place], check=True)
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


def fill(disk: Path, *, leave_bytes: int = 0) -> None:
    """Leaves so much of it free."""
    with (disk / "ballast").open("wb") as file:
        file.write(bytes(free_bytes(disk) - leave_bytes))


def make_room(disk: Path) -> None:
    """As a user would."""
    (disk / "ballast").unlink()


def free_bytes(disk: Path) -> int:
    """What is left."""
    facts = os.statvfs(disk)
    return facts.f_bavail * facts.f_frsize


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., RunOutcome]:
    """The short sweep in this process, without Ray."""
    (folder / f"{NAME}.yaml").write_text(SHORT)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    run_without_ray(monkeypatch)
    return lambda **options: run_benchmark(RunOptions(NAME, **options), lambda event: None)


def whole(folder: Path, run: Callable[..., RunOutcome], disk: Path) -> Path:
    """A copy of the tables of the short sweep where nothing happened to it."""
    assert run().exit_code == 0
    copy = folder / "whole"
    shutil.move(disk / NAME, copy)
    return copy


@pytest.mark.ray
@pytest.mark.slow
def test_a_disk_that_fills_up_while_trials_end_costs_what_was_not_written(
    folder: Path, disk: Path, undisturbed: Path
) -> None:
    """Exit 1 and why; what was written stays; with room again the same command goes on."""
    with running(folder) as process:
        wait_for_rows(process, folder)
        fill(disk)
        code, out = ended(process)
    make_room(disk)
    before = statuses(folder)
    again = go_on(folder)

    assert code == 1, out
    assert "No space left on device" in out
    assert "the same command goes on" in out
    assert "Traceback" not in out
    assert "failed" not in before
    assert again.returncode == 0, again.stderr
    assert_same_results(tables_of(folder), undisturbed)


def test_a_disk_that_is_full_at_the_first_write_is_a_refusal(
    folder: Path, disk: Path, run: Callable[..., RunOutcome]
) -> None:
    """Exit 2, the folder and the reason, nothing left behind; with room it runs."""
    expected = whole(folder, run, disk)
    for left_bytes in (0, 4096, 3 * 4096, 6 * 4096):
        fill(disk, leave_bytes=left_bytes)
        with pytest.raises(BenchError, match="can't be written: No space left on device"):
            run()
        assert not list((disk / NAME).glob("*/*.parquet"))
        make_room(disk)

    assert run().exit_code == 0
    assert_same_results(disk / NAME, expected)


@pytest.mark.parametrize("left_bytes", [0, 4096, 8 * 4096, 20 * 4096])
def test_a_disk_that_is_full_when_parts_are_joined_costs_nothing(
    folder: Path,
    disk: Path,
    run: Callable[..., RunOutcome],
    monkeypatch: pytest.MonkeyPatch,
    left_bytes: int,
) -> None:
    """However far it came: exit 1 and why, and every trial is there once."""
    expected = whole(folder, run, disk)

    def joined(tables: Path) -> int:
        fill(disk, leave_bytes=left_bytes)
        return compact(tables, threshold=0)

    run(limit=1)
    run(limit=1)
    monkeypatch.setattr(prepare, "compact", joined)
    full = run()
    make_room(disk)
    again = run()

    assert full.exit_code == 1
    assert "No space left on device" in str(full.write_error)
    assert full.summary.complete == 3
    assert again.exit_code == 0
    assert_same_results(disk / NAME, expected)


def test_a_folder_that_cannot_be_written_is_a_refusal(folder: Path, disk: Path) -> None:
    """Exit 2, the place and the cure, nothing slow before it, no traceback."""
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)

    done = go_on(folder)

    assert done.returncode == 2
    assert "can't be written: Read-only file system; choose another place" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv (util-linux)")
def test_a_folder_of_another_user_is_a_refusal(folder: Path) -> None:
    """As seen by one whom its permissions bind, which root's privileges would not be."""
    results = folder / "results"
    results.mkdir()
    os.chown(results, 65534, 65534)
    bound = ["setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override"]

    done = go_on(folder, through=bound)

    assert done.returncode == 2
    assert "can't be written: Permission denied; choose another place" in done.stderr
