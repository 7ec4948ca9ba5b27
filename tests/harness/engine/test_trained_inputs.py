"""What the model is given is known, and a transform that does not fit is told, before a start."""

from pathlib import Path

import pytest

from harness.config.read import parse_benchmark
from harness.engine.model_checks import distinct_models
from harness.engine.resolve import resolve
from harness.errors import SpecError

FILE = """\
question: Does it help?
dataset: {name: esc50, subset: esc10, framing: whole}
model: {name: logmel_cnn, width: 2}
training: {epochs: 1, batch_size: 8, optimizer: adam, lr: 0.01}
cross_validation: {strategy: predefined}
search:
  space:
    dataset.front_end:
      - {name: log_mel}
      - {name: log_mel, n_mels: 32}
    training.augmentation:
      - null
      - {time_shift: {fraction: 0.5}}
objective: {metric: accuracy}
"""


def problems(text: str, folder: Path) -> list[str]:
    with pytest.raises(SpecError) as caught:
        resolve(parse_benchmark(text, file="q.yaml"), folder=folder)
    return [str(problem) for problem in caught.value.problems]


def test_models_are_built_for_what_the_front_end_gives(tmp_path: Path) -> None:
    """Two shapes, two distinct models; augmentation changes neither."""
    found = resolve(parse_benchmark(FILE, file="q.yaml"), folder=tmp_path)
    shapes = [one.description.input_shape for one in found]
    assert shapes == [(1, 64, 157), (1, 64, 157), (1, 32, 157), (1, 32, 157)]
    assert [m.input_shape for m in distinct_models(found)] == [(1, 64, 157), (1, 32, 157)]


def test_a_front_end_that_can_not_take_the_inputs_is_a_mistake_of_the_file(tmp_path: Path) -> None:
    """Told once, at the key, with the dataset's name."""
    text = FILE.replace("{name: esc50, subset: esc10, framing: whole}", "{name: digits}")
    [problem] = problems(text, tmp_path)
    assert "q.yaml:8: search.space.dataset.front_end: log_mel takes waveforms" in problem
    assert "(dataset digits)" in problem


def test_a_rate_that_contradicts_the_dataset_is_a_mistake(tmp_path: Path) -> None:
    """The dataset resamples to 16 kHz."""
    text = FILE.replace("- {name: log_mel}", "- {name: log_mel, rate_hz: 44100}")
    [problem] = problems(text, tmp_path)
    assert "rate_hz is 44100, the dataset's waveforms have 16000: leave it out" in problem


def test_every_transform_that_does_not_fit_is_told(tmp_path: Path) -> None:
    """All at once, each with its reason."""
    misfit = "{flip: {}, rotation: {degrees: 3}, gain: {db: 2}}"
    text = FILE.replace("{time_shift: {fraction: 0.5}}", misfit).replace(
        "      - {name: log_mel, n_mels: 32}\n", ""
    )
    found = problems(text, tmp_path)
    assert ["flip does not" in found[0], "rotation does not" in found[1]] == [True, True]
    assert len(found) == 2
    assert "found inputs (1, 64, 157) of float32" in found[0]


def test_masks_on_a_waveform_point_to_the_front_end(tmp_path: Path) -> None:
    """A transform for spectrograms asks for one."""
    text = FILE.replace("{time_shift: {fraction: 0.5}}", "{spec_augment: {}}")
    start = text.index("    dataset.front_end:")
    text = text[:start] + text[text.index("    training.augmentation") :]
    text = text.replace("logmel_cnn, width: 2", "conv1d")
    [problem] = problems(text, tmp_path)
    assert "training.augmentation: spec_augment does not fit" in problem
    assert "give dataset.front_end" in problem
