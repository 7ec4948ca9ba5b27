"""Pretraining as part of a run: made once, found again, gone on with, and visible in the tables."""

from pathlib import Path

import pandas as pd
import pytest
import torch

from harness.engine import prepare
from harness.engine.options import RunOptions
from harness.engine.runner import RunOutcome, run_benchmark
from tests.without_ray import run_without_ray

FILE = """\
question: Does it help?
dataset: {name: digits, limit: 500}
model: {name: turned}
pretraining: {task: rotation, epochs: 3, batch_size: 32, optimizer: sgd, lr: 0.01, momentum: 0.9}
training: {epochs: 2, batch_size: 16, optimizer: adam, lr: 0.01}
cross_validation: {strategy: stratified, n_splits: 3}
search:
  space:
    training.initial_weights: [pretrained, random]
    dataset.train_per_class: [2]
objective: {metric: accuracy}
"""
MODEL = '''\
"""Convolution, normalisation, head."""

from torch import nn


def build(*, input_shape: tuple[int, ...], num_classes: int, fails: bool = False) -> nn.Module:
    """Logits (batch, num_classes)."""
    if fails and num_classes == 4:
        raise RuntimeError("no mood for rotations")
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, num_classes)
    )
'''


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a model and a benchmark."""
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "turned.py").write_text(MODEL)
    (tmp_path / "turned.yaml").write_text(FILE)
    monkeypatch.chdir(tmp_path)
    run_without_ray(monkeypatch)
    return tmp_path


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[bytes | None]:
    """The checkpoint that each pretraining so far began with."""
    begun: list[bytes | None] = []
    whole = prepare.ON_RAY.pretrain_steps

    def noted(task, data, checkpoint, *, gpu):
        begun.append(checkpoint)
        yield from whole(task, data, checkpoint, gpu=gpu)

    monkeypatch.setattr(prepare, "ON_RAY", prepare.ON_RAY._replace(pretrain_steps=noted))
    return begun


def run(*overrides: str, results: str = "results") -> RunOutcome:
    options = RunOptions("turned.yaml", overrides=overrides, results=Path(results))
    return run_benchmark(options, lambda event: None)


def weights(results: str = "results") -> dict[str, torch.Tensor]:
    (file,) = Path(results, "turned", "pretraining").glob("*.pt")
    return torch.load(file, weights_only=True)


def table(name: str) -> pd.DataFrame:
    return pd.read_parquet(Path("results", "turned", name))


def test_the_tables_show_where_weights_came_from(made):
    """In the pretrained trial's rows alone, and its epochs are those of training."""
    assert run().exit_code == 0
    trials = table("trials").set_index("params.training.initial_weights")
    name, none = trials["pretraining_id"][["pretrained", "random"]]
    assert len(name) == 16 and pd.isna(none)
    assert trials["pretraining_test_accuracy"]["pretrained"] > 0.3
    assert trials["epochs_trained"].tolist() == [2, 2]
    epochs = table("epochs").query("stage == 'pretraining'")
    assert epochs["trial_id"].unique().tolist() == [trials["trial_id"]["pretrained"]]
    assert epochs["epoch"].tolist() == [1, 2, 3]
    assert epochs["fold"].isna().all()
    sources = table("folds").groupby("trial_id")["weights_source"].unique()
    assert sources[trials["trial_id"]["pretrained"]] == [f"best, from pretraining {name}"]
    assert sources[trials["trial_id"]["random"]] == ["best"]


def test_pretraining_is_made_once_and_found_again(made):
    """By a later run with other labels; other rotations are another one."""
    run()
    run("search.space.dataset.train_per_class=[2, null]")
    assert len(made) == 1
    run("pretraining.rotations=fixed")
    assert len(made) == 2


def test_every_configuration_trains_on_the_same_examples(made):
    """Also that with random weights leaves those set aside alone."""
    run()
    hashes = table("folds").groupby("fold")["split_hash"].nunique()
    assert hashes.tolist() == [1, 1, 1]


def test_an_interrupted_pretraining_goes_on_to_the_same_weights(made, monkeypatch):
    """Interrupted after its first epoch; nothing but a checkpoint is left then."""
    whole = prepare.ON_RAY.pretrain_steps

    def interrupted(task, data, checkpoint, *, gpu):
        yield next(whole(task, data, checkpoint, gpu=gpu))
        raise KeyboardInterrupt

    with monkeypatch.context() as context:
        context.setattr(prepare, "ON_RAY", prepare.ON_RAY._replace(pretrain_steps=interrupted))
        with pytest.raises(KeyboardInterrupt):
            run()
    left = [file.suffix for file in Path("results/turned/pretraining").iterdir()]
    assert left == [".checkpoint"]
    run()
    run(results="undisturbed")
    assert [checkpoint is None for checkpoint in made] == [True, False, True]
    first, second = weights(), weights("undisturbed")
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_pretraining_that_fails_fails_its_trials_alone(made):
    """Said in their rows; the others are complete."""
    assert run("model.fails=true").exit_code == 1
    trials = table("trials").set_index("params.training.initial_weights")
    assert trials["status"].to_dict() == {"pretrained": "failed", "random": "complete"}
    assert "RuntimeError: no mood for rotations" in trials["error"]["pretrained"]


def test_a_file_of_weights_is_named_in_the_rows(made, folder):
    """Here the weights that an earlier run pretrained."""
    run()
    torch.save(weights(), folder / "mine.pth")
    run("training.initial_weights=mine.pth", "pretraining=null")
    source = table("folds")["weights_source"]
    assert source.str.match(r"best, from mine\.pth \(sha256 [0-9a-f]{16}\)").any()
    assert len(made) == 1


def test_pretraining_may_begin_with_a_file(made, folder):
    """Another pretraining than that from random weights, and said so in the rows."""
    run()
    torch.save(weights(), folder / "mine.pth")
    run("pretraining.initial_weights=mine.pth")
    assert len(made) == 2
    assert table("trials")["pretraining_id"].nunique() == 2
    source = table("folds")["weights_source"]
    assert source.str.contains(r"from pretraining [0-9a-f]{16}, from mine\.pth \(sha256").any()
