"""ESC-50: the published preprocessing, and an answer for every way the folder can be wrong."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile

from data_prep import esc50
from data_prep.examples import DataError

MakeTree = Callable[[Path], Path]
FIRST = "1-000-A-0.wav"
SECOND = "1-005-A-0.wav"


@pytest.fixture
def tree(tmp_path: Path, make_tree: MakeTree) -> Path:
    """The folder ESC-50-master below tmp_path."""
    return make_tree(tmp_path)


def _replace(clip: Path, content: bytes) -> None:
    clip.unlink()  # the clips of a class are links to one file
    clip.write_bytes(content)


def _write(clip: Path, samples: np.ndarray, rate: int = esc50.CLIP_RATE_HZ) -> None:
    clip.unlink()
    soundfile.write(clip, samples, rate, subtype="PCM_16")


def test_the_preprocessing_is_nine_half_overlapping_seconds() -> None:
    """80,000 samples at 16 kHz become frames that start every 8,000: inner halves occur twice."""
    time = np.arange(esc50.CLIP_SAMPLES, dtype=np.float32) / esc50.CLIP_RATE_HZ
    frames = esc50.preprocess(np.sin(2 * np.pi * 440 * time)).reshape(9, 16_000)
    assert frames.dtype == np.float32
    for earlier, later in pairwise(frames):
        assert np.array_equal(earlier[8_000:], later[:8_000])


def test_a_tone_keeps_its_pitch_and_height() -> None:
    """440 Hz sampled at 16 kHz is the same tone, away from the clip's ends."""
    rate = esc50.CLIP_RATE_HZ
    tone = np.sin(2 * np.pi * 440 * np.arange(esc50.CLIP_SAMPLES) / rate).astype(np.float32)
    first_second = esc50.preprocess(tone)[0, 200:15_800]
    expected = np.sin(2 * np.pi * 440 * np.arange(200, 15_800) / esc50.RATE_HZ)
    assert np.abs(first_second - expected).max() < 2e-3


def test_a_whole_clip_is_the_frames_without_their_repetitions() -> None:
    """Five seconds at any rate; frames of the same rate start every half second of it."""
    noise = np.random.default_rng(0).normal(size=esc50.CLIP_SAMPLES).astype(np.float32)
    for rate_hz in (16_000, 22_050, 32_000, 44_100):
        whole = esc50.preprocess(noise, framing="whole", rate_hz=rate_hz)
        frames = esc50.preprocess(noise, rate_hz=rate_hz)
        assert whole.shape == esc50.input_shape("whole", rate_hz) == (1, 5 * rate_hz)
        assert frames.shape == esc50.input_shape("frames", rate_hz) == (1, 9 * rate_hz)
        third = frames[0, 2 * rate_hz : 3 * rate_hz]
        assert np.array_equal(third, whole[0, rate_hz : 2 * rate_hz])
        assert np.array_equal(esc50.preview(frames[np.newaxis], rate_hz=rate_hz)[0], whole)


def test_clips_at_their_own_rate_are_untouched() -> None:
    """44.1 kHz is what was recorded."""
    noise = np.random.default_rng(0).normal(size=esc50.CLIP_SAMPLES).astype(np.float32)
    whole = esc50.preprocess(noise, framing="whole", rate_hz=esc50.CLIP_RATE_HZ)
    assert np.array_equal(whole[0], noise)


def test_the_description_follows_the_options() -> None:
    """Rate and shape, for the front end to know."""
    described = esc50.describe(subset="esc10", framing="whole", rate_hz=22_050)
    assert (described.input_shape, described.sample_rate_hz) == ((1, 110_250), 22_050)
    assert esc50.describe().input_shape == (1, 144_000)


def test_loading_the_subset_gives_the_published_layout(tmp_path: Path, tree: Path) -> None:
    """400 clips, 8 per class and part, sorted by file name, grouped by their recording."""
    examples = esc50.load(tmp_path, subset="esc10")
    assert examples.inputs.shape == (400, 1, 144_000)
    assert examples.inputs.dtype == np.float32
    table = np.zeros((10, 5), dtype=int)
    np.add.at(table, (examples.targets, np.asarray(examples.parts) - 1), 1)
    assert (table == 8).all()
    assert examples.example_ids.tolist() == sorted(examples.example_ids.tolist())
    assert examples.example_ids[0] == FIRST.removesuffix(".wav")
    assert np.asarray(examples.groups)[0] == "000"


def test_files_are_the_table_and_the_clips(tmp_path: Path, tree: Path) -> None:
    """What the fingerprint reads: 1 + 400 files of the subset."""
    found = esc50.files(tmp_path, subset="esc10")
    assert len(found) == 401
    assert found[0] == tree / "meta" / "esc50.csv"


def test_a_missing_folder_says_how_to_get_it(tmp_path: Path) -> None:
    """Both cures: prepare it, or name where it is."""
    for function in (esc50.load, esc50.files):
        with pytest.raises(DataError, match=r"bench prepare esc50.*--data DIR"):
            function(tmp_path, subset="esc10")


