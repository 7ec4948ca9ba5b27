"""Workers that die under a real Ray: one more try, then a row; the others finish."""

from pathlib import Path

import pandas as pd
import pytest

from tests.commands import bench

pytestmark = [pytest.mark.ray, pytest.mark.slow]

MODEL = '''"""A linear model whose process dies: once or always."""

import os
from math import prod
from pathlib import Path

from torch import nn


class Mortal(nn.Module):
    def __init__(self, size, num_classes, dies):
        super().__init__()
        self.inner, self.dies = nn.Linear(size, num_classes), dies

    def forward(self, inputs):
        if self.training and inputs.device.type != "meta":
            self.live_or_die(Path(__file__).with_suffix(".died"))
        return self.inner(inputs.flatten(1))

    def live_or_die(self, mark):
        if self.dies == "always" or (self.dies == "once" and not mark.exists()):
            mark.touch()
            os._exit(1)


def build(*, input_shape: tuple[int, ...], num_classes: int, dies: str = "never"):
    """Logits."""
    return Mortal(prod(input_shape), num_classes, dies)
'''

FILE = """\
question: What does a death cost?
dataset: {name: digits, limit: 80}
model: {name: mortal}
training: {epochs: 1, batch_size: 32, optimizer: adam, lr: 0.01}
cross_validation: {strategy: stratified, n_splits: 4}
search:
  space:
    model.dies: [once, always]
objective: {metric: accuracy}
"""


def test_a_worker_that_dies_is_tried_once_more(tmp_path: Path) -> None:
    """Twice dead is a failed row; dead once completes at the second attempt."""
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "mortal.py").write_text(MODEL)
    (tmp_path / "mortal.yaml").write_text(FILE)

    done = bench("run", "mortal", "--jobs", "1", folder=tmp_path)
    results = tmp_path / "results" / "mortal"
    rows = pd.read_parquet(results / "trials").set_index("params.model.dies")
    folds = pd.read_parquet(results / "folds").groupby("trial_id").size()

    assert done.returncode == 1, done.stderr
    assert rows["status"].to_dict() == {"once": "complete", "always": "failed"}
    assert rows["attempt"].to_dict() == {"once": 2, "always": 2}
    assert "process died 2 times" in rows.loc["always", "error"]
    assert folds.to_dict() == {rows.loc["once", "trial_id"]: 4}
    assert [one.name for one in (results / "weights").iterdir()] == [rows.loc["once", "trial_id"]]
