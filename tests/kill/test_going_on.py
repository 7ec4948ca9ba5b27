"""Trials interrupted in the middle: they go on from their last checkpoint, to the same tables."""

import signal
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from tests.commands import bench
from tests.kill.sweeps import (
    NAME,
    assert_same_results,
    below,
    ended,
    running,
    statuses,
    still_there,
    tables_of,
    undisturbed_run,
    user_folder,
    wait_until,
)

pytestmark = [pytest.mark.ray, pytest.mark.slow]

MODEL = '''"""Counts the steps of all its processes, and may be told to die at one of them."""

import os
import signal
import time
from math import prod
from pathlib import Path

from torch import nn

STEPS = Path(__file__).with_suffix(".steps")
DEADLY = Path(__file__).with_suffix(".deadly")


class Counted(nn.Module):
    def __init__(self, size, num_classes):
        super().__init__()
        layers = [nn.Linear(size, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2)]
        self.inner = nn.Sequential(nn.Flatten(), *layers, nn.Linear(8, num_classes))

    def forward(self, inputs):
        if self.training and inputs.device.type != "meta":
            self.count()
        return self.inner(inputs)

    def count(self):
        time.sleep(0.03)
        with STEPS.open("a") as steps:
            steps.write(".")
        if DEADLY.exists() and STEPS.stat().st_size >= int(DEADLY.read_text()):
            DEADLY.unlink()
            os.kill(os.getpid(), signal.SIGKILL)


def build(*, input_shape: tuple[int, ...], num_classes: int):
    """Logits."""
    return Counted(prod(input_shape), num_classes)
'''

FILE = """\
question: Does a trial go on where it stood?
dataset: {name: digits, limit: 80}
model: {name: counted}
training: {epochs: 20, batch_size: 16, optimizer: adam, lr: 0.01, schedule: cosine,
           fold_execution: loop}
cross_validation: {strategy: stratified, n_splits: 4}
objective: {metric: accuracy}
"""
EVERY_EPOCH = FILE + "resources: {checkpoint_interval_s: 0}\n"
EPOCH_STEPS = 4 * 3  # four folds, 40 train examples in batches of 16


def made(folder: Path, text: str = EVERY_EPOCH) -> Path:
    """A user's folder with the file and its model."""
    (folder / "models").mkdir()
    (folder / "models" / "counted.py").write_text(MODEL)
    return user_folder(folder, text)


def again(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """The same command to its end."""
    return bench("run", NAME, *arguments, folder=folder)


def steps(folder: Path) -> int:
    """Training steps of all processes so far, and a few of those that look at the model."""
    file = folder / "models" / "counted.steps"
    return file.stat().st_size if file.exists() else 0


def checkpoints(folder: Path) -> list[Path]:
    return list(tables_of(folder).glob("runs/*/checkpoints/*"))


def logs(folder: Path) -> str:
    return "".join(file.read_text() for file in sorted(tables_of(folder).glob("runs/*/logs/*")))


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a sweep that nobody disturbed."""
    folder = made(tmp_path_factory.mktemp("straight"))
    undisturbed_run(folder)
    assert checkpoints(folder) == []
    return folder


def test_a_trial_outlives_its_worker_and_its_driver(tmp_path: Path, straight: Path) -> None:
    """kill -9 of the worker in the middle of epoch 7, of the driver about epoch 11."""
    folder = made(tmp_path)
    (folder / "models" / "counted.deadly").write_text(str(6 * EPOCH_STEPS + 5))
    with running(folder) as process:
        wait_until(lambda: checkpoints(folder), process)
        started = below(process)
        wait_until(lambda: steps(folder) > 11 * EPOCH_STEPS, process)
        process.kill()
        process.wait()
        left = still_there(started)
    (kept,) = checkpoints(folder)
    done = again(folder)
    assert done.returncode == 0, done.stderr
    trial = pd.read_parquet(tables_of(folder) / "trials").iloc[0]

    assert left == []
    assert "1 trial goes on from its checkpoint (epoch 1" in done.stderr
    assert "goes on from its checkpoint, after epoch 1" in logs(folder)
    assert steps(folder) < steps(straight) + 4 * EPOCH_STEPS  # anew, it would be 20 more each time
    assert trial["attempt"] == 3
    assert not kept.exists() and checkpoints(folder) == []
    assert_same_results(tables_of(folder), tables_of(straight))


@pytest.mark.all
def test_an_interrupted_trial_loses_no_epoch(tmp_path: Path, straight: Path) -> None:
    """Ctrl-C: what runs keeps where it stands, though no checkpoint was due yet."""
    folder = made(tmp_path, FILE)
    with running(folder) as process:
        wait_until(lambda: steps(folder) > 8 * EPOCH_STEPS, process)
        process.send_signal(signal.SIGINT)
        code, _ = ended(process)
    between = statuses(folder), len(checkpoints(folder))
    done = again(folder)
    trial = pd.read_parquet(tables_of(folder) / "trials").iloc[0]

    assert (code, *between) == (130, {"interrupted": 1}, 1)
    assert done.returncode == 0, done.stderr
    assert steps(folder) < steps(straight) + 2 * EPOCH_STEPS
    assert trial["attempt"] == 2
    assert checkpoints(folder) == []
    assert_same_results(tables_of(folder), tables_of(straight))


@pytest.mark.all
def test_a_damaged_checkpoint_is_told_and_the_trial_begins_anew(
    tmp_path: Path, straight: Path
) -> None:
    """One line, and the same tables in the end."""
    folder = made(tmp_path)
    with running(folder) as process:
        wait_until(lambda: checkpoints(folder), process)
        process.kill()
        process.wait()
    (kept,) = checkpoints(folder)
    kept.write_bytes(kept.read_bytes()[:-1] + b"?")
    done = again(folder)

    assert "starts from the beginning, its checkpoint is of no use: it is damaged" in done.stderr
    assert_same_results(tables_of(folder), tables_of(straight))
