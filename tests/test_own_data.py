"""The examples of docs/own_data.md run as they are written, on small folders and tables."""

import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from harness.cli import bench as command
from harness.engine.options import RunOptions
from harness.engine.runner import RunOutcome, run_benchmark
from harness.plugins.catalog import SHIPPED
from tests.commands import bench_here
from tests.own_data import write_images, write_sounds, write_texts
from tests.without_ray import run_without_ray

DOCUMENT = SHIPPED / "docs" / "own_data.md"
DATA: dict[str, Callable[[Path], Path]] = {
    "pets": lambda folder: write_images(folder / "pets", n=8),
    "tones": lambda folder: write_sounds(folder / "tones", n=8),
    "reviews": lambda folder: write_texts(folder / "reviews.csv", n=12),
}
every_example = pytest.mark.parametrize("name", DATA)

pytestmark = pytest.mark.skipif(not DOCUMENT.exists(), reason="documents are not in the wheel")


def example(name: str) -> str:
    """The benchmark file of that name, as the document prints it."""
    blocks = re.findall(r"```yaml\n(.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL)
    return next(block for block in blocks if block.startswith(f"# {name}.yaml"))


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the three files of the document, their data beside them."""
    for name, write in DATA.items():
        (tmp_path / f"{name}.yaml").write_text(example(name))
        write(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("BENCH_DATA", raising=False)
    return tmp_path


def run(name: str, *overrides: str, data: Path | None = None) -> RunOutcome:
    options = RunOptions(name, ("training.epochs=1", *overrides), data=data)
    return run_benchmark(options, lambda event: None)


def trials(user: Path, name: str) -> pd.DataFrame:
    return pd.read_parquet(user / "results" / name / "trials")


@every_example
def test_the_example_is_valid(name: str, user: Path) -> None:
    """Classes, shapes and counts are known from the listing."""
    done = CliRunner().invoke(command, ["check", name])

    assert (done.exit_code, done.output.strip()) == (0, f"{name}.yaml: valid, 2 configurations")


@every_example
def test_the_example_runs(name: str, user: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both configurations complete, with the classes of the data."""
    run_without_ray(monkeypatch)
    classes = {"pets": '["cat", "dog"]', "tones": '["high", "low"]', "reviews": '["bad", "good"]'}

    assert run(name).exit_code == 0
    assert trials(user, name)["status"].tolist() == ["complete"] * 2
    assert set(trials(user, name)["class_names"]) == {classes[name]}


def test_the_same_data_below_the_data_folder_is_the_same_trial(
    user: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run elsewhere with `--data` finds everything done."""
    run_without_ray(monkeypatch)
    run("pets")
    (user / "store").mkdir()
    (user / "pets").rename(user / "store" / "pets")

    outcome = run("pets", data=user / "store")

    assert outcome.plan.missing == ()


def test_files_that_change_places_make_new_trials(
    user: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cat that becomes a dog has the same name and content, but another label."""
    run_without_ray(monkeypatch)
    run("pets")
    cat, dog = user / "pets" / "cat" / "00.png", user / "pets" / "dog" / "00.png"
    cat.rename(user / "x.png")
    dog.rename(cat)
    (user / "x.png").rename(dog)

    assert len(trials(user, "pets")) == 2
    run("pets")
    assert len(trials(user, "pets")) == 4


@pytest.mark.parametrize(
    ("name", "change", "told"),
    [
        ("pets", "path: pest", r"pets\.yaml:5: dataset\.path: nothing lies at .*pest"),
        ("pets", "labels: no.csv", r"dataset\.labels: no table .*no\.csv"),
        ("tones", "seconds: 0.0", r"dataset\.seconds: must give at least one sample"),
        ("reviews", "text_column: txt", r"dataset\.text_column: .*did you mean 'text'"),
    ],
)
def test_a_mistake_is_told_with_its_line(name: str, change: str, told: str, user: Path) -> None:
    """As one of the file, before anything starts."""
    key = change.partition(":")[0]
    text = example(name)
    kept = [line for line in text.splitlines() if not line.startswith(f"  {key}:")]
    place = kept.index(next(line for line in kept if line.startswith("  name: ")))
    kept.insert(place + 1, f"  {change}")
    (user / f"{name}.yaml").write_text("\n".join(kept))

    done = CliRunner().invoke(command, ["check", name])

    assert done.exit_code == 2
    assert re.search(told, done.output)


def test_a_missing_path_is_asked_for(user: Path) -> None:
    """It has no default."""
    text = example("pets").replace("  path: pets\n", "")
    (user / "pets.yaml").write_text(text)

    done = CliRunner().invoke(command, ["check", "pets"])

    assert done.exit_code == 2
    assert "dataset.path: data_prep/image_folder.py needs it and has no default" in done.output


def test_the_commands_of_the_document(user: Path) -> None:
    """Check, run, report."""
    steps = [
        bench_here(*words, folder=user)
        for words in (
            ("check", "pets"),
            ("run", "pets", "training.epochs=1", "--in-process", "--quiet"),
            ("report", "pets"),
        )
    ]

    assert [step.returncode for step in steps] == [0, 0, 0], [step.stderr for step in steps]
    assert set(trials(user, "pets")["status"]) == {"complete"}
    assert "cat" in (user / "results" / "pets" / "report.html").read_text("utf-8")
