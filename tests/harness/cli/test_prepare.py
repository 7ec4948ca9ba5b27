"""`bench prepare` calls a dataset's own download with options that it knows."""

from pathlib import Path

import pytest

from data_prep import esc50

DATASET = '''"""A dataset that writes a file."""

from pathlib import Path

from data_prep.examples import DataError


def describe(*, words: int = 3, mood: str = "calm"): ...


def prepare(root, *, words: int = 3, mood: str = "calm", progress=None):
    if mood == "raises":
        raise DataError("words.txt: the server is gone; try again later")
    Path(root).mkdir(parents=True, exist_ok=True)
    (Path(root) / "words.txt").write_text("word " * words)
    progress(words, words)


def files(root, *, words: int = 3, mood: str = "calm"):
    return [Path(root) / "words.txt"]


def load(root, *, words: int = 3, mood: str = "calm"): ...
'''


@pytest.fixture
def folder(user: Path) -> Path:
    """A user with the dataset `words`."""
    (user / "data_prep").mkdir()
    (user / "data_prep" / "words.py").write_text(DATASET)
    return user


def test_a_dataset_is_prepared_in_the_named_folder(bench, folder: Path) -> None:
    """Its options come typed, as in a benchmark file."""
    done = bench("prepare", "words", "words=2", "--data", "raw")

    assert done.code == 0
    assert done.out.startswith("words: 1 file")
    assert done.out.endswith(f"ready in {folder / 'raw'}\n")
    assert (folder / "raw" / "words.txt").read_text() == "word word "


def test_what_could_not_be_compared_is_said(bench, folder: Path) -> None:
    """As of an archive without a published checksum."""
    file = folder / "data_prep" / "words.py"
    file.write_text(f'{DATASET}\nCHECKED = "nothing has a checksum"\n')
    assert bench("prepare", "words", "--data", "raw").out.endswith(
        "words: nothing has a checksum\n"
    )
    assert "no checksum of the archive" in esc50.CHECKED


def test_without_a_name_the_folder_is_bench_data_or_the_cache(
    bench, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In that order."""
    bench("prepare", "words")
    monkeypatch.setenv("BENCH_DATA", str(folder / "mine"))
    bench("prepare", "words")

    assert (folder / "cache" / "bench" / "data" / "words.txt").exists()
    assert (folder / "mine" / "words.txt").exists()


def test_embedded_data_is_there_already(bench) -> None:
    """Its `prepare` takes no progress."""
    done = bench("prepare", "digits")

    assert done.code == 0
    assert done.out.startswith("digits: 1 file")


def test_what_a_dataset_refuses_is_told(bench, folder: Path) -> None:
    """Exit 2, its own words."""
    done = bench("prepare", "words", "mood=raises")

    assert done.code == 2
    assert "error: dataset words: words.txt: the server is gone; try again later\n" in done.err
    assert "Traceback" not in done.err


def test_wrong_names_and_values_are_told(bench, folder: Path) -> None:
    """The nearest, or what is allowed and what was found."""
    assert "did you mean 'words'?" in bench("prepare", "wrods").err
    assert "data_prep/words.py has no option 'mod'" in bench("prepare", "words", "mod=a").err
    assert "did you mean 'mood'?" in bench("prepare", "words", "mod=a").err
    assert "error: words: must be" in bench("prepare", "words", "words=many").err
    assert "found 'many'" in bench("prepare", "words", "words=many").err
