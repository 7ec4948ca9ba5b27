"""`bench new` writes one file that works as it is, and never over another."""

from pathlib import Path

import pytest

from harness.data.catalog import SHIPPED


@pytest.mark.parametrize(
    ("kind", "file", "source"),
    [
        ("model", "models/mine.py", "models/linear.py"),
        ("dataset", "data_prep/mine.py", "data_prep/digits.py"),
        ("benchmark", "benchmarks/mine.yaml", "benchmarks/quickstart.yaml"),
    ],
)
def test_a_new_file_is_a_copy_of_a_small_one(
    bench, user: Path, kind: str, file: str, source: str
) -> None:
    """In the folder where bench looks for it."""
    done = bench("new", kind, "mine")

    assert done.code == 0
    assert done.out.startswith(f"{file}, a copy of ")
    assert (user / file).read_text() == (SHIPPED / source).read_text()


def test_what_is_new_works_at_once(bench, user: Path) -> None:
    """A benchmark of one's own, with a model and a dataset of one's own."""
    for kind in ("model", "dataset", "benchmark"):
        bench("new", kind, "mine", *(["--from", "vit"] if kind == "model" else []))

    done = bench("check", "mine", "model.name=mine", "dataset.name=mine")

    assert done.code == 0
    assert done.out == "benchmarks/mine.yaml: valid, 16 configurations\n"
    assert "mine" in bench("list", "datasets").out


def test_a_file_that_exists_is_left_alone(bench, user: Path) -> None:
    """Exit 2."""
    (user / "models").mkdir()
    (user / "models" / "mine.py").write_text("precious")
    done = bench("new", "model", "mine")

    assert done.code == 2
    assert "models/mine.py exists already" in done.err
    assert (user / "models" / "mine.py").read_text() == "precious"


@pytest.mark.parametrize("name", ["My_model", "1st", "../mine", "my-model", "mine.py"])
def test_a_name_that_can_not_be_a_module_is_refused(bench, user: Path, name: str) -> None:
    """Nothing is written."""
    done = bench("new", "model", name)

    assert done.code == 2
    assert "lower-case letters, digits and _" in done.err
    assert not (user / "models").exists()


def test_an_unknown_start_gets_the_nearest(bench) -> None:
    """For models, datasets and benchmarks alike."""
    assert "did you mean 'vit'?" in bench("new", "model", "mine", "--from", "vitt").err
    assert "did you mean 'digits'?" in bench("new", "dataset", "mine", "--from", "digit").err
    assert "did you mean 'quickstart'?" in bench("new", "benchmark", "x", "--from", "quickstar").err
