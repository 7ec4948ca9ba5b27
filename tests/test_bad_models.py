"""Models that break or die in every way, in one sweep under a real Ray.

Rows say how it ended, epochs and logs are kept, screens are quiet, the others finish.
"""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from harness.user_code_errors import ERROR_CHARACTERS, LINE_CHARACTERS
from tests.commands import bench

WITHIN_S = 480  # eight workers end and are replaced, seconds each on a busy machine

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(WITHIN_S + 60)]

MODEL = '''"""Breaks or dies on demand, in its second epoch; `_once` only at the first attempt."""

import os
import signal
import sys
import time
from math import prod
from pathlib import Path

import torch
from torch import nn


class Mute(Exception):
    def __str__(self):
        raise TypeError("no text")


class Breaking(nn.Module):
    def __init__(self, size, num_classes, end):
        super().__init__()
        self.inner, self.norm = nn.Linear(size, num_classes), nn.BatchNorm1d(num_classes)
        self.end, self.seen = end, 0

    def forward(self, inputs):
        if self.training and inputs.device.type != "meta":
            self.seen += len(inputs)
            if self.seen > 45:
                print("the end is near")
                ENDS[self.end]()
        scale = float("nan") if self.end == "nan" else 1.0
        return self.norm(self.inner(inputs.flatten(1))) * scale


def loud():
    print("word " * 1000)
    os.write(1, b"past Python")


def write():
    from harness.tune import trainable

    for value in list(trainable._fetched.values()):
        if hasattr(value, "targets"):
            torch.from_numpy(value.inputs[0]).fill_(0)


def first_attempt(name):
    mark = Path(__file__).with_suffix("." + name)
    first = not mark.exists()
    mark.touch()
    return first


def exit_once():
    if first_attempt("exited"):
        os._exit(7)


def hungry_once():
    if first_attempt("hungry"):
        raise MemoryError("no room for this")


def raises(error):
    def end():
        raise error
    return end


ENDS = {
    "calm": lambda: None,
    "loud": loud,
    "nan": lambda: None,
    "mute": raises(Mute()),
    "half": raises(ValueError("half a character: \\ud800")),
    "huge": raises(ValueError("x" * 3_000_000)),
    "interrupt": raises(KeyboardInterrupt("not by a user")),
    "generator": raises(GeneratorExit("not by a generator")),
    "exit": lambda: sys.exit(3),
    "segfault": write,
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "exit_once": exit_once,
    "hang": lambda: time.sleep(300),
    "hungry": lambda: bytearray(2**60),
    "hungry_once": hungry_once,
}


def build(*, input_shape: tuple[int, ...], num_classes: int, end: str = "calm"):
    """Logits."""
    return Breaking(prod(input_shape), num_classes, end)
'''

ENDS = ("calm", "loud", "nan", "mute", "half", "huge", "interrupt", "generator", "exit")
ENDS += ("segfault", "kill", "exit_once", "hang", "hungry", "hungry_once")
COMPLETE = {"calm", "loud", "exit_once", "hungry_once"}

# Of 63 examples, 43 train: in batches of 14 the last one is a single example.
FILE = f"""\
question: How do models break?
dataset: {{name: digits, limit: 83}}
model: {{name: breaking}}
training: {{epochs: 3, batch_size: 14, optimizer: adam, lr: 0.01}}
cross_validation: {{strategy: holdout, validation_size: 20, test_size: 20}}
resources: {{time_limit_s: 4}}
search:
  space:
    model.end: [{", ".join(ENDS)}]
objective: {{metric: accuracy}}
"""

ERRORS = {
    "mute": "Mute: its text can't be shown (TypeError)",
    "half": "ValueError: half a character: \N{REPLACEMENT CHARACTER}",
    "huge": "ValueError: " + "x" * ERROR_CHARACTERS,
    "interrupt": "KeyboardInterrupt: not by a user",
    "generator": "GeneratorExit: not by a generator",
    "exit": "SystemExit: 3",
    "segfault": "the worker's process crashed 2 times: Segmentation fault, as where a model writes "
    "into the data that all trials share",
    "kill": "the worker's process died 2 times",
    "hang": "time limit of 4 s reached after 1 epoch; "
    "raise resources.time_limit_s, then --retry-failed",
    "hungry": "out of memory: MemoryError, with no trial beside it; "
    "try a smaller training.batch_size",
}
TWICE = {"segfault", "kill", "exit_once", "hungry", "hungry_once"}
TRACES = {
    "exit": "SystemExit: 3",
    "segfault": "breaking.py",
    "hang": "breaking.py",
    "hungry": "bytearray(2**60)",
}


