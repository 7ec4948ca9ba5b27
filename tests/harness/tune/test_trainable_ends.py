"""How a worker's trial ends that does not end well, and what is left of it."""

from typing import Any

from harness.results.table_reader import read_table
from harness.tune.worker_failures import TO_RETRY
from tests.plans import Plan


def trial_after(worker, plan: Plan, mood: str, **options: Any) -> tuple[dict, Any]:
    """What Tune hears last of a trial, and the rows of the table `trials`."""
    taken, writer = worker(**options)
    taken.reset_config({"index": plan_moods(plan).index(mood)})
    while not (said := taken.step()).get("done"):
        pass
    writer.close()
    return said, read_table(plan.folder, "trials")


def plan_moods(plan: Plan) -> list[str]:
    """In the order of the trials."""
    return [trial.resolved.params["model.mood"] for trial in plan.trials]


def test_memory_that_runs_out_is_handed_back_where_a_larger_share_is_left(
    worker, plan: Plan
) -> None:
    """No row yet: the trial is tried again."""
    said, rows = trial_after(worker, plan, "hungry", settings={"larger_share_left": True})

    assert (said["status"], said["done"]) == (TO_RETRY, True)
    assert said["error"] == "out of memory: MemoryError: no room"
    assert len(rows) == 0


def test_memory_that_runs_out_at_last_is_a_failed_row_with_advice(worker, plan: Plan) -> None:
    """What was tried, and what may help."""
    said, rows = trial_after(worker, plan, "hungry", settings={"alone": True})

    assert said["status"] == "failed"
    assert rows["error"].tolist() == [
        "out of memory: MemoryError: no room, with no trial beside it; "
        "try a smaller training.batch_size"
    ]


def test_a_model_that_exits_is_a_failed_row(worker, plan: Plan) -> None:
    """And the worker lives."""
    _, rows = trial_after(worker, plan, "exits")

    assert rows["error"].tolist() == ["SystemExit: 3"]


def test_a_time_limit_ends_a_trial_between_epochs(worker, plan: Plan) -> None:
    """The epochs until then are kept."""
    said, rows = trial_after(worker, plan, "calm", settings={"time_limit_s": 1e-9})
    epochs = read_table(plan.folder, "epochs")

    assert said["status"] == "failed"
    assert rows["error"].tolist() == [
        "time limit of 1e-09 s reached after 1 epoch; "
        "raise resources.time_limit_s, then --retry-failed"
    ]
    assert rows["epochs_trained"].tolist() == [1]
    assert sorted(epochs["fold"]) == [1, 2]


def test_nothing_of_a_log_stays_behind(worker, plan: Plan) -> None:
    """What a trial said is in the run's folder."""
    trial_after(worker, plan, "calm")
    [log] = (plan.folder / "runs" / "r" / "logs").iterdir()

    assert "a word" in log.read_text()
    assert not [*(plan.folder / "under_way").iterdir()]
