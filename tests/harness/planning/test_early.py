"""Mistakes of every kind are told together."""

from pathlib import Path

import pytest

from harness.errors import SpecError
from harness.planning.early import read_checked

FILE = """\
question: Does it matter?
dataset: {name: digits, subset: small}
model:
  name: vit
  pach_size: 4
  depth: deep
training: {epochs: -1, batch_size: 32, optimiser: adam, lr: 0.01}
cross_validation: {strategy: stratified, n_splits: 4}
search:
  space:
    model.num_head: [1, 2]
    model.width: [16, wide]
objective: {metric: acuracy}
"""


def test_spec_and_signature_mistakes_come_in_one_answer(tmp_path: Path) -> None:
    """Keys, values, metrics, hyper-parameters and options, each at its line."""
    file = tmp_path / "q.yaml"
    file.write_text(FILE)

    with pytest.raises(SpecError) as caught:
        read_checked(file, folder=tmp_path)

    told = {(problem.line, problem.path): str(problem) for problem in caught.value.problems}
    assert set(told) == {
        (2, "dataset.subset"),
        (5, "model.pach_size"),
        (6, "model.depth"),
        (7, "training.epochs"),
        (7, "training.optimiser"),
        (11, "search.space.model.num_head"),
        (12, "search.space.model.width"),
        (13, "objective.metric"),
    }
    assert "did you mean 'patch_size'?" in told[5, "model.pach_size"]
    assert "did you mean 'num_heads'?" in told[11, "search.space.model.num_head"]
    assert "allowed: an integer" in told[12, "search.space.model.width"]
    assert "did you mean 'accuracy'?" in told[13, "objective.metric"]


def test_an_unknown_model_is_told_beside_the_rest(tmp_path: Path) -> None:
    """Its hyper-parameters can't be judged, everything else can."""
    file = tmp_path / "q.yaml"
    file.write_text(FILE.replace("name: vit", "name: vitt"))

    with pytest.raises(SpecError) as caught:
        read_checked(file, folder=tmp_path)

    paths = [problem.path for problem in caught.value.problems]
    assert "model.name" in paths
    assert "training.epochs" in paths
    assert "model.pach_size" not in paths


def test_the_keys_of_every_dataset_are_among_the_allowed_ones(tmp_path: Path) -> None:
    """`train_per_clas` is near to one of them, even where the file has other mistakes."""
    file = tmp_path / "q.yaml"
    file.write_text(FILE.replace("subset: small", "train_per_clas: 5"))

    with pytest.raises(SpecError) as caught:
        read_checked(file, folder=tmp_path)

    (said,) = [str(one) for one in caught.value.problems if one.line == 2]
    assert "allowed: limit, normalize, train_per_class, front_end" in said
    assert said.endswith("did you mean 'train_per_class'?")
