"""Examples of each class as a person takes them in, chosen and stored the same way everywhere."""

import base64
import io
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image

from data_prep.examples import Fitted
from harness.config.sections import CrossValidation, DatasetSection, Pretraining
from harness.data import previews as module_under_test
from harness.data.loading import load_dataset
from harness.data.prepare import prepare_loaded
from harness.data.previews import previews
from tests.dataset_builders import N, noise_examples, noise_module

IMAGES = np.zeros((N, 1, 4, 4), dtype=np.uint8)
IMAGES[:, 0, 0, 0] = 16  # one light pixel, top left


def shown(folder: Path, module: ModuleType, **section: Any) -> dict[str, Any]:
    """The previews of such a dataset file, as they are read back from JSON."""
    pretraining = section.pop("pretraining", None)
    cutting = {"strategy": "stratified", "n_splits": 3}
    loaded = load_dataset(
        module,
        section=DatasetSection.model_validate({"name": "noise", **section}),
        root=folder,
        cache_dir=folder / "cache",
        data_fingerprint="data",
        code_fingerprint="code",
    )
    data = prepare_loaded(
        loaded,
        cross_validation=CrossValidation.model_validate(cutting),
        seed=0,
        repeats=1,
        cache_dir=folder / "cache",
        pretraining=pretraining,
    )
    return dict(json.loads(json.dumps(previews(loaded, data))))


def pixels(uri: str) -> np.ndarray:
    """(height, width, channels) of a PNG in a data URI."""
    head, content = uri.split(",")
    assert head == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(content))))


def test_images_stand_side_by_side_scaled_to_the_full_range(tmp_path: Path) -> None:
    """Eight of each class, 4 pixels wide with a gap of one; 16 of 16 is white."""
    examples = noise_examples(inputs=IMAGES, input_scale=1 / 16, parts=None)
    found = shown(tmp_path, noise_module(examples, storage_dtype="uint8"))
    first = found["classes"][0]
    row = pixels(first["picture"])
    assert first["class"] == "a"
    assert row.shape == (4, 8 * 5 - 1, 4)
    assert row[0, 0].tolist() == [255, 255, 255, 255]
    assert row[0, 1].tolist() == [0, 0, 0, 255]
    assert row[0, 4, 3] == 0


def test_the_examples_shown_are_spread_over_the_class(tmp_path: Path) -> None:
    """Class a are the examples 0, 3, …, 57: first, last, and six between."""
    examples = noise_examples(inputs=IMAGES, input_scale=1 / 16, parts=None)
    found = shown(tmp_path, noise_module(examples, storage_dtype="uint8"))
    assert found["classes"][0]["ids"] == [
        f"noise-{number:02d}" for number in (0, 9, 15, 24, 33, 42, 48, 57)
    ]


def test_only_examples_in_use_are_shown(tmp_path: Path) -> None:
    examples = noise_examples(inputs=IMAGES, input_scale=1 / 16, parts=None)
    found = shown(tmp_path, noise_module(examples, storage_dtype="uint8"), limit=12)
    assert [len(one["ids"]) for one in found["classes"]] == [4, 4, 4]


def test_texts_are_shown_as_they_were_before_they_became_ids(tmp_path: Path) -> None:
    words = np.array([f"text {number}" for number in range(N)])
    ids = np.ones((N, 2), dtype=np.int64)
    fitted = Fitted(inputs=ids, token_names=("", "word"))
    module = noise_module(
        noise_examples(inputs=words, parts=None),
        fit=lambda examples, train_indices, *, seed: fitted,
        input_shape=(2,),
        input_dtype="int64",
    )
    assert shown(tmp_path, module)["classes"][1]["texts"] == ["text 1", "text 31", "text 58"]


def test_ids_with_names_are_shown_as_words(tmp_path: Path) -> None:
    """Id 0 is padding."""
    ids = np.tile(np.array([[2, 1, 0]], dtype=np.int64), (N, 1))
    module = noise_module(
        noise_examples(inputs=ids, parts=None),
        fit=lambda examples, train_indices, *, seed: Fitted(token_names=("", "dog", "good")),
        input_dtype="int64",
    )
    assert shown(tmp_path, module)["classes"][0]["texts"] == ["good dog"] * 3


def test_a_sound_is_its_course_a_spectrogram_and_something_to_play(tmp_path: Path) -> None:
    """Half a second of silence, half a second at half of full scale."""
    waveform = np.zeros((N, 1, 8000), dtype=np.float32)
    waveform[:, 0, 4000:] = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(4000) / 8000)
    module = noise_module(noise_examples(inputs=waveform, parts=None), sample_rate_hz=8000)
    one = shown(tmp_path, module)["classes"][0]
    assert one["seconds"] == 1.0
    assert len(one["peaks"]) == 240
    assert one["peaks"][:100] == [0] * 100
    assert 45 <= max(one["peaks"][140:]) <= 52
    assert one["sound"].startswith("data:audio/mpeg;base64,")
    numbers = pixels(one["spectrogram"])
    assert numbers.shape == (64, 120)
    assert set(numbers[:, :50].ravel()) == {0}
    assert numbers[:, 100].argmax() == 64 - 8  # 1 of 8 kHz, counted from below


def test_a_dataset_says_itself_how_its_examples_are_perceived(tmp_path: Path) -> None:
    """`preview` gets the options of the file that it asks for."""
    waveform = np.zeros((N, 1, 32000), dtype=np.float32)
    module = noise_module(noise_examples(inputs=waveform, parts=None), sample_rate_hz=16000)
    module.preview = lambda inputs, *, level: inputs[:, :, : 8000 * level]  # type: ignore[attr-defined]
    assert shown(tmp_path, module, level=2)["classes"][0]["seconds"] == 1.0


def test_sounds_beyond_the_budget_are_seen_not_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waveform = np.zeros((N, 1, 16000), dtype=np.float32)
    module = noise_module(noise_examples(inputs=waveform, parts=None), sample_rate_hz=16000)
    monkeypatch.setattr(module_under_test, "SOUND_CHARACTERS", 3000)
    found = shown(tmp_path, module)["classes"]
    assert [one["sound"] is None for one in found] == [False, True, True]
    assert all(one["spectrogram"] for one in found)


def test_inputs_that_nobody_can_read_have_no_previews(tmp_path: Path) -> None:
    found = shown(tmp_path, noise_module(noise_examples(parts=None)))
    assert found == {"n_classes": 3, "classes": [], "rotations": None}


def test_rotation_pretraining_shows_its_images_in_four_turns(tmp_path: Path) -> None:
    """The light pixel is top left, then bottom left, bottom right, top right."""
    module = noise_module(
        noise_examples(inputs=IMAGES, input_scale=1 / 16, parts=None), storage_dtype="uint8"
    )
    section = Pretraining.model_validate(
        {"task": "rotation", "share": 0.3, "epochs": 1, "batch_size": 4, "optimizer": "adam",
         "lr": 0.1}
    )  # fmt: skip
    turned = pixels(shown(tmp_path, module, pretraining=section)["rotations"])
    assert turned.shape == (4 * 5 - 1, 4 * 5 - 1, 4)
    light = [(y, x) for y, x in np.argwhere(turned[:4, :, 0] == 255).tolist()]
    assert sorted(light, key=lambda place: place[1]) == [(0, 0), (3, 5), (3, 13), (0, 18)]
