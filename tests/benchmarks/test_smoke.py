"""Every shipped benchmark runs `--smoke` to its end: on real data where BENCH_DATA names it, else
on generated stand-ins. All of the path but Ray: one trial after another in this process."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

import benchmarks
from harness.engine.options import RunOptions
from harness.engine.runner import run_benchmark
from tests.commands import bench_here
from tests.stand_ins import data_of_tests
from tests.without_ray import run_without_ray

FILES = sorted(file.stem for file in Path(benchmarks.__file__).parent.glob("*.yaml"))
TABLES = ("trials", "folds", "epochs", "predictions")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Raw data of every dataset, and a cache of prepared arrays that all tests share."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield data_of_tests(tmp_path_factory.mktemp("data"), monkeypatch)


@pytest.mark.slow
@pytest.mark.timeout(900)  # raw audio of full length takes a minute or two a file
@pytest.mark.parametrize("name", FILES)
def test_a_smoke_run_ends_with_complete_trials(
    name: str, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One configuration of it: exit code 0, and rows in every table."""
    monkeypatch.chdir(tmp_path)
    run_without_ray(monkeypatch)

    outcome = run_benchmark(RunOptions(name, smoke=True, limit=1, data=data), lambda event: None)

    results = tmp_path / "results" / "_smoke" / name
    trials = pd.read_parquet(results / "trials")
    assert trials["error"].dropna().tolist() == []
    assert set(trials["status"]) == {"complete"}
    assert outcome.exit_code == 0
    assert all(len(pd.read_parquet(results / table)) for table in TABLES)


def test_a_smoke_run_by_its_command(tmp_path: Path) -> None:
    """The command as a user types it; its results lie apart."""
    done = bench_here("run", "quickstart", "--smoke", "--in-process", "--quiet", folder=tmp_path)

    trials = pd.read_parquet(tmp_path / "results" / "_smoke" / "quickstart" / "trials")
    assert done.returncode == 0, done.stderr
    assert trials["status"].tolist() == ["complete"] * 2
