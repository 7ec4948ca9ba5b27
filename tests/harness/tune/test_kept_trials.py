"""Checkpoints between worker and writer, in this process."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.engine.results_folder import fit_tables
from harness.results.rows import to_ipc, to_tables
from harness.results.table_reader import read_table
from harness.training.trial_rows import ended_rows, failed_rows
from harness.tune import trainable
from harness.tune.local import LocalActor, Value
from harness.tune.result_writer import ResultWriter, WriterSettings
from harness.tune.trainable import TrialWorker, WorkerContext
from harness.tune.worker_failures import AttemptSettings
from tests.builders import make_trial_data
from tests.checkpoints import make_checkpoint
from tests.plans import Plan, job_of, plan_of

FILE = """\
question: Does it go on?
dataset: {name: digits}
model: {name: linear}
training: {epochs: 4, batch_size: 8, optimizer: adam, lr: 0.05}
cross_validation: {strategy: kfold, n_splits: 3}
objective: {metric: accuracy}
"""
DATA = make_trial_data(n_folds=2)


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """One trial; every epoch is reported."""
    monkeypatch.setattr(trainable, "get_data", lambda reference: reference.value)
    monkeypatch.setattr(trainable, "REPORT_EVERY_S", 0.0)
    return plan_of(tmp_path / "rates", FILE)


@pytest.fixture
def writer(plan: Plan) -> Iterator[ResultWriter]:
    made = ResultWriter(
        WriterSettings(
            folder=plan.folder,
            run_folder=plan.folder / "runs" / "r",
            schemas=fit_tables(plan)[0],
            replaced={},
            weights="none",
            mode="max",
            best=None,
        )
    )
    yield made
    made.close()


@pytest.fixture
def worker(plan: Plan, writer: ResultWriter) -> Callable[..., TrialWorker]:
    """Starts worker processes, as it were; each has taken the plan's trial."""

    def make(*, interval_s: float | None = 0.0, **changes: Any) -> TrialWorker:
        trial = replace(job_of(plan, plan.trials[0]), data_key="d", **changes)
        context = WorkerContext(
            Value([trial]),
            Value(fit_tables(plan)[0]),
            {"d": Value(DATA)},
            LocalActor(writer),
            AttemptSettings(plan.folder / "under_way"),
            checkpoint_interval_s=interval_s,
        )
        made = TrialWorker()
        made.setup({"index": 0}, context)
        return made

    return make


def kept(plan: Plan) -> list[str]:
    return [file.name for file in plan.folder.glob("runs/*/checkpoints/*")]


def test_the_second_attempt_goes_on_where_the_first_one_died(
    worker, plan: Plan, writer: ResultWriter
) -> None:
    """It tells the epochs behind it again, so that none is missing and none is there twice."""
    first = worker()
    told = [first.step()["epoch"] for _ in range(2)]
    second = worker()
    told_again = [second.step() for _ in range(5)]
    writer.close()
    log = plan.folder / "runs" / "r" / "logs" / f"{plan.trials[0].trial_id}.txt"
    epochs = read_table(plan.folder, "epochs")

    assert told == [1, 2]
    assert [one.get("epoch") for one in told_again] == [1, 2, 3, 4, None]
    assert log.read_text() == "goes on from its checkpoint, after epoch 2\n"
    assert read_table(plan.folder, "trials")["attempt"].tolist() == [2]
    assert epochs["epoch"].tolist() == [1, 1, 2, 2, 3, 3, 4, 4]


def test_a_checkpoint_goes_once_the_rows_are_on_disk(
    worker, plan: Plan, writer: ResultWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not before: whoever dies in between has one or the other."""
    monkeypatch.setattr(writer._tables, "flush_if_due", lambda: None)
    one = worker()
    while not one.step().get("done"):
        pass
    until_s = time.monotonic() + 10
    while not kept(plan) and time.monotonic() < until_s:
        time.sleep(0.01)
    writer._end_checkpoints()
    before = kept(plan), len(read_table(plan.folder, "trials"))
    writer.close()

    assert before == ([f"{plan.trials[0].trial_id}.checkpoint"], 0)
    assert (kept(plan), len(read_table(plan.folder, "trials"))) == ([], 1)


def test_a_stopped_trial_keeps_its_last_epoch_though_none_was_due(
    worker, plan: Plan, writer: ResultWriter
) -> None:
    """What Ray calls at Ctrl-C; the interrupted row has the same epochs."""
    one = worker(interval_s=3600.0)
    for _ in range(3):
        one.step()
    one.cleanup()
    (found,) = writer.unfinished().items()
    checkpoint = writer.checkpoint(found[0])

    assert checkpoint is not None and checkpoint.header.epoch == 3
    assert {row["epoch"] for row in found[1][1]} == {1, 2, 3}


def test_an_ended_trial_keeps_nothing_when_its_actor_stops(
    worker, plan: Plan, writer: ResultWriter
) -> None:
    one = worker(interval_s=3600.0)
    while not one.step().get("done"):
        pass
    one.cleanup()
    writer.close()

    assert kept(plan) == []


def test_nothing_is_kept_where_nobody_wants_it(worker, plan: Plan, writer: ResultWriter) -> None:
    """`checkpoint_interval_s: null`."""
    one = worker(interval_s=None)
    one.step()
    one.cleanup()

    assert writer.checkpoint(plan.trials[0].trial_id) is None


def test_a_full_disk_is_told_with_the_next_report(
    worker, writer: ResultWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the trial completes."""
    monkeypatch.setattr(writer._checkpoints, "put", lambda *given: "No space left on device")
    said = []
    one = worker()
    while not said or not said[-1].get("done"):
        said.append(one.step())

    assert said[-1]["status"] == "complete"
    assert said[1]["notes"] == [
        "no checkpoint could be written: No space left on device; the trials go on without"
    ]


@pytest.mark.parametrize(
    ("status", "stays"), [("interrupted", True), ("failed", True), ("pruned", False)]
)
def test_who_was_stopped_or_killed_may_go_on_later(
    plan: Plan, writer: ResultWriter, status: str, stays: bool
) -> None:
    """The driver's word on a trial that did not end by itself."""
    trial = plan.trials[0]
    job = job_of(plan, trial)
    rows = failed_rows(job, "died", []) if status == "failed" else ended_rows(job, status, [])
    writer.begin(trial.trial_id)
    writer.keep_checkpoint(trial.trial_id, make_checkpoint(trial.trial_id))
    writer.add(trial.trial_id, to_tables(rows, fit_tables(plan)[0]))
    writer.close()

    assert kept(plan) == ([f"{trial.trial_id}.checkpoint"] if stays else [])


def test_a_trial_that_failed_by_itself_begins_anew_next_time(
    worker, plan: Plan, writer: ResultWriter
) -> None:
    """Its error would only come again."""
    one = worker()
    one.step()
    failed = to_tables(failed_rows(one._job, "no mood", []), fit_tables(plan)[0])
    writer.done(one._job.trial_id, to_ipc(failed), "")
    writer.close()

    assert kept(plan) == []
