"""A user's working directory: a model and a dataset of their own, and a file of several trials."""

from pathlib import Path

N_TRIALS = 12
DATA_BYTES = 40_000_000

_MODEL = '''\
"""A linear model that takes its time, but no core."""

import time
from math import prod

from torch import nn


def build(*, input_shape: tuple[int, ...], num_classes: int, pause_s: float = 0.0) -> nn.Module:
    """Logits (batch, num_classes) of inputs (batch, *input_shape)."""
    time.sleep(pause_s)
    return nn.Sequential(nn.Flatten(), nn.Linear(prod(input_shape), num_classes))
'''
_DATASET = f'''\
"""Noise in 1,000 examples of 40 kB."""

from pathlib import Path

from data_prep.examples import Description, Examples

N_EXAMPLES = 1000
N_VALUES = {DATA_BYTES // 4 // 1000}


def describe() -> Description:
    """What is known without making any."""
    return Description(
        title="Noise", input_shape=(N_VALUES,), class_names=("one", "other"),
        n_examples=N_EXAMPLES, source="made up", licence="none",
    )


def prepare(root: Path) -> None:
    """Nothing to do."""


def files(root: Path) -> list[Path]:
    """This file says all."""
    return [Path(__file__)]


def load(root: Path) -> Examples:
    """Inputs (1000, N_VALUES), the same every time."""
    import numpy as np

    return Examples(
        inputs=np.random.default_rng(0).standard_normal((N_EXAMPLES, N_VALUES), dtype=np.float32),
        targets=np.arange(N_EXAMPLES) % 2,
        example_ids=np.array([f"noise-{{index}}" for index in range(N_EXAMPLES)]),
        class_names=("one", "other"),
    )
'''


def make_user_folder(folder: Path, *, dataset: str = "digits") -> Path:
    """Writes `models/unhurried.py`, `data_prep/noise.py` and `sweep.yaml`.

    dataset: that the trials train on, `noise` or a shipped one.
    """
    for name, text in (("models/unhurried.py", _MODEL), ("data_prep/noise.py", _DATASET)):
        (folder / name).parent.mkdir()
        (folder / name).write_text(text)
    (folder / "sweep.yaml").write_text(_benchmark(dataset))
    return folder


def _benchmark(dataset: str) -> str:
    rates = ", ".join(f"{0.001 * i:.3f}" for i in range(1, N_TRIALS + 1))
    return f"""\
question: Do other machines give other numbers?
dataset: {{name: {dataset}}}
model: {{name: unhurried, pause_s: 0.5}}
training: {{epochs: 2, batch_size: 64, optimizer: adam, fold_execution: loop}}
cross_validation: {{strategy: stratified, n_splits: 4}}
search: {{space: {{training.lr: [{rates}]}}}}
objective: {{metric: accuracy}}
"""
