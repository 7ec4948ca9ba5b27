"""Emotion: what is dropped, and the real files where they are."""

import os
from pathlib import Path

import numpy as np
import pytest

from data_prep import emotion
from data_prep.emotion import Line
from data_prep.examples import DataError

real = pytest.mark.skipif("BENCH_DATA" not in os.environ, reason="BENCH_DATA is not set")


def root() -> Path:
    return Path(os.environ["BENCH_DATA"])


def lines(*rows):
    """`role text label` each."""
    return [Line(str(number), *row.split()) for number, row in enumerate(rows)]


def test_a_text_stays_in_the_role_that_is_needed_most():
    """Test before validation before train; whatever the labels."""
    given = lines(
        "test a joy", "validation a joy", "validation b joy", "train b fear", "train c joy"
    )
    kept = emotion.without_duplicates(given)
    assert [(line.role, line.text) for line in kept] == [
        ("test", "a"),
        ("validation", "b"),
        ("train", "c"),
    ]


def test_of_a_repeated_text_nothing_or_one_stays():
    """Nothing where its labels differ, the first where they agree; the test stays whole."""
    given = lines(
        "test a joy", "test a fear", "train b joy", "train b fear", "train c joy", "train c joy"
    )
    assert [line.example_id for line in emotion.without_duplicates(given)] == ["0", "1", "4"]


def test_missing_files_are_named_with_the_cure(tmp_path):
    with pytest.raises(DataError) as error:
        emotion.files(tmp_path)
    assert all(name in str(error.value) for name in ("train.txt", "val.txt", "test.txt"))
    assert "bench prepare emotion" in str(error.value)


def test_files_that_are_not_the_published_ones_are_refused(tmp_path):
    (tmp_path / "emotion").mkdir()
    for name in emotion.PUBLISHED:
        (tmp_path / "emotion" / name).write_text("i feel fine;joy\n")
    with pytest.raises(DataError, match="sha256"):
        emotion.load(tmp_path)
    with pytest.raises(DataError, match="sha256"):
        emotion.prepare(tmp_path)


def test_files_that_are_missing_are_downloaded_and_checked(tmp_path, monkeypatch):
    """Each from its published address, with its published sum, into its place."""
    fetched = []
    monkeypatch.setattr(
        "data_prep.download.download",
        lambda url, file, *, sha256, progress: fetched.append((url, file.name, sha256)),
    )
    emotion.prepare(tmp_path)
    assert [(name, sha256) for _, name, sha256 in fetched] == [
        (name, published.sha256) for name, published in emotion.PUBLISHED.items()
    ]
    assert all(f"/{name}?dl=1" in url for url, name, _ in fetched)


def test_a_file_of_vectors_is_part_of_the_data(tmp_path):
    (tmp_path / "emotion").mkdir()
    for name in emotion.PUBLISHED:
        (tmp_path / "emotion" / name).write_text("")
    vectors = tmp_path / "vectors.txt"
    with pytest.raises(DataError, match="no file"):
        emotion.files(tmp_path, embedding="word2vec", vectors=str(vectors))
    vectors.write_text("so 1 2\n")
    assert vectors in emotion.files(tmp_path, embedding="word2vec", vectors=str(vectors))


@real
def test_the_published_roles_and_supports():
    """16,000, 2,000 and 2,000 texts; the test supports are those that report 003 prints."""
    examples = emotion.load(root())
    sizes = {role: int((examples.parts == role).sum()) for role in np.unique(examples.parts)}
    assert sizes == {"test": 2_000, "train": 16_000, "validation": 2_000}
    counts = np.bincount(examples.targets[examples.parts == "test"]).tolist()
    assert dict(zip(emotion.CLASS_NAMES, counts, strict=True)) == {
        "sadness": 581,
        "joy": 695,
        "love": 159,
        "anger": 275,
        "fear": 224,
        "surprise": 66,
    }


@real
def test_dropping_duplicates_leaves_every_text_once():
    """19,916 texts; the test loses none. Kept, 16 train texts stand in another role too."""
    kept, dropped = (emotion.load(root(), duplicates=choice) for choice in ("keep", "drop"))
    assert len(set(dropped.inputs.tolist())) == len(dropped.inputs) == emotion.N_DROPPED
    assert int((dropped.parts == "test").sum()) == 2_000
    train, others = (set(kept.inputs[where].tolist()) for where in (
        kept.parts == "train", kept.parts != "train"))  # fmt: skip
    assert len(train & others) == 16
