"""Trials that spoil their process, between clean ones, one worker at a time under a real Ray."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.commands import bench

pytestmark = [pytest.mark.ray, pytest.mark.slow]

MODEL = '''"""Leaves something behind where its mood asks for it."""

import sys
from math import prod

import torch
from torch import nn


def hook():
    nn.modules.module.register_module_forward_hook(lambda module, inputs, output: output * 0.9)


def operator():
    if not hasattr(sys, "kept"):
        sys.kept = torch.library.Library("aten", "IMPL")  # as long as the process lives
        sys.kept.impl("relu", lambda x: x.clamp(min=0.5), "CPU")


LEAVE = {"hook": hook, "operator": operator}


def build(*, input_shape: tuple[int, ...], num_classes: int, mood: str = "calm") -> nn.Module:
    """A small network; the moods differ in what they leave alone."""
    if "harness.tune.trainable" in sys.modules and mood in LEAVE:
        LEAVE[mood]()
    size = prod(input_shape)
    return nn.Sequential(nn.Flatten(), nn.Linear(size, 8), nn.ReLU(), nn.Linear(8, num_classes))
'''
FILE = """\
question: Does one trial reach the next?
dataset: {name: digits, limit: 160}
model: {name: moody}
training: {epochs: 2, batch_size: 32, optimizer: adam, lr: 0.01}
cross_validation: {strategy: stratified, n_splits: 4}
search: {space: {model.mood: [first, hook, second, operator, third]}}
objective: {metric: accuracy}
"""
CLEAN = ("first", "second", "third")


def test_no_trial_reaches_the_next(tmp_path: Path) -> None:
    """Clean trials agree to the bit, whatever ran in between; who changed something is named."""
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "moody.py").write_text(MODEL)
    (tmp_path / "alone.yaml").write_text(FILE)
    done = bench("run", "alone.yaml", "--quiet", "--jobs", "1", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    trials = pd.read_parquet(tmp_path / "results" / "alone" / "trials")
    trials = trials.set_index("params.model.mood")
    predictions = pd.read_parquet(tmp_path / "results" / "alone" / "predictions")
    found = trials["findings"].fillna("").to_dict()

    assert {mood: found[mood] for mood in CLEAN} == dict.fromkeys(CLEAN, "")
    assert "changed_process:torch.nn.modules.module._global_forward_hooks" in found["hook"]
    assert "changed_process:operators replaced by torch.library" in found["operator"]
    probabilities = [
        np.stack(predictions[predictions["trial_id"] == trials["trial_id"][mood]]["probabilities"])
        for mood in CLEAN
    ]
    assert all(np.array_equal(one, probabilities[0]) for one in probabilities)
