"""A sound file that ends before its sound does is refused, whatever its format."""

import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from data_prep.audio_folder import read_sound
from data_prep.examples import DataError
from data_prep.sound_files import whole_sound

RATE_HZ = 8000
FORMATS = [
    ("WAV", "PCM_16"),
    ("WAV", "IMA_ADPCM"),
    ("WAVEX", "FLOAT"),
    ("RF64", "PCM_24"),
    ("AIFF", "PCM_16"),
    ("AU", "ULAW"),
    ("FLAC", "PCM_16"),
    ("OGG", "VORBIS"),
    ("OGG", "OPUS"),
    ("MP3", "MPEG_LAYER_III"),
]
every_format = pytest.mark.parametrize(("container", "coding"), FORMATS)


def noise(seconds: float = 3.0) -> np.ndarray:
    return np.random.default_rng(0).normal(scale=0.2, size=round(seconds * RATE_HZ))


def written(folder: Path, container: str, coding: str) -> Path:
    file = folder / "sound.bin"
    soundfile.write(file, noise(), RATE_HZ, format=container, subtype=coding)
    return file


def riff(sound: bytes, *, in_all: int, declared: int, order: str = "<") -> bytes:
    """A WAV file of 16 bits in mono, with these sizes in its headers."""
    name = b"RIFF" if order == "<" else b"RIFX"
    head = struct.pack(f"{order}4sI4s", name, in_all, b"WAVE")
    coding = struct.pack(f"{order}4sIHHIIHH", b"fmt ", 16, 1, 1, RATE_HZ, 2 * RATE_HZ, 2, 16)
    return head + coding + struct.pack(f"{order}4sI", b"data", declared) + sound


def refusal(file: Path) -> str:
    with pytest.raises(DataError) as error:
        read_sound(file, rate_hz=RATE_HZ, seconds=1)
    return str(error.value)


@every_format
def test_a_whole_file_is_read(container: str, coding: str, tmp_path: Path) -> None:
    """Its first seconds, and one more."""
    file = written(tmp_path, container, coding)

    assert len(read_sound(file, rate_hz=RATE_HZ, seconds=1)) == 2 * RATE_HZ


@every_format
@pytest.mark.parametrize("kept", [0.5, 0.9])
def test_a_cut_file_is_refused(container: str, coding: str, kept: float, tmp_path: Path) -> None:
    """Also where the seconds that are read are all there."""
    file = written(tmp_path, container, coding)
    content = file.read_bytes()
    file.write_bytes(content[: round(kept * len(content))])

    assert refusal(file).startswith(("cut: ", "not readable as sound"))


def test_what_is_declared_and_what_is_there_is_told(tmp_path: Path) -> None:
    """In bytes: 8,000 of 16,000."""
    (tmp_path / "a.wav").write_bytes(riff(bytes(8000), in_all=16_036, declared=16_000))

    assert refusal(tmp_path / "a.wav") == (
        "cut: 16,000 bytes of sound are declared, 8,000 are there"
    )


@pytest.mark.parametrize(
    ("in_all", "declared"),
    [(0xFFFFFFFF, 0xFFFFFFFF), (0x7FFFF024, 0x7FFFF000), (0, 0), (36, 0), (0xFFFFFFFF, 0)],
)
@pytest.mark.parametrize("order", ["<", ">"])
def test_a_size_that_a_pipe_left_open_means_the_end_of_the_file(
    in_all: int, declared: int, order: str, tmp_path: Path
) -> None:
    """As FFmpeg, SoX and programs that died write it; all 4,000 samples of 1/4 are read."""
    sound = struct.pack(f"{order}h", 8192) * 4000
    (tmp_path / "a.wav").write_bytes(riff(sound, in_all=in_all, declared=declared, order=order))

    waveform = read_sound(tmp_path / "a.wav", rate_hz=RATE_HZ, seconds=1)

    assert waveform.tolist() == [0.25] * 4000


def test_a_size_of_0_in_a_finished_file_is_no_sound(tmp_path: Path) -> None:
    """What follows is a chunk of another kind."""
    note = struct.pack("<4sI4s", b"note", 4, b"abcd")
    (tmp_path / "a.wav").write_bytes(riff(note, in_all=36 + len(note), declared=0))

    assert refusal(tmp_path / "a.wav") == "no samples"


def test_chunks_behind_the_sound_may_be_damaged(tmp_path: Path) -> None:
    """The samples are all there; many programs count the file's own size wrongly."""
    (tmp_path / "a.wav").write_bytes(riff(bytes(8000) + b"LIST", in_all=99_999, declared=8000))

    assert len(read_sound(tmp_path / "a.wav", rate_hz=RATE_HZ, seconds=1)) == 4000


def test_tags_around_the_frames_of_an_mp3_are_no_sound(tmp_path: Path) -> None:
    """ID3 in front of them, of either version, and other things behind."""
    file = written(tmp_path, "MP3", "MPEG_LAYER_III")
    content = file.read_bytes()
    tag = b"ID3\x04\x00\x00\x00\x00\x02\x01" + bytes(257)
    file.write_bytes(tag + content + b"TAG" + b"\xff" * 125 + bytes(40))

    assert whole_sound(file) == file


def test_an_mp3_that_declares_nothing_is_whole_with_its_last_frame(tmp_path: Path) -> None:
    """A constant rate needs no count of frames in front: 208 bytes each, here."""
    frame = b"\xff\xfb\x50\xc4" + bytes(204)  # MPEG 1, 64 kbit/s, 44.1 kHz, without padding
    file = tmp_path / "a.mp3"
    file.write_bytes(frame * 5)
    assert whole_sound(file) == file

    file.write_bytes((frame * 5)[:-1])
    with pytest.raises(DataError, match="its last frame ends too early"):
        whole_sound(file)


def test_an_mp3_that_lacks_whole_frames_is_refused(tmp_path: Path) -> None:
    """The first one says how many there are."""
    frame = b"\xff\xfb\x50\xc4" + bytes(204)
    first = frame[:36] + b"Xing" + struct.pack(">II", 1, 9) + frame[48:]
    (tmp_path / "a.mp3").write_bytes(first + frame * 5)

    with pytest.raises(DataError, match="9 frames are declared, 6 are there"):
        whole_sound(tmp_path / "a.mp3")


def test_an_ogg_that_lacks_whole_pages_is_refused(tmp_path: Path) -> None:
    """No page is marked as the last."""
    file = written(tmp_path, "OGG", "VORBIS")
    content = file.read_bytes()
    file.write_bytes(content[: content.rfind(b"OggS")])

    assert refusal(file) == "cut: no page is marked as its last"


def test_a_file_that_is_gone_is_told(tmp_path: Path) -> None:
    """With the system's reason."""
    assert refusal(tmp_path / "gone.wav") == "can't be read (No such file or directory)"
