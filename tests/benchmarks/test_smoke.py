"""Every shipped benchmark runs `--smoke` to its end: on real data where BENCH_DATA names it, else
on generated stand-ins. All of the path but Ray: one trial after another in this process."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import benchmarks
from harness.data import catalog
from harness.results.rows import to_ipc, to_tables
from harness.run import RunOptions, run_benchmark
from harness.trial import run_trial
from harness.tuning import missing
from harness.tuning.collector import Collector
from harness.tuning.session import Capacity
from harness.tuning.sweep import SweepEnd, SweepRequest
from tests.stand_ins import data_of_tests

FILES = sorted(file.stem for file in Path(benchmarks.__file__).parent.glob("*.yaml"))
TABLES = ("trials", "folds", "epochs", "predictions")


def sweep_in_this_process(request: SweepRequest, **ignored: Any) -> SweepEnd:
    """What Ray would do, one trial after another."""
    collector, statuses = Collector(request.settings), {}
    for trial in request.trials:
        job = trial.job
        collector.begin(job.trial_id)
        result = run_trial(
            job,
            request.data[trial.data_key],
            build=catalog.load(trial.model).build,
            on_epoch=lambda rows, objective: None,
        )
        tables = to_ipc(to_tables(result.rows, request.settings.schemas))
        collector.done(job.trial_id, tables, "")
        statuses[job.trial_id] = result.rows.trial["status"]
    return SweepEnd(statuses, interrupted=False, write_error=collector.close())


@contextlib.contextmanager
def no_session(**ignored: Any) -> Iterator[Any]:
    """A machine of one core, without Ray."""
    yield lambda: Capacity(1.0, 0.0)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Raw data of every dataset, and a cache of prepared arrays that all tests share."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield data_of_tests(tmp_path_factory.mktemp("data"), monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_a_smoke_run_ends_with_complete_trials(
    name: str, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 0, and rows in every table. One configuration: raw audio takes its seconds."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(missing, "run_sweep", sweep_in_this_process)
    monkeypatch.setattr(missing, "ray_session", no_session)

    outcome = run_benchmark(RunOptions(name, smoke=True, limit=1, data=data), lambda event: None)

    results = tmp_path / "results" / "_smoke" / name
    trials = pd.read_parquet(results / "trials")
    assert trials["error"].dropna().tolist() == []
    assert set(trials["status"]) == {"complete"}
    assert outcome.exit_code == 0
    assert all(len(pd.read_parquet(results / table)) for table in TABLES)
