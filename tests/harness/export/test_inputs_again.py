"""An example read from its file anew gets the probabilities that are stored of it."""

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from tests.exported_models import exported, largest_difference, train, write_digit
from tests.own_data import write_images, write_sounds, write_texts

ROUNDING = 1e-5
COMMON = """
training: {epochs: 1, batch_size: 8, optimizer: adam, lr: 0.01}
cross_validation: {strategy: stratified, n_splits: 3}
objective: {metric: accuracy}
"""
OWN_IMAGES = "question: Cats?\ndataset: {name: image_folder, path: pets, size: 12, normalize: unit}"
OWN_SOUNDS = """\
question: High?
dataset:
  name: audio_folder
  path: tones
  rate_hz: 8000
  seconds: 0.5
  normalize: standard
  front_end: {name: log_mel, n_fft: 256, hop: 128, n_mels: 20}"""
OWN_TEXTS = """\
question: Good?
dataset: {name: text_csv, path: reviews.csv, max_tokens: 12, min_count: 1, max_vocabulary: 50}"""
TEXT_MODEL = "\nmodel: {name: text_transformer, width: 8, hidden_dim: 16, depth: 1, num_heads: 2}"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with caches of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("BENCH_CACHE", raising=False)
    return tmp_path


@pytest.fixture
def data() -> Path:
    """The real data."""
    if "BENCH_DATA" not in os.environ:
        pytest.skip("set BENCH_DATA to the data folder")
    return Path(os.environ["BENCH_DATA"])


def test_a_digit(digits_folder: Path, tmp_path: Path) -> None:
    """As a PNG, through the standardisation of the fold."""
    n, difference = largest_difference(digits_folder, lambda name: write_digit(tmp_path, name))

    assert n == 12
    assert difference < ROUNDING


def test_a_picture_of_ones_own(folder: Path) -> None:
    """Resized as it was for training."""
    write_images(folder / "pets", n=6)
    train(folder, OWN_IMAGES + COMMON + "model: {name: linear}")
    done = exported(folder)

    assert (done.n_folds, done.takes) == (3, "path")
    assert largest_difference(folder, lambda name: folder / "pets" / name)[1] < ROUNDING


def test_a_sound_of_ones_own(folder: Path) -> None:
    """Padded, through the log-mel front end and the standardisation of the fold."""
    write_sounds(folder / "tones", n=6)
    train(folder, OWN_SOUNDS + COMMON + "model: {name: logmel_cnn, width: 4, depth: 1}")
    exported(folder)

    assert largest_difference(folder, lambda name: folder / "tones" / name)[1] < ROUNDING


@pytest.mark.parametrize("embedding", ["learned", "word2vec"])
def test_a_text_of_ones_own(folder: Path, embedding: str) -> None:
    """With the vocabulary of the fold, and its word vectors where it has any."""
    lines = write_texts(folder / "reviews.csv", n=9).read_text().splitlines()
    vectors = f", embedding: {embedding}, embedding_dim: 6}}"
    train(folder, OWN_TEXTS.rstrip("}") + vectors + TEXT_MODEL + COMMON)
    exported(folder)

    def text(name: str) -> str:
        return lines[int(name.removeprefix("line-")) - 1].split('"')[1]

    assert largest_difference(folder, text)[1] < ROUNDING


def test_a_clip_of_esc10(folder: Path, data: Path) -> None:
    """A WAV file, resampled and framed."""
    text = "question: Which?\ndataset: {name: esc50, subset: esc10, limit: 30}"
    cut = COMMON.replace("strategy: stratified, n_splits: 3", "strategy: predefined")
    train(folder, text + cut + "model: {name: linear}", data=data)
    exported(folder, data=data)

    def clip(name: str) -> Path:
        return data / "ESC-50-master" / "audio" / f"{name}.wav"

    n, difference = largest_difference(folder, clip, per_fold=1)
    assert (n, difference < ROUNDING) == (5, True)


def test_an_image_of_cifar10(folder: Path, data: Path) -> None:
    """A PNG of 32 x 32 pixels."""
    from data_prep import cifar10

    text = "question: Which?\ndataset: {name: cifar10, limit: 60, normalize: standard, "
    text += "split: train_validation_test}"
    cut = COMMON.replace("strategy: stratified, n_splits: 3", "strategy: official")
    train(folder, text + cut + "model: {name: linear}", data=data)
    exported(folder, data=data)
    images = cifar10.load(data)
    rows = {name: row for row, name in enumerate(images.example_ids.tolist())}

    def png(name: str) -> Path:
        Image.fromarray(images.inputs[rows[name]].transpose(1, 2, 0)).save(folder / "image.png")
        return folder / "image.png"

    assert largest_difference(folder, png)[1] < ROUNDING


def test_a_sentence_of_emotion(folder: Path, data: Path) -> None:
    """With the vocabulary of the publisher's train texts."""
    text = "question: Which?\ndataset: {name: emotion, limit: 300, max_tokens: 20}"
    cut = COMMON.replace("strategy: stratified, n_splits: 3", "strategy: official")
    train(folder, text + cut + "model: {name: bag_of_tokens}", data=data)
    exported(folder, data=data)
    lines = (data / "emotion" / "test.txt").read_text(encoding="utf-8").splitlines()

    def sentence(name: str) -> str:
        return lines[int(name.removeprefix("test-"))].rsplit(";", 1)[0]

    assert largest_difference(folder, sentence)[1] < ROUNDING


def test_a_sound_of_another_rate_and_length_is_taken(folder: Path) -> None:
    """Resampled, its channels averaged, its end cut off."""
    from data_prep.esc50 import read_input

    noise = np.random.default_rng(0).normal(scale=0.1, size=(6 * 22_050, 2))
    soundfile.write(folder / "noise.wav", noise, 22_050)

    assert read_input(folder / "noise.wav").shape == (1, 144_000)
    assert read_input(folder / "noise.wav", framing="whole", rate_hz=32_000).shape == (1, 160_000)
