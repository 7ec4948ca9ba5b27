"""Processes that die in every way, under a real Ray: rows that say how, epochs and logs kept."""

from pathlib import Path

import pandas as pd
import pytest

from tests.commands import bench

pytestmark = [pytest.mark.ray, pytest.mark.slow]

MODEL = '''"""Dies on demand, in its second epoch; `once` only at the first attempt."""

import faulthandler
import os
import signal
import sys
import time
from math import prod
from pathlib import Path

from torch import nn


class Dying(nn.Module):
    def __init__(self, size, num_classes, end):
        super().__init__()
        self.inner, self.end, self.seen = nn.Linear(size, num_classes), end, 0

    def forward(self, inputs):
        if self.training and inputs.device.type != "meta":
            self.seen += len(inputs)
            if self.seen > 40:
                print("the end is near")
                ENDS[self.end]()
        return self.inner(inputs.flatten(1))


def hungry_once():
    mark = Path(__file__).with_suffix(".hungry")
    if not mark.exists():
        mark.touch()
        raise MemoryError("no room for this")


def hungry():
    bytearray(2**60)


ENDS = {
    "calm": lambda: None,
    "exit": lambda: sys.exit(3),
    "segfault": faulthandler._sigsegv,
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "hang": lambda: time.sleep(300),
    "hungry": hungry,
    "hungry_once": hungry_once,
}


def build(*, input_shape: tuple[int, ...], num_classes: int, end: str = "calm"):
    """Logits."""
    return Dying(prod(input_shape), num_classes, end)
'''

FILE = """\
question: How do models die?
dataset: {name: digits, limit: 80}
model: {name: dying}
training: {epochs: 3, batch_size: 20, optimizer: adam, lr: 0.01}
cross_validation: {strategy: holdout, validation_size: 20, test_size: 20}
resources: {time_limit_s: 4}
search:
  space:
    model.end: [calm, exit, segfault, kill, hang, hungry, hungry_once]
objective: {metric: accuracy}
"""

ERRORS = {
    "exit": "SystemExit: 3",
    "segfault": "the worker's process crashed 2 times: Segmentation fault, as where a model writes "
    "into the data that all trials share",
    "kill": "the worker's process died 2 times",
    "hang": "time limit of 4 s reached after 1 epoch; "
    "raise resources.time_limit_s, then --retry-failed",
    "hungry": "out of memory: MemoryError, with no trial beside it; "
    "try a smaller training.batch_size",
}
ATTEMPTS = {
    "calm": 1,
    "exit": 1,
    "segfault": 2,
    "kill": 2,
    "hang": 1,
    "hungry": 2,
    "hungry_once": 2,
}
TRACES = {
    "exit": "SystemExit: 3",
    "segfault": "dying.py",
    "hang": "dying.py",
    "hungry": "bytearray(2**60)",
}


def test_each_end_is_a_row_that_says_so(tmp_path: Path) -> None:
    """Error, where, attempts, the epochs until then and the log; what can complete does."""
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "dying.py").write_text(MODEL)
    (tmp_path / "dying.yaml").write_text(FILE)

    done = bench("run", "dying", "--jobs", "2", folder=tmp_path)
    results = tmp_path / "results" / "dying"
    rows = pd.read_parquet(results / "trials").set_index("params.model.end")
    failed = rows[rows["status"] == "failed"]
    epochs = pd.read_parquet(results / "epochs").groupby("trial_id").size()

    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert failed["error"].to_dict() == ERRORS
    assert rows["attempt"].to_dict() == ATTEMPTS
    assert set(rows.index[rows["status"] == "complete"]) == {"calm", "hungry_once"}
    for end, place in TRACES.items():
        assert place in failed.loc[end, "traceback"], end
    assert failed["epochs_trained"].drop("kill").drop("segfault").to_dict() == {
        "exit": 1,
        "hang": 1,
        "hungry": 1,
    }
    assert epochs[rows.loc["hang", "trial_id"]] == 1
    for end in ERRORS:
        [log] = results.glob(f"runs/*/logs/{rows.loc[end, 'trial_id']}.txt")
        assert "the end is near" in log.read_text(), end
        assert log.read_text().endswith(f"failed: {ERRORS[end]}\n")
    assert "the worker of 2 trials died; tried once more" in done.stderr
    assert "memory ran out for 2 trials; tried again one at a time" in done.stderr

    again = bench("run", "dying", folder=tmp_path)
    assert again.returncode == 1
    assert "2 of 7 complete, 5 failed" in again.stdout
