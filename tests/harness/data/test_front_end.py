"""Log-mel spectrograms: shapes without torch, decibels by hand, one example at a time."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data_prep.examples import Description
from harness.config.sections import FrontEnd
from harness.data.front_end import described, front_end_shape, log_mel
from harness.errors import BenchError
from tests.dataset_builders import N, noise_examples, noise_module, prepare_noise

RATE_HZ = 16_000
SOUND = Description(
    title="sounds",
    input_shape=(1, 80_000),
    class_names=("a", "b"),
    n_examples=9,
    source="here",
    licence="none",
    sample_rate_hz=RATE_HZ,
)


def front_end(**changes):
    """A log-mel front end."""
    return FrontEnd.model_validate({"name": "log_mel", **changes})


def tone(hz, *, samples=RATE_HZ, height=1.0):
    """(1, 1, samples): a sine."""
    return height * np.sin(2 * np.pi * hz * np.arange(samples) / RATE_HZ)[None, None]


def test_the_shape_is_known_before_anything_is_read():
    """A frame every hop samples, and one at the start: 80,000 / 512 + 1 = 157."""
    trained = described(SOUND, front_end())
    assert trained.input_shape == (1, 64, 157)
    assert trained.storage_dtype == "float32"
    assert described(SOUND, None) is SOUND


@pytest.mark.parametrize("samples", [1024, 1535, 1536, 16_000])
def test_the_shape_is_that_of_the_arrays(samples):
    """Whatever is left over after the last whole hop."""
    asked = front_end(n_mels=20)
    shape = front_end_shape(asked, replace(SOUND, input_shape=(2, samples)))
    made = log_mel(np.zeros((3, 2, samples), np.float32), asked, rate_hz=RATE_HZ)
    assert made.shape == (3, *shape)
    assert made.dtype == np.float32


def test_silence_is_minus_100_db():
    """Powers are cut at 1e-10."""
    assert (log_mel(np.zeros((1, 1, 4096)), front_end(), rate_hz=RATE_HZ) == -100).all()


def test_ten_times_the_amplitude_are_20_db():
    """A hundred times the power, in every band and frame above the floor."""
    asked = front_end(top_db=None)
    noise = np.random.default_rng(0).normal(size=(1, 1, 8000))
    quiet, loud = (log_mel(height * noise, asked, rate_hz=RATE_HZ) for height in (0.1, 1.0))
    assert loud - quiet == pytest.approx(20, abs=1e-3)


def test_values_lie_at_most_top_db_below_the_loudest():
    """Of each example for itself."""
    both = np.concatenate([tone(1000), tone(1000, height=1e-3)])
    made = log_mel(both, front_end(top_db=30), rate_hz=RATE_HZ)
    spans = made.max(axis=(1, 2, 3)) - made.min(axis=(1, 2, 3))
    assert spans == pytest.approx([30, 30], abs=1e-4)


@pytest.mark.parametrize("hz", [500, 1000, 4000])
def test_a_tone_is_loudest_in_its_own_band(hz):
    """Bands are spaced evenly in mel, 2595 log10(1 + f / 700), up to half the rate."""
    made = log_mel(tone(hz), front_end(n_mels=40), rate_hz=RATE_HZ)[0, 0]
    top = 2595 * np.log10(1 + 8000 / 700)
    expected = 2595 * np.log10(1 + hz / 700) / (top / 41) - 1
    assert abs(made[:, 15].argmax() - expected) <= 0.5


def test_a_neighbour_changes_nothing():
    """An example alone is the same as among others."""
    waveforms = np.random.default_rng(1).normal(size=(5, 1, 4000)).astype(np.float32)
    together = log_mel(waveforms, front_end(), rate_hz=RATE_HZ)
    alone = log_mel(waveforms[3:4], front_end(), rate_hz=RATE_HZ)
    assert together[3:4] == pytest.approx(alone, abs=1e-4)


def test_integers_count_after_their_scale():
    """16-bit samples with input_scale are the same sound."""
    samples = np.round(tone(700) * 32767).astype(np.int16)
    scaled = log_mel(samples, front_end(), rate_hz=RATE_HZ, input_scale=1 / 32767)
    plain = log_mel(samples / 32767, front_end(), rate_hz=RATE_HZ)
    assert scaled == pytest.approx(plain, abs=1e-3)


@pytest.mark.parametrize(
    ("described_as", "asked", "says"),
    [
        ({"input_shape": (3, 32, 32)}, {}, r"takes waveforms .*\(3, 32, 32\)"),
        ({"input_dtype": "int64"}, {}, "of int64"),
        ({"sample_rate_hz": None}, {}, "give rate_hz"),
        ({}, {"rate_hz": 44100}, "rate_hz is 44100, the dataset's waveforms have 16000"),
        ({}, {"f_max": 9000}, "above half of the rate"),
        ({"input_shape": (1, 1000)}, {}, "n_fft is 1024, longer than the 1000 samples"),
        ({}, {"n_fft": 512, "n_mels": 200}, "mel bands hold no frequency"),
    ],
)
def test_what_can_not_be_taken(described_as, asked, says):
    """Said before anything is read."""
    with pytest.raises(ValueError, match=says):
        described(replace(SOUND, **described_as), front_end(**asked))


@pytest.mark.filterwarnings("ignore:At least one mel filterbank")
def test_empty_bands_are_those_that_torchaudio_leaves_empty():
    """Counted without torch, as its filter bank has them."""
    from torchaudio.functional import melscale_fbanks

    for n_fft, n_mels in ((256, 60), (512, 64), (512, 90), (1024, 128)):
        bank = melscale_fbanks(n_fft // 2 + 1, 0.0, RATE_HZ / 2, n_mels, RATE_HZ)
        empty = int((bank.amax(0) == 0).sum())
        asked = front_end(n_fft=n_fft, hop=128, n_mels=n_mels)
        if empty:
            with pytest.raises(ValueError, match=f"^{empty} of {n_mels} mel bands"):
                described(SOUND, asked)
        else:
            assert described(SOUND, asked).input_shape[1] == n_mels


def waveforms_module(**described_as):
    """A dataset file of 60 short waveforms."""
    inputs = np.random.default_rng(0).normal(size=(N, 1, 600)).astype(np.float32)
    return noise_module(noise_examples(inputs=inputs), sample_rate_hz=8000, **described_as)


ASKED = {"name": "log_mel", "n_fft": 256, "hop": 100, "n_mels": 8}


def test_a_trial_gets_spectrograms(tmp_path: Path):
    """Made once, kept in the cache, normalised per channel of the spectrogram."""
    module = waveforms_module()
    data = prepare_noise(module, tmp_path, front_end=ASKED, normalize="standard")
    assert data.input_shape == (1, 8, 7)
    train = data.inputs[0][data.folds[0].train]
    assert data.fold_inputs[0].mean == pytest.approx([train.mean()], rel=1e-4)
    again = prepare_noise(module, tmp_path, front_end=ASKED, normalize="standard")
    assert module.loads == [1]
    assert np.array_equal(again.inputs[0], data.inputs[0])
    assert again.fingerprint == data.fingerprint


def test_other_settings_are_other_data(tmp_path: Path):
    """With, without, and with another number of bands."""
    module = waveforms_module()
    asked = [None, ASKED, {**ASKED, "n_mels": 9}]
    found = [prepare_noise(module, tmp_path, front_end=one) for one in asked]
    assert len({data.fingerprint for data in found}) == 3
    assert [data.input_shape for data in found] == [(1, 600), (1, 8, 7), (1, 9, 7)]
    assert module.loads == [1]


def test_waveforms_that_are_not_as_described_are_named(tmp_path: Path):
    """The dataset's file is to blame, not the front end."""
    with pytest.raises(BenchError, match=r"noise\.py: input shape is \(1, 600\)"):
        prepare_noise(waveforms_module(input_shape=(1, 700)), tmp_path, front_end=ASKED)
