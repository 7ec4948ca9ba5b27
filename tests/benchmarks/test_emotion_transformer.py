"""The text benchmark: the numbers of report 003, and whom they stand beside."""

from pathlib import Path

import pytest

import benchmarks
from harness.config.expand import configurations
from harness.config.read import read_benchmark

SPEC = read_benchmark(Path(benchmarks.__file__).parent / "emotion_transformer.yaml")
# class: recall and support in the report's table of each arm
TORCH = {"sadness": (0.98, 581), "anger": (0.87, 275), "love": (0.77, 159),
         "surprise": (0.77, 66), "fear": (0.90, 224), "joy": (0.94, 695)}  # fmt: skip
WORD2VEC = {"sadness": (0.97, 581), "anger": (0.92, 275), "love": (0.83, 159),
            "surprise": (0.77, 66), "fear": (0.89, 224), "joy": (0.94, 695)}  # fmt: skip


@pytest.mark.parametrize(("embedding", "classes"), [("learned", TORCH), ("word2vec", WORD2VEC)])
def test_published_numbers_follow_from_the_classes_of_the_report(embedding, classes):
    """Macro recall is the mean of the classes' recalls, accuracy their mean by support; the report
    rounds to two digits."""
    (row,) = [row for row in SPEC.published if row.where["dataset.embedding"] == embedding]
    recalls = [recall for recall, _ in classes.values()]
    right = sum(recall * support for recall, support in classes.values())
    assert row.numbers["test_macro_recall"] == pytest.approx(sum(recalls) / 6, abs=0.01)
    assert row.numbers["test_accuracy"] == pytest.approx(right / 2_000, abs=0.01)


def test_the_arms_differ_in_the_embedding_alone():
    """Both transformers share every other key; the bag of tokens is a model of its own."""
    learned, word2vec, bag = [dict(one.sections) for one in configurations(SPEC)]
    embeddings = [dict(one["dataset"]).pop("embedding") for one in (learned, word2vec, bag)]
    assert embeddings == ["learned", "word2vec", "learned"]
    assert {**learned, "dataset": None} == {**word2vec, "dataset": None}
    assert [one["model"]["name"] for one in (learned, bag)] == ["text_transformer", "bag_of_tokens"]


def test_published_numbers_mean_a_transformer():
    """The bag of tokens learns its weights too, but is not what the report trained."""
    bag = configurations(SPEC)[-1]
    assert not any(row.where.items() <= bag.params.items() for row in SPEC.published)


def test_every_number_names_its_flaws():
    """One seed (15), and sizes, epochs and tokenizer left out (20)."""
    assert all(row.flaws == (15, 20) for row in SPEC.published)
