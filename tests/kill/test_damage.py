"""A part of the tables that was cut in half: found, named, set aside, its trials run again."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

from harness.events import Event, Note
from harness.run import RunOptions, run_benchmark
from tests.kill.sweeps import NAME, assert_same_results, tables_of
from tests.without_ray import run_without_ray

FILE = """\
question: Is damage found?
dataset: {name: digits, limit: 160}
model: {name: linear}
training: {epochs: 2, batch_size: 32, optimizer: adam, fold_execution: loop}
cross_validation: {strategy: stratified, n_splits: 4}
search:
  space:
    training.lr: [0.01, 0.02, 0.03]
objective: {metric: accuracy}
"""


@pytest.fixture
def user(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The sweep without Ray, run once; a copy of its tables lies in `whole`."""
    (folder / f"{NAME}.yaml").write_text(FILE)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    run_without_ray(monkeypatch)
    assert run() == []
    shutil.copytree(tables_of(folder), folder / "whole")
    return folder


def run() -> list[str]:
    """The same command; what it noted."""
    events: list[Event] = []
    outcome = run_benchmark(RunOptions(NAME), events.append)
    assert outcome.exit_code == 0
    return [event.text for event in events if isinstance(event, Note)]


@pytest.mark.parametrize("table", ["trials", "folds", "epochs", "predictions"])
def test_a_part_cut_in_half_is_set_aside_and_its_trials_run_again(user: Path, table: str) -> None:
    """Whichever table it belongs to; the tables end as they were."""
    part = cut_in_half(next((tables_of(user) / table).glob("*.parquet")))

    notes = run()

    assert f"{part} is damaged: set aside in .damaged/" in notes
    assert (tables_of(user) / ".damaged" / table / part.name).exists()
    assert len(pd.read_parquet(tables_of(user) / "trials")) == 3
    assert_same_results(tables_of(user), user / "whole")
    assert run() == []


def cut_in_half(part: Path) -> Path:
    """As a machine that lost power leaves a file."""
    part.write_bytes(part.read_bytes()[: part.stat().st_size // 2])
    return part
