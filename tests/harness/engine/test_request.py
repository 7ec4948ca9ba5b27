"""A smoke run goes the same way in as little time as it takes, for every shipped file."""

from pathlib import Path

import pytest

import benchmarks
from harness.config.benchmark import BenchmarkSpec
from harness.config.read import read_benchmark
from harness.engine.request import smoke_overrides
from harness.engine.resolve import resolve
from tests.plans import FILE, read

FILES = sorted(Path(benchmarks.__file__).parent.glob("*.yaml"))


def overrides(spec: BenchmarkSpec) -> dict[str, str]:
    described = resolve(spec)[0].description
    return dict(text.split("=", 1) for text in smoke_overrides(spec, described))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_shipped_file_takes_its_smoke_overrides(file: Path) -> None:
    """One epoch of small batches, two examples for every part and one of every class."""
    spec = read_benchmark(file)
    given = overrides(spec)
    smoke = read_benchmark(file, [f"{path}={value}" for path, value in given.items()])

    for one in resolve(smoke):
        training, limit = one.config["training"], one.config["dataset"]["limit"]
        assert training["epochs"] == 1
        assert training["batch_size"] <= 4
        assert 2 * len(one.description.parts) <= limit
        assert len(one.description.class_names) <= limit
        assert limit <= (40 if smoke.pretraining is None else 220)


def test_parts_that_are_cut_are_few_and_get_one_example_of_each_class() -> None:
    """Digits: ten classes in three parts, the fewest of which each can be the test once."""
    assert overrides(read()) == {
        "training.epochs": "1",
        "training.warmup_epochs": "0",
        "training.batch_size": "4",
        "dataset.limit": "30",
        "repeats": "1",
        "cross_validation.n_splits": "3",
    }


@pytest.mark.parametrize(("test_fold", "fewest"), [("none", "2"), ("1", "3"), ("4", "4")])
def test_as_few_parts_are_cut_as_the_test_allows(test_fold: str, fewest: str) -> None:
    """Part 4 exists only where four are cut; without a test, two are enough."""
    text = FILE.replace("n_splits: 4", f"n_splits: 5, test_fold: {test_fold}")

    assert overrides(read(text))["cross_validation.n_splits"] == fewest


def test_a_file_that_is_small_already_stays_small() -> None:
    """Its own limit and batch size are kept where they are lower."""
    given = overrides(read(FILE, "dataset.limit=20", "training.batch_size=3"))

    assert (given["dataset.limit"], given["training.batch_size"]) == ("20", "3")


def test_parts_of_the_dataset_s_own_need_two_examples_each() -> None:
    """ESC-50 has five parts of its own, and ten of its classes are asked for."""
    file = next(file for file in FILES if file.stem == "esc50_cnn")

    assert overrides(read_benchmark(file))["dataset.limit"] == "10"


def test_counts_of_a_holdout_become_fractions() -> None:
    """6,000 test images can't be taken of ten."""
    text = FILE.replace("{strategy: stratified, n_splits: 4}",
                        "{strategy: holdout, test_size: 600, validation_size: 0.1}")  # fmt: skip

    given = overrides(read(text))

    assert given["cross_validation.test_size"] == "0.2"
    assert "cross_validation.validation_size" not in given


def test_nothing_is_stopped_before_its_one_epoch_ends() -> None:
    """A grace of three epochs would be a mistake of the file, which it is not."""
    spec = read(FILE.replace("epochs: 2", "epochs: 9"),
                "search.scheduler={name: asha, grace_epochs: 3}")  # fmt: skip
    assert overrides(spec)["search.scheduler"] == "none"
    assert "search.scheduler" not in overrides(read())
