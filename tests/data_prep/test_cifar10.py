"""CIFAR-10: the publisher's order, and nothing of a batch runs before its sum is known."""

import io
import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from data_prep import cifar10
from data_prep.examples import DataError


class Batch(io.BytesIO):
    """A batch in memory, with the name that messages give."""

    name = "data_batch_1"


@pytest.fixture(scope="module")
def root() -> Path:
    folder = os.environ.get("BENCH_DATA")
    if folder is None or not (Path(folder) / cifar10.FOLDER).is_dir():
        pytest.skip("set BENCH_DATA to the folder that holds cifar-10-batches-py/")
    return Path(folder)


@pytest.fixture(scope="module")
def official(root: Path) -> cifar10.Examples:
    return cifar10.load(root)


def test_train_images_come_before_test_images(official):
    """50,000 and 10,000, numbered from 1 in the publisher's order; the first is a frog."""
    ids = official.example_ids
    assert (ids[0], ids[49_999], ids[50_000], ids[-1]) == (
        "train-00001",
        "train-50000",
        "test-00001",
        "test-10000",
    )
    assert (official.parts == "train").sum() == 50_000
    assert set(official.parts[50_000:]) == {"test"}
    assert official.class_names[official.targets[0]] == "frog"


def test_every_class_has_as_many_images(official):
    """5,000 train and 1,000 test images each."""
    assert np.bincount(official.targets[:50_000]).tolist() == [5_000] * 10
    assert np.bincount(official.targets[50_000:]).tolist() == [1_000] * 10


def test_channels_are_the_known_ones(official):
    """Mean of red, green and blue over the train images, as the literature has it."""
    train = official.inputs[:50_000] * np.float32(official.input_scale)
    assert train.mean(axis=(0, 2, 3), dtype=np.float64) == pytest.approx(
        [0.4914, 0.4822, 0.4465], abs=1e-4
    )


def test_validation_is_taken_from_the_train_images_alone(root, official):
    """The last 500 of each class; the test images stay the test."""
    parts = cifar10.load(root, split="train_validation_test").parts
    assert np.bincount(official.targets[parts == "validation"]).tolist() == [500] * 10
    assert (parts == "train").sum() == 45_000
    assert (parts == "test").tolist() == (official.parts == "test").tolist()
    cats = np.flatnonzero((official.targets == 3) & (official.parts == "train"))
    assert set(parts[cats[-500:]]) == {"validation"}
    assert set(parts[cats[:-500]]) == {"train"}


def test_pooled_images_have_no_role(root):
    """All 60,000 are there for a split of one's own."""
    pooled = cifar10.load(root, split="pooled")
    assert pooled.parts is None
    assert len(pooled.targets) == 60_000


def test_a_missing_batch_is_named_with_the_cure(tmp_path):
    """Also where the folder itself is missing."""
    with pytest.raises(DataError, match=r"data_batch_1: missing[\s\S]*bench prepare cifar10"):
        cifar10.load(tmp_path)


def test_a_batch_with_another_sum_is_not_unpickled(tmp_path, monkeypatch):
    """What a stranger put there is looked at, not run."""
    folder = tmp_path / cifar10.FOLDER
    folder.mkdir()
    for name in cifar10.BATCHES_MD5:
        (folder / name).write_bytes(b"not the published batch")
    monkeypatch.setattr(cifar10, "_unpickled", lambda handle: pytest.fail("was unpickled"))
    with pytest.raises(DataError, match="test_batch: damaged, md5 is"):
        cifar10.load(tmp_path)


def test_a_pickle_may_name_arrays_only():
    """Even with the right sum, a batch that calls a function is refused."""

    class Command:
        def __reduce__(self):
            return os.system, ("true",)

    with pytest.raises(DataError, match=r"names \w+\.system; refused"):
        cifar10._unpickled(Batch(pickle.dumps(Command())))


def test_pixels_that_python_2_wrote_are_read():
    """A batch of two images of six values, byte by byte as the publisher's pickles have it."""
    pixels = np.arange(0, 252, 21, dtype=np.uint8).reshape(2, 6)
    batch = (
        b"\x80\x02}(U\x06labels](K\x03K\x05eU\x04data"
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01K\x02K\x06\x86cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R"
        b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89"
        b"U\x0c" + pixels.tobytes() + b"tbu."
    )
    content = cifar10._unpickled(Batch(batch))
    assert content["labels"] == [3, 5]
    assert np.array_equal(content["data"], pixels)


def test_prepare_leaves_published_batches_alone(root, monkeypatch):
    """Nothing is fetched where every sum is right."""
    monkeypatch.setattr("data_prep.download.download", lambda *a, **k: pytest.fail("fetched"))
    cifar10.prepare(root)
