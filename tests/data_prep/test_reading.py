"""One new file or text becomes what the datasets give of theirs."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from data_prep.examples import DataError
from data_prep.reading import picture, sound, token_ids, without_overlap
from data_prep.vocabulary import encode

NAMES = ("<padding>", "<unknown>", "good", "film")


def test_token_ids_are_those_of_the_encoded_text() -> None:
    """Cut, padded, unknown words as 1; a name in angle brackets is no word."""
    text = "A good, GOOD film <unknown> again"

    for max_tokens in (3, 9):
        (expected,) = encode([text], NAMES, max_tokens=max_tokens)
        found = token_ids(text, token_names=NAMES, max_tokens=max_tokens)
        assert found.tolist() == expected.tolist()
    assert token_ids(text, token_names=NAMES, max_tokens=4).tolist() == [1, 2, 2, 3]


def test_a_text_without_words_is_refused() -> None:
    with pytest.raises(DataError, match="no word in it"):
        token_ids(" ... ", token_names=NAMES, max_tokens=4)


def test_a_short_sound_is_followed_by_silence(tmp_path: Path) -> None:
    """A quarter of a second of ones in one of zeros; a long one loses its end."""
    soundfile.write(tmp_path / "one.wav", np.full(250, 0.5), 1000)
    found = sound(tmp_path / "one.wav", rate_hz=1000, seconds=1.0)

    assert found.shape == (1000,)
    assert found[:250] == pytest.approx(0.5, abs=1e-4)
    assert not found[250:].any()
    assert sound(tmp_path / "one.wav", rate_hz=1000, seconds=0.1).shape == (100,)


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_text("x")
    with pytest.raises(DataError, match="not an image"):
        picture(tmp_path / "x.png", size=8, channels=1)


def test_frames_without_their_overlap_are_the_sound() -> None:
    """Eight samples were cut into three half-overlapping frames of four."""
    clip = np.arange(8.0)
    frames = np.concatenate([clip[0:4], clip[2:6], clip[4:8]])[np.newaxis, np.newaxis]

    assert without_overlap(frames, 3).tolist() == [[clip.tolist()]]
    assert without_overlap(frames, 1).tolist() == frames.tolist()
