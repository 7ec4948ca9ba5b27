"""Sounds of a folder become waveforms of one rate and one length."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from data_prep import audio_folder
from data_prep.examples import DataError
from tests.own_data import write_sounds


def written(file: Path, samples: np.ndarray, rate_hz: int = 8000) -> Path:
    soundfile.write(file, samples, rate_hz, subtype="FLOAT")
    return file


def test_inputs_are_what_was_described(tmp_path: Path) -> None:
    """Eight tones of a fifth of a second, cut to a tenth."""
    folder = write_sounds(tmp_path / "tones")
    options = {"path": str(folder), "rate_hz": 8000, "seconds": 0.1}

    examples = audio_folder.load(tmp_path, **options)
    described = audio_folder.describe(tmp_path, **options)

    assert examples.inputs.shape == (8, *described.input_shape) == (8, 1, 800)
    assert examples.inputs.dtype == np.float32
    assert examples.class_names == ("high", "low")
    assert described.sample_rate_hz == 8000


def test_what_is_too_short_is_followed_by_silence(tmp_path: Path) -> None:
    """1,600 samples in 4,000."""
    folder = write_sounds(tmp_path / "tones")

    inputs = audio_folder.load(tmp_path, path=str(folder), rate_hz=8000, seconds=0.5).inputs

    assert inputs.shape == (8, 1, 4000)
    assert np.abs(inputs[:, :, 1600:]).max() == 0
    assert np.abs(inputs[:, :, 1500:1600]).max() > 0.1


def test_channels_are_averaged(tmp_path: Path) -> None:
    """0.5 and 0.1 are 0.3."""
    file = written(tmp_path / "x.wav", np.tile([0.5, 0.1], (80, 1)))

    assert audio_folder.read_sound(file, rate_hz=8000, seconds=1.0) == pytest.approx(0.3)


@pytest.mark.parametrize("found_hz", [8_000, 22_050, 44_100])
def test_other_rates_are_resampled(found_hz: int, tmp_path: Path) -> None:
    """A second of 440 Hz has 440 periods at any rate."""
    time_s = np.arange(found_hz) / found_hz
    file = written(tmp_path / "x.wav", np.sin(2 * np.pi * 440 * time_s), found_hz)

    waveform = audio_folder.read_sound(file, rate_hz=16_000, seconds=1.0)

    assert len(waveform) == 16_000
    assert np.abs(np.fft.rfft(waveform)).argmax() == 440


def test_only_the_beginning_of_a_long_sound_is_read(tmp_path: Path) -> None:
    """An hour costs no more than what is used of it, and a second."""
    file = written(tmp_path / "x.wav", np.zeros(80_000))

    assert len(audio_folder.read_sound(file, rate_hz=8000, seconds=0.5)) == 12_000


def test_sounds_that_cannot_be_read_are_named_and_counted(tmp_path: Path) -> None:
    """Damaged ones and those without a sample."""
    folder = write_sounds(tmp_path / "tones")
    (folder / "high" / "00.wav").write_bytes(b"no sound")
    written(folder / "low" / "03.wav", np.zeros(0))

    with pytest.raises(DataError) as error:
        audio_folder.load(tmp_path, path=str(folder))

    text = str(error.value)
    assert "sounds that can't be read (2)" in text
    assert "00.wav: not readable as sound" in text
    assert "03.wav: no samples" in text


@pytest.mark.parametrize(("option", "value"), [("rate_hz", 0), ("seconds", 0.0), ("seconds", -1.0)])
def test_no_rate_and_no_time_are_refused(option: str, value: float, tmp_path: Path) -> None:
    """With the option's name."""
    with pytest.raises(DataError, match="must ") as error:
        audio_folder.describe(tmp_path, path=".", **{option: value})

    assert error.value.option == option
