"""`bench rerun`: a row repeated, and a row whose model has changed since.

All of it but Ray, with which the tutorial's test repeats a row.
"""

from pathlib import Path

import pandas as pd
import pytest

from tests.commands import bench_here
from tests.without_ray import run_without_ray

MODEL = '''"""A linear model."""

from math import prod

from torch import nn


def build(*, input_shape: tuple[int, ...], num_classes: int, bias: bool = True) -> nn.Module:
    """Logits."""
    return nn.Sequential(nn.Flatten(), nn.Linear(prod(input_shape), num_classes, bias=bias))
'''
FILE = """\
question: Does it repeat?
dataset: {name: digits, limit: 160}
model: {name: mine}
training: {epochs: 2, batch_size: 32, optimizer: adam, lr: 0.01}
cross_validation: {strategy: stratified, n_splits: 4}
search: {space: {model.bias: [true, false]}}
objective: {metric: accuracy}
metrics: [accuracy, macro_f1]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rerun")
    (folder / "models").mkdir()
    (folder / "models" / "mine.py").write_text(MODEL)
    (folder / "again.yaml").write_text(FILE)
    done = bench_here("run", "again.yaml", "--in-process", "--quiet", folder=folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(autouse=True)
def _without_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    run_without_ray(monkeypatch)


def test_a_row_repeats_to_the_last_bit_and_the_tables_stay(folder: Path) -> None:
    before = sorted(path for path in (folder / "results").rglob("*") if path.is_file())
    done = bench_here("rerun", "again", "bias=false", "--quiet", folder=folder)
    assert done.returncode == 0, done.stderr
    assert "same, 4 folds and 320 predictions to the last bit" in done.stdout
    assert sorted(path for path in (folder / "results").rglob("*") if path.is_file()) == before


def test_a_changed_model_is_why_the_numbers_differ(folder: Path) -> None:
    changed = MODEL.replace("nn.Flatten(), ", "nn.Flatten(), nn.Dropout(0.5), ")
    (folder / "models" / "mine.py").write_text(changed)
    done = bench_here("rerun", "again", "bias=true", "--quiet", folder=folder)
    assert done.returncode == 1, done.stderr
    assert "the curves differ from epoch 1 on" in done.stdout
    assert "because: models/mine.py changed" in done.stdout


def test_a_trial_that_is_not_there_is_said_with_what_is(folder: Path) -> None:
    done = bench_here("rerun", "again", "bias=maybe", folder=folder)
    assert done.returncode == 2
    there_are = done.stderr.strip().rpartition("there are: ")[2]
    assert sorted(there_are.split(", ")) == ["false", "true"]  # in the order of the rows
    trials = pd.read_parquet(folder / "results" / "again" / "trials")
    assert len(trials) == 2
