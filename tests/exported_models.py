"""Small benchmarks trained without Ray, and their exported models beside what the tables say."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data_prep import digits
from harness.engine.options import RunOptions
from harness.engine.runner import run_benchmark
from harness.export import Exported, export_model, load_model
from harness.results.table_reader import read_results
from tests.without_ray import run_without_ray

DIGITS = """\
question: Which rate?
dataset: {name: digits, limit: 120, normalize: standard}
model: {name: linear}
training: {epochs: 2, batch_size: 32, optimizer: adam}
cross_validation: {strategy: stratified, n_splits: 3}
search:
  space:
    training.lr: [0.01, 0.001]
objective: {metric: accuracy}
"""


def train(folder: Path, text: str = DIGITS, *overrides: str, data: Path | None = None) -> Path:
    """Runs `bench.yaml` of this text; the results folder `results` in the working directory."""
    (folder / "bench.yaml").write_text(text, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        run_without_ray(patch)
        options = RunOptions(str(folder / "bench.yaml"), overrides, folder / "results", data)
        outcome = run_benchmark(options, lambda event: None)
        assert outcome.exit_code == 0, outcome.summary
    return folder / "results"


def exported(folder: Path, *, trial: str | None = None, data: Path | None = None) -> Exported:
    """The model of `bench` in `folder/model`."""
    results = folder / "results"
    return export_model("bench", trial=trial, out=folder / "model", results=results, data=data)


def largest_difference(
    folder: Path, source: Callable[[str], Path | str], *, per_fold: int = 4
) -> tuple[int, float]:
    """How many test examples were read anew from their sources, and how far each fold's
    probabilities are from those that were stored when the example was test there."""
    model = load_model(folder / "model")
    of_trial = [model.facts["trial_id"]]
    stored = read_results(folder / "results" / "bench").predictions(trial_ids=of_trial, role="test")
    differences = []
    for number, fold in enumerate(model.facts["folds"]):
        rows = stored[(stored["fold"] == fold["fold"]) & (stored["repeat"] == fold["repeat"])]
        for _, row in rows.head(per_fold).iterrows():
            read = model.read(source(row["example_id"]))
            (found,) = model.of_fold(number, read[number][np.newaxis])
            differences.append(np.abs(found - row["probabilities"]).max())
    return len(differences), float(max(differences))


def write_digit(folder: Path, example_id: str) -> Path:
    """A digit as a PNG, light on dark."""
    (image,) = digits.load(".").inputs[int(example_id.removeprefix("digit-"))]
    file = folder / f"{example_id}.png"
    Image.fromarray(np.rint(image * (255 / 16)).astype(np.uint8)).save(file)
    return file
