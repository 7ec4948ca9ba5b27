"""`bench predict`: one row an input, wrong ones named and skipped."""

import csv
import io
import shutil
from pathlib import Path

import pytest

from harness.cli.predict import write_rows
from harness.export.predict import Prediction
from tests.exported_models import exported, train, write_digit
from tests.own_data import write_texts

TEXTS = """\
question: Good?
dataset: {name: text_csv, path: reviews.csv, max_tokens: 12, min_count: 1, max_vocabulary: 50}
model: {name: bag_of_tokens}
training: {epochs: 12, batch_size: 8, optimizer: adam, lr: 0.05}
cross_validation: {strategy: stratified, n_splits: 3}
objective: {metric: accuracy}
"""


class Screen(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("out", "shown"), [(io.StringIO(), "\x1b"), (Screen(), "\ufffd")])
def test_names_are_no_formulas_and_command_no_terminal(out: io.StringIO, shown: str) -> None:
    """A file keeps every character; numbers have no apostrophe, even where they are negative."""
    made = [Prediction("-5.png", "=cat\x1b", 1.0, (-0.25, 1.25))]
    assert write_rows(made, ("=cat\x1b", "dog"), out) == 1

    [row] = rows(out.getvalue())
    assert (row["input"], row["predicted"]) == ("'-5.png", f"'=cat{shown}")
    assert (row[f"probability.=cat{shown}"], row["agreement"]) == ("-0.250000", "1")


@pytest.fixture
def digits(user: Path, digits_folder: Path) -> Path:
    """An exported model of digits in `model`, and some files to predict in `images`."""
    shutil.copytree(digits_folder / "model", user / "model")
    (user / "images" / "deep").mkdir(parents=True)
    for number in range(3):
        write_digit(user / "images" / "deep", f"digit-{number:04d}")
    return user


@pytest.fixture
def texts(user: Path) -> Path:
    """An exported model of reviews in `model`."""
    write_texts(user / "reviews.csv", n=9)
    train(user, TEXTS)
    exported(user)
    return user


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_a_folder_gives_a_row_for_each_file(bench, digits: Path) -> None:
    """In the order of names; probabilities sum to one, the predicted class has the largest."""
    done = bench("predict", "model", "images")

    assert (done.code, done.err) == (0, "3 predicted\n")
    found = rows(done.out)
    assert [row["input"] for row in found] == [
        f"images/deep/digit-{number:04d}.png" for number in range(3)
    ]
    for row in found:
        shares = {name: float(row[f"probability.{name}"]) for name in "0123456789"}
        assert sum(shares.values()) == pytest.approx(1, abs=1e-5)
        assert max(shares, key=shares.__getitem__) == row["predicted"]
        assert row["agreement"] in ("0.333", "0.667", "1")


def test_wrong_inputs_are_named_and_skipped(bench, digits: Path) -> None:
    """Exit 1; the others have their rows."""
    (digits / "images" / "notes.txt").write_text("not a picture")
    done = bench("predict", "model", "images", "gone.png")

    assert done.code == 1
    assert "skipped gone.png: no such file or folder" in done.err
    assert "skipped images/notes.txt: not an image" in done.err
    assert "3 predicted, 2 skipped" in done.err
    assert len(rows(done.out)) == 3


def test_nothing_usable_is_an_error(bench, digits: Path) -> None:
    """Exit 2, and no file."""
    done = bench("predict", "model", "gone.png", "--out", "predictions.csv")

    assert done.code == 2
    assert "none of the inputs can be used" in done.err
    assert not (digits / "predictions.csv").exists()
    assert bench("predict", "model").code == 2


def test_a_folder_without_a_model_is_an_error(bench, user: Path) -> None:
    """It says which command writes one."""
    assert "`bench export BENCHMARK --out here` writes one" in bench("predict", "here", "x").err


def test_a_damaged_folder_is_an_error(bench, digits: Path) -> None:
    """Weights cut short, or another format."""
    (digits / "model" / "weights" / "1-1.pt").write_bytes(b"x")
    assert "model: can't be loaded" in bench("predict", "model", "images").err
    (digits / "model" / "export.json").write_text('{"format": 99}')
    assert "format 99, this reads 1" in bench("predict", "model", "images").err


def test_a_model_of_files_takes_no_text(bench, digits: Path) -> None:
    """Exit 2."""
    assert "--text is for models of texts" in bench("predict", "model", "--text", "three").err


def test_texts_come_from_tables_lines_options_and_standard_input(
    bench, texts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is named by where it stands."""
    (texts / "new.csv").write_text('id;text\n7;"a great film"\n8;"an awful\nfilm"\n')
    (texts / "lines.txt").write_text("great great\n\nawful awful\n")
    monkeypatch.setattr("sys.stdin", io.StringIO("an awful, awful film\n"))
    done = bench("predict", "model", "new.csv", "lines.txt", "-", "--text", "great film")

    assert done.code == 0
    assert [(row["input"], row["predicted"]) for row in rows(done.out)] == [
        ("new.csv:2", "good"),
        ("new.csv:3", "bad"),
        ("lines.txt:1", "good"),
        ("lines.txt:3", "bad"),
        ("stdin:1", "bad"),
        ("great film", "good"),
    ]


def test_a_missing_column_gets_the_nearest(bench, texts: Path) -> None:
    """And a text without words is skipped."""
    (texts / "new.csv").write_text("id,texts\n1,great\n2,\n")
    done = bench("predict", "model", "new.csv")
    assert done.code == 2
    assert "no column 'text'; found: id, texts; did you mean 'texts'?; see --column" in done.err

    done = bench("predict", "model", "new.csv", "--column", "texts", "--out", "predictions.csv")
    assert done.code == 1
    assert "skipped new.csv:3: no word in it" in done.err
    assert "1 predicted, 1 skipped: predictions.csv" in done.err
    assert rows((texts / "predictions.csv").read_text())[0]["input"] == "new.csv:2"
