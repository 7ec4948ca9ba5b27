"""`bench new` writes one file that works as it is, and never over another."""

import shlex
from pathlib import Path

import pytest

from harness.plugins.catalog import SHIPPED


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
    shipped = (SHIPPED / source).read_text()
    assert (user / file).read_text() == shipped.replace("bench run quickstart", "bench run mine")


@pytest.mark.parametrize(
    ("kind", "start", "following"),
    [
        ("benchmark", "esc50_cnn", "bench check mine && bench run mine --smoke"),
        ("model", "vit", "bench run quickstart model.name=mine --smoke"),
        ("model", "conv1d", "bench run esc50_cnn model.name=mine --smoke"),
        ("dataset", "digits", "bench run quickstart dataset.name=mine --smoke"),
    ],
)
def test_the_next_command_fits_what_was_copied(
    bench, user: Path, kind: str, start: str, following: str
) -> None:
    """It runs as it is."""
    assert f"next: {following}\n" in bench("new", kind, "mine", "--from", start).out


def test_the_next_command_of_a_model_that_no_benchmark_uses(bench, user: Path) -> None:
    """The whole section is replaced, the space emptied."""
    following = bench("new", "model", "mine").out.split("next: ")[1]
    done = bench(*(word for word in shlex.split(following)[1:] if word != "--smoke"), "--dry-run")

    assert done.code == 0
    assert "model mine: 650 parameters" in done.out


@pytest.mark.parametrize("kind", ["model", "dataset", "benchmark"])
def test_a_copy_of_each_shipped_file_works_as_it_is(bench, user: Path, kind: str) -> None:
    """The command that is told next resolves, and its models can be built."""
    from harness.config.read import find_benchmark
    from harness.engine.checks import read_checked
    from harness.engine.model_checks import check_models, distinct_models
    from harness.engine.resolve import resolve
    from harness.plugins import catalog

    shipped = (
        [file.stem for file in sorted(catalog.SHIPPED_BENCHMARKS.glob("*.yaml"))]
        if kind == "benchmark"
        else list(catalog.entries(kind, folder=catalog.SHIPPED))
    )
    for start in shipped:
        done = bench("new", kind, f"my_{start}", "--from", start)
        following = shlex.split(done.out.split("next: ")[1])
        assert done.code == 0
        if "run" not in following:
            assert following == ["bench", "prepare", f"my_{start}", "path=PATH"]
            continue
        _, file, *words = following[following.index("run") :]
        overrides = [word for word in words if "=" in word]
        spec = read_checked(find_benchmark(file, shipped=catalog.SHIPPED_BENCHMARKS), overrides)
        (*_, last) = configurations = resolve(spec, folder=user)
        names = {spec.name, last.model.name, last.dataset.name}
        assert f"my_{start}" in names
        check_models(spec, distinct_models(configurations[:1]))


def test_hiding_a_shipped_file_is_said(bench, user: Path) -> None:
    """When it is written, and when it is used."""
    assert "in place of the shipped models/vit.py" in bench("new", "model", "vit").out
    assert "in place of the shipped" in bench("new", "benchmark", "quickstart").out
    assert "your benchmarks/quickstart.yaml is used" in bench(
        "run", "quickstart", "model={name: linear}", "search={}", "training.lr=0.1",
        "training.optimizer=sgd", "--dry-run",
    ).err  # fmt: skip


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
