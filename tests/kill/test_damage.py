"""A part of the tables that was cut in half: found, named, set aside, its trials run again."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

from harness.engine.options import RunOptions
from harness.engine.runner import run_benchmark
from harness.events import Event, Note
from harness.report.report_writer import write_report
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


@pytest.mark.parametrize("table", ["folds", "epochs", "predictions"])
def test_a_part_that_is_gone_is_named_and_its_trials_run_again(user: Path, table: str) -> None:
    """Nobody's answer changes unnoticed; a dry run says why, and writes nothing."""
    next((tables_of(user) / table).glob("*.parquet")).unlink()
    planned = run_benchmark(RunOptions(NAME, dry_run=True), lambda event: None).plan
    assert {trial.reason for trial in planned.missing} == {f"rows are gone: {table}"}

    [note] = run()

    assert note.startswith("3 finished trials count as missing, since rows are gone: ")
    assert_same_results(tables_of(user), user / "whole")
    assert run() == []


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("plan.parquet", b"PAR1"),
        ("run.json", b"{"),
        ("benchmark.yaml", b"\xff\xfe"),
        ("benchmark.yaml", b""),
        ("data_card.json", b"[1, 2]"),
    ],
)
def test_a_damaged_record_is_no_dead_end(user: Path, name: str, content: bytes) -> None:
    """The next run, which has nothing to train, leaves a record that can be read."""
    [folder] = (tables_of(user) / "runs").iterdir()
    (folder / name).write_bytes(content)

    run()

    assert write_report([tables_of(user)], results=user / "results")
    assert run() == []


def test_a_trials_part_of_another_schema_is_set_aside(user: Path) -> None:
    part = next((tables_of(user) / "trials").glob("*.parquet"))
    pd.DataFrame({"trial_id": [1, 2]}).to_parquet(part)

    notes = run()

    assert f"{part} is damaged: set aside in .damaged/" in notes
    assert_same_results(tables_of(user), user / "whole")
