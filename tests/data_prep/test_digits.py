"""The digits are scikit-learn's, image by image."""

from pathlib import Path

import numpy as np

from data_prep import digits


def test_the_images_and_classes_are_those_of_scikit_learn(tmp_path: Path) -> None:
    """Our own reading of the table equals `load_digits`."""
    from sklearn.datasets import load_digits

    examples, published = digits.load(tmp_path), load_digits()
    assert np.array_equal(examples.inputs[:, 0], published.images)
    assert np.array_equal(examples.targets, published.target)


def test_pixels_reach_the_model_between_0_and_1(tmp_path: Path) -> None:
    """Stored as counts 0..16 in one byte, scaled by 1/16."""
    examples = digits.load(tmp_path)
    assert examples.inputs.dtype == np.uint8
    assert examples.inputs.max() * examples.input_scale == 1.0


def test_class_counts_are_the_published_ones(tmp_path: Path) -> None:
    """Counts by digit as in the documentation of the UCI test set."""
    counts = np.bincount(digits.load(tmp_path).targets).tolist()
    assert counts == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_the_raw_file_is_the_installed_one(tmp_path: Path) -> None:
    """One existing file, whatever the data folder is."""
    (file,) = digits.files(tmp_path)
    assert file.is_file()


def test_ids_count_from_zero(tmp_path: Path) -> None:
    """`digit-0000` to `digit-1796`."""
    ids = digits.load(tmp_path).example_ids
    assert (ids[0], ids[-1]) == ("digit-0000", "digit-1796")
