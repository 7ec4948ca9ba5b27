"""Mistakes of every kind are told together."""

from pathlib import Path

import pytest

from harness.engine.checks import read_checked
from harness.errors import SpecError

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


VARIANTS = """\
question: Which model?
dataset: {name: digits}
training: {epochs: 1, batch_size: 8, optimizer: adam, lr: 0.1}
cross_validation: {strategy: stratified, n_splits: 4}
search: {space: {training.lr: [0.1, 0.2]}}
objective: {metric: accuracy}
variants:
  first: {model: {name: vit, num_heads: 2}}
  second: {model: {name: vit, headz: 2}}
  third: {model: {name: vti}}
"""


def test_mistakes_of_variants_are_told_beside_the_rest(tmp_path: Path) -> None:
    """A path both fixed and searched hides neither of them, nor do they hide it."""
    file = tmp_path / "q.yaml"
    file.write_text(VARIANTS)

    with pytest.raises(SpecError) as caught:
        read_checked(file, folder=tmp_path)

    told = {(problem.line, problem.path): problem.message for problem in caught.value.problems}
    assert told == {
        (5, "search.space.training.lr"): "training.lr is both fixed (line 3) and searched: "
        "give it in one place",
        (9, "variants.second.model.headz"): "models/vit.py has no such argument",
        (10, "variants.third.model.name"): "unknown model",
    }


def test_a_variant_is_judged_by_what_it_leaves_of_the_base(tmp_path: Path) -> None:
    """It names another model, and replaces a hyper-parameter that this model lacks."""
    text = VARIANTS.replace("dataset:", "model: {name: vit, depth: deep}\ndataset:")
    text = text.replace("{model: {name: vit, num_heads: 2}}", "{model: {depth: 2}}")
    file = tmp_path / "q.yaml"
    file.write_text(text)

    with pytest.raises(SpecError) as caught:
        read_checked(file, folder=tmp_path)

    told = {(problem.line, problem.path) for problem in caught.value.problems}
    assert (2, "model.depth") in told, "the second variant keeps it"
    assert not any("first" in path for _, path in told)