def test_missing_clips_are_listed_at_once(tmp_path: Path, tree: Path) -> None:
    """The first five by name, and how many more."""
    for clip in sorted((tree / "audio").glob("*.wav"))[:7]:
        clip.unlink()
    for function in (esc50.load, esc50.files):
        with pytest.raises(DataError) as caught:
            function(tmp_path, subset="esc10")
        text = str(caught.value)
        assert "7 bad clips" in text
        assert text.count("missing clip") == 5
        assert "and 2 more" in text
        assert FIRST in text


def test_every_kind_of_damage_is_named_with_its_file(tmp_path: Path, tree: Path) -> None:
    """Empty, truncated, wrong rate, stereo and not audio at all, in one answer."""
    audio = tree / "audio"
    names = [FIRST, SECOND, "1-010-A-0.wav", "1-015-A-0.wav", "1-020-A-0.wav"]
    whole = (audio / FIRST).read_bytes()
    silence = np.zeros(esc50.CLIP_SAMPLES)
    _replace(audio / names[0], b"")
    _replace(audio / names[1], whole[:200_044])
    _write(audio / names[2], silence[:80_000], rate=16_000)
    _write(audio / names[3], np.stack([silence, silence], axis=1))
    _replace(audio / names[4], b"<html>not found</html>")
    with pytest.raises(DataError) as caught:
        esc50.load(tmp_path, subset="esc10")
    lines = str(caught.value).splitlines()
    expected = [
        "empty file",
        "truncated, 100,000 samples, expected 220,500",
        "16000 Hz, expected 44100 Hz",
        "2 channels, expected mono",
        "not readable as audio",
    ]
    for line, name, words in zip(lines[1:6], names, expected, strict=True):
        assert name in line
        assert words in line


def test_a_longer_clip_is_not_called_truncated(tmp_path: Path, tree: Path) -> None:
    """Six seconds are wrong too, but nothing is missing."""
    _write(tree / "audio" / FIRST, np.zeros(264_600))
    with pytest.raises(DataError, match=r"wav: 264,600 samples, expected 220,500"):
        esc50.load(tmp_path, subset="esc10")


def test_subset_all_with_the_clips_of_esc10_alone_is_refused(tmp_path: Path, tree: Path) -> None:
    """A table of 400 rows is not the whole dataset."""
    with pytest.raises(DataError, match="lists 400 clips for subset 'all', not 2000"):
        esc50.load(tmp_path)


def test_the_whole_table_with_a_part_of_the_clips_names_the_missing(
    tmp_path: Path, tree: Path
) -> None:
    """Fifty classes are listed, ten lie there: 1,600 are missing; the subset loads all the same."""
    others = [name for name in esc50.ESC50_CLASSES if name not in esc50.ESC10_CLASSES]
    with (tree / "meta" / "esc50.csv").open("a") as table:
        for target, class_name in enumerate(others, start=10):
            for clip in range(40):
                part, group = clip % 5 + 1, f"{target}{clip:02d}"
                name = f"{part}-{group}-A-{target}.wav"
                table.write(f"{name},{part},{target},{class_name},False,{group},A\n")
    for function in (esc50.load, esc50.files):
        with pytest.raises(DataError, match=r"1600 bad clips\n.*: missing clip"):
            function(tmp_path)
    assert len(esc50.files(tmp_path, subset="esc10")) == 401


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("src_file", "source", "no column src_file"),
        ("filename,fold", "name,part", "no column filename, fold"),
        (f"{FIRST},1,", f"{FIRST},6,", "esc50.csv:2: not a row"),
        (f"{FIRST},1,", f"{FIRST},one,", "esc50.csv:2: not a row"),
        (f"{FIRST},1,0,chainsaw", f"{FIRST},1,0,chainsow", "esc50.csv:2: not a row"),
        (f"{FIRST},", "../../../etc/passwd,", "esc50.csv:2: not a row"),
        (f"{FIRST},", f"{SECOND},", "lists 399 clips"),
    ],
)
def test_a_changed_table_is_refused(
    tmp_path: Path, tree: Path, old: str, new: str, words: str
) -> None:
    """Columns, folds, classes and names that the published table doesn't have."""
    table = tree / "meta" / "esc50.csv"
    table.write_text(table.read_text().replace(old, new, 1))
    with pytest.raises(DataError, match=words):
        esc50.load(tmp_path, subset="esc10")


def test_a_binary_table_is_refused(tmp_path: Path, tree: Path) -> None:
    """Not text at all."""
    (tree / "meta" / "esc50.csv").write_bytes(b"\xff\xfe\x00\x00")
    with pytest.raises(DataError, match="can't be read"):
        esc50.files(tmp_path, subset="esc10")


def test_class_names_are_sorted_and_nested() -> None:
    """Ten of the fifty, both in the order of their numbers."""
    assert list(esc50.ESC50_CLASSES) == sorted(set(esc50.ESC50_CLASSES))
    assert list(esc50.ESC10_CLASSES) == sorted(set(esc50.ESC10_CLASSES))
    assert len(esc50.ESC50_CLASSES) == 50
    assert set(esc50.ESC10_CLASSES) < set(esc50.ESC50_CLASSES)
