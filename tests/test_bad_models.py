"""Models that break in every way: rows that say so, quiet screens, the others finish."""

import json
from pathlib import Path

import pandas as pd
import pytest

from harness.failures import ERROR_CHARACTERS, LINE_CHARACTERS
from tests.commands import bench

pytestmark = [pytest.mark.ray, pytest.mark.slow]

MODEL = '''"""Breaks on demand."""

import os
from math import prod

from torch import nn


class Mute(Exception):
    def __str__(self):
        raise TypeError("no text")


RAISED = {
    "mute": Mute(),
    "half": ValueError("half a character: \\ud800"),
    "huge": ValueError("x" * 3_000_000),
    "interrupt": KeyboardInterrupt("not by a user"),
    "generator": GeneratorExit("not by a generator"),
}


class Breaking(nn.Module):
    def __init__(self, size, num_classes, mode):
        super().__init__()
        self.inner, self.norm = nn.Linear(size, num_classes), nn.BatchNorm1d(num_classes)
        self.mode = mode

    def forward(self, inputs):
        if self.mode == "exit" and self.training and inputs.device.type != "meta":
            os._exit(7)
        if self.mode in RAISED and inputs.device.type != "meta":
            raise RAISED[self.mode]
        if self.mode == "loud":
            print("word " * 1000)
            os.write(1, b"past Python")
        scale = float("nan") if self.mode == "nan" else 1.0
        return self.norm(self.inner(inputs.flatten(1))) * scale


def build(*, input_shape: tuple[int, ...], num_classes: int, mode: str = "calm"):
    """Logits."""
    return Breaking(prod(input_shape), num_classes, mode)
'''

FILE = """\
question: What breaks?
dataset: {name: digits, limit: 99}
model: {name: breaking}
training: {epochs: 1, batch_size: 13, optimizer: adam, lr: 0.01}
cross_validation: {strategy: kfold, n_splits: 3, test_fold: none}
search:
  space:
    model.mode: [exit, loud, nan, mute, half, huge, interrupt, generator]
objective: {metric: accuracy}
"""


def test_what_breaks_is_a_row_and_stdout_is_json_alone(tmp_path: Path) -> None:
    """A process that ends, a loss that is no number, a model that prints; a last batch of one."""
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "breaking.py").write_text(MODEL)
    (tmp_path / "broken.yaml").write_text(FILE)

    done = bench("run", "broken", "--json", folder=tmp_path)
    said = json.loads(done.stdout)
    rows = pd.read_parquet(tmp_path / "results" / "broken" / "trials")
    rows = rows.set_index("params.model.mode")

    assert done.returncode == 1
    assert (said["trials"], said["complete"], said["failed"]) == (8, 1, 7)
    assert 0 < said["seconds"] < 240
    assert rows["status"].drop("loud").unique().tolist() == ["failed"]
    assert rows.loc["loud", "status"] == "complete"
    assert "process died 2 times" in rows.loc["exit", "error"]
    assert rows.loc["nan", "error"].startswith("diverged: ")
    assert rows.loc["mute", "error"] == "Mute: its text can't be shown (TypeError)"
    assert rows.loc["half", "error"] == "ValueError: half a character: \N{REPLACEMENT CHARACTER}"
    assert rows.loc["huge", "error"] == "ValueError: " + "x" * ERROR_CHARACTERS
    assert len(rows.loc["huge", "traceback"]) < 30 * LINE_CHARACTERS
    assert rows.loc["interrupt", "error"] == "KeyboardInterrupt: not by a user"
    assert rows.loc["generator", "error"] == "GeneratorExit: not by a generator"
    assert rows["attempt"].drop("exit").unique().tolist() == [1]
    for noise in ("Traceback", "raylet", "ERROR", "past Python"):
        assert noise not in done.stderr
