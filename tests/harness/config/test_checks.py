"""The `pretraining` section, and the weights that training starts from."""

import pytest

from harness.config.read import dump_resolved, parse_benchmark
from tests.spec_files import problems_of, read

FILE = """\
question: Does it help?
dataset: {name: digits}
model: {name: linear}
pretraining: {task: rotation, epochs: 2, batch_size: 8, optimizer: sgd, lr: 0.01}
training: {epochs: 2, batch_size: 32, optimizer: adam, lr: 0.1}
cross_validation: {strategy: stratified}
search:
  space:
    training.initial_weights: [random, pretrained]
objective: {metric: accuracy}
"""
WITHOUT = "\n".join(line for line in FILE.splitlines() if "pretraining:" not in line)


def test_defaults():
    """Four fifths set aside, a tenth of them held out, rotations drawn anew."""
    section = read(FILE).pretraining
    assert (section.share, section.validation_share) == (0.8, 0.1)
    assert (section.set_aside, section.rotations) == ("seeded", "per_epoch")
    assert section.training.epochs == 2
    assert section.training.optimizer == "sgd"


def test_a_file_without_it_has_none():
    assert parse_benchmark(WITHOUT.replace(", pretrained", ""), file="a.yaml").pretraining is None


def test_the_resolved_file_reads_back():
    assert read(dump_resolved(read(FILE))).pretraining == read(FILE).pretraining


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("task: rotation, ", "", "pretraining.task: required key is missing"),
        ("task: rotation", "task: jigsaw", "found jigsaw; allowed: rotation"),
        ("epochs: 2, batch_size: 8", "epoch: 2, batch_size: 8", "did you mean 'epochs'?"),
        ("lr: 0.01", "lr: 0.01, share: 1.0", "pretraining.share: not a valid value; found 1.0"),
        ("lr: 0.01", "lr: 0.01, warmup_epochs: 2", "the warm-up must end before the last epoch"),
        ("optimizer: sgd, lr: 0.01", "optimizer: adam, lr: 0.01, momentum: 0.9", "no momentum"),
        ("lr: 0.01", "lr: 0.01, initial_weights: no.pth", "pretraining.initial_weights: no such"),
        ("[random, pretrained]", "[random]", "no configuration starts from it"),
        ("[random, pretrained]", "[pretraind]", "did you mean 'pretrained'?"),
        ("[random, pretrained]", "[pretrained, /no/such.pth]", "no such file"),
    ],
)
def test_mistakes_are_named(old, new, said):
    """Each at its key, with what is allowed."""
    assert FILE.count(old) == 1
    assert any(said in problem for problem in problems_of(FILE.replace(old, new)))


def test_a_misspelled_start_is_told_once():
    """That nothing starts from the pretraining follows from it, and is not said."""
    (problem,) = problems_of(FILE.replace("[random, pretrained]", "[random, pretraind]"))
    assert "did you mean 'pretrained'?" in problem


def test_pretrained_needs_a_pretraining():
    (problem,) = problems_of(WITHOUT)
    assert "heads.yaml:8: search.space.training.initial_weights[1]" in problem
    assert "the file has no `pretraining` section" in problem


def test_a_mistake_in_pretraining_hides_none_about_the_weights():
    """Both are told together, and the section is not called missing."""
    text = FILE.replace("task: rotation", "task: jigsaw").replace("random,", "/no/such.pth,")
    said = problems_of(text)
    assert len(said) == 2
    assert "jigsaw" in said[0]
    assert "no such file" in said[1]


def test_a_file_that_is_there_is_taken(tmp_path):
    (tmp_path / "w.pth").write_bytes(b"")
    text = WITHOUT.replace("[random, pretrained]", f"[random, {tmp_path}/w.pth]")
    assert len(read(text).space.parameters) == 1


def test_train_examples_per_class_may_be_searched():
    """Numbers from 1, or null for all."""
    text = FILE.replace(
        "    training.initial", "    dataset.train_per_class: [5, null]\n    training.initial"
    )
    assert next(domain.path for domain in read(text).domains) == "dataset.train_per_class"
    assert any("at least 1" in one for one in problems_of(text.replace("[5,", "[0,")))