@dataclass(frozen=True)
class Sweep:
    """What the command said, and the trials' rows by the model's end."""

    done: "subprocess.CompletedProcess[str]"
    folder: Path
    rows: pd.DataFrame

    @property
    def results(self) -> Path:
        return self.folder / "results" / "broken"

    def log(self, end: str) -> str:
        [log] = self.results.glob(f"runs/*/logs/{self.rows.loc[end, 'trial_id']}.txt")
        return log.read_text()


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    """All of them, two at a time."""
    folder = tmp_path_factory.mktemp("broken")
    (folder / "models").mkdir()
    (folder / "models" / "breaking.py").write_text(MODEL)
    (folder / "broken.yaml").write_text(FILE)
    done = bench("run", "broken", "--jobs", "2", "--json", folder=folder, timeout_s=WITHIN_S)
    assert done.returncode == 1, done.stderr
    rows = pd.read_parquet(folder / "results" / "broken" / "trials")
    return Sweep(done, folder, rows.set_index("params.model.end"))


def test_each_end_is_a_row_that_says_so(sweep: Sweep) -> None:
    """The error, where it was raised and how often it was tried; what can complete does."""
    failed = sweep.rows[sweep.rows["status"] == "failed"]
    errors = failed["error"].to_dict()

    assert errors.pop("nan").startswith("diverged: ")
    assert errors == ERRORS
    assert set(sweep.rows.index[sweep.rows["status"] == "complete"]) == COMPLETE
    assert sweep.rows["attempt"].to_dict() == {end: 1 + (end in TWICE) for end in ENDS}
    for end, place in TRACES.items():
        assert place in failed.loc[end, "traceback"], end
    assert len(failed.loc["huge", "traceback"]) < 30 * LINE_CHARACTERS


def test_stdout_is_json_alone_and_stderr_is_quiet(sweep: Sweep) -> None:
    """Whatever the models print; what was tried again is announced."""
    answer = json.loads(sweep.done.stdout)

    assert (answer["trials"], answer["complete"], answer["failed"]) == (15, 4, 11)
    assert 0 < answer["seconds"] < WITHIN_S
    for noise in ("Traceback", "raylet", "ERROR", "past Python"):
        assert noise not in sweep.done.stderr
    assert "the worker of 3 trials died; tried once more" in sweep.done.stderr
    assert "memory ran out for 2 trials; tried again one at a time" in sweep.done.stderr


def test_the_epochs_until_then_and_the_log_are_kept(sweep: Sweep) -> None:
    """One epoch is whole before the end, but for those whose process took it along."""
    in_process = ["mute", "half", "huge", "interrupt", "generator", "exit", "hang", "hungry"]
    epochs = pd.read_parquet(sweep.results / "epochs").groupby("trial_id").size()

    assert sweep.rows.loc[in_process, "epochs_trained"].tolist() == [1] * len(in_process)
    assert epochs[sweep.rows.loc["hang", "trial_id"]] == 1
    for end in ERRORS:
        assert "the end is near" in sweep.log(end), end
        assert sweep.log(end).endswith(f"failed: {ERRORS[end]}\n"), end


def test_only_complete_trials_have_folds_and_weights(sweep: Sweep) -> None:
    """One that died once has them too: those of its second attempt."""
    folds = pd.read_parquet(sweep.results / "folds").groupby("trial_id").size()
    complete = sweep.rows["trial_id"][sweep.rows["status"] == "complete"]

    assert folds.to_dict() == dict.fromkeys(complete, 1)
    [weights] = (sweep.results / "weights").iterdir()
    assert weights.name in set(complete)


def test_failed_trials_are_not_tried_again_unasked(sweep: Sweep) -> None:
    """The same command trains nothing and ends as before."""
    again = bench("run", "broken", folder=sweep.folder)

    assert again.returncode == 1
    assert "4 of 15 complete, 11 failed" in again.stdout
