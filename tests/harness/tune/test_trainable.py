"""What a worker does with one trial, see conftest.py."""

from dataclasses import replace

import pytest
import torch

from harness.plugins import catalog
from harness.results.table_reader import read_table
from harness.tune import trainable
from tests.plans import Plan, job_of


def test_a_short_trial_reports_once(worker, plan: Plan) -> None:
    """Its rows are with the writer before Tune hears of its end."""
    taken, writer = worker()
    said = taken.step()
    unfinished = writer.unfinished()
    writer.close()
    trials = read_table(plan.folder, "trials")

    assert unfinished == {}
    assert said == {
        "status": "complete",
        "objective": trials["val_accuracy_mean"][0],
        "objective_std": trials["val_accuracy_std"][0],
        "fit_time_s": trials["fit_time_s"][0],
        "error": None,
        "gpu_memory": None,  # there is no GPU
        "done": True,
    }
    assert trials["attempt"].tolist() == [1]
    assert len(read_table(plan.folder, "epochs")) == 2 * 3


def test_a_long_trial_reports_on_its_way(
    worker, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Epoch by epoch where each takes a second; the writer gets the rows so far."""
    monkeypatch.setattr(trainable, "REPORT_EVERY_S", 0.0)
    taken, writer = worker()
    said = [taken.step() for _ in range(3)]
    ((attempts, epochs, *_),) = writer.unfinished().values()

    assert [one["epoch"] for one in said] == [1, 2, 3]
    assert {one["status"] for one in said} == {"running"}
    assert all(0 <= one["objective"] <= 1 for one in said)
    assert (attempts, [row["epoch"] for row in epochs]) == (1, [1, 1, 2, 2, 3, 3])
    assert taken.step()["done"]
    writer.close()


def test_a_scheduled_trial_reports_every_epoch_but_the_last(worker, plan: Plan) -> None:
    """Its rows lie with the writer before Tune may stop it; at its end there is no epoch."""
    taken, writer = worker(scheduled=True)
    told = []
    for epoch in (1, 2):
        said = taken.step()
        ((_, rows, *_),) = writer.unfinished().values()
        told.append((said["epoch"], said["status"], rows[-1]["epoch"]))
        assert said["objective"] == pytest.approx(
            sum(row["val_accuracy"] for row in rows if row["epoch"] == epoch) / 2
        )
    last = taken.step()
    writer.close()

    assert told == [(1, "running", 1), (2, "running", 2)]
    assert last["done"]
    assert "epoch" not in last


def test_a_drawn_trial_is_asked_of_the_writer(worker, plan: Plan) -> None:
    """Its index lies beyond the trials that were known before the sweep."""
    taken, writer = worker()
    index = len(plan.trials)
    model = catalog.find("model", "moody")
    writer.offer(index, replace(job_of(plan, plan.trials[0]), data_key="d", model=model))
    taken.reset_config({"index": index})
    said = taken.step()
    writer.close()

    assert said["status"] == "complete"


def test_a_tracked_trial_reports_every_epoch_and_its_scores(worker, plan: Plan) -> None:
    """Also those epochs that went by between two reports."""
    taken, writer = worker(tracked=True)
    said = taken.step()
    writer.close()
    epochs = read_table(plan.folder, "epochs")
    trial = read_table(plan.folder, "trials").iloc[0]

    assert [one["epoch"] for one in said["curve"]] == [1, 2, 3]
    first = epochs[epochs["epoch"] == 1]
    assert said["curve"][0]["val_loss"] == pytest.approx(first["val_loss"].mean())
    assert said["final"]["final/val_accuracy"] == trial["val_accuracy_mean"]
    assert said["epochs_trained"] == 3


def test_an_actor_takes_one_trial_after_another(worker, plan: Plan) -> None:
    """The second one raises: a failed row, and the actor lives."""
    taken, writer = worker()
    taken.step()
    assert taken.reset_config({"index": 1})
    said = taken.step()
    writer.close()
    rows = read_table(plan.folder, "trials").set_index("params.model.mood")

    assert (said["status"], said["objective"], said["done"]) == ("failed", None, True)
    assert said["error"] == "RuntimeError: no mood for this"
    assert rows["status"].to_dict() == {"calm": "complete", "raises": "failed"}


def test_the_attempts_of_earlier_runs_count(worker, plan: Plan) -> None:
    """Two before, and this one."""
    taken, writer = worker(attempt=2)
    taken.step()
    writer.close()

    assert read_table(plan.folder, "trials")["attempt"].tolist() == [3]


def test_what_a_model_prints_goes_into_its_log(
    worker, plan: Plan, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing of it is on the screen."""
    taken, writer = worker()
    taken.step()
    writer.close()
    log = plan.folder / "runs" / "r" / "logs" / f"{plan.trials[0].trial_id}.txt"

    assert set(log.read_text().splitlines()) == {"a word"}
    assert capsys.readouterr() == ("", "")


def test_the_best_trial_hands_over_the_weights_of_each_fold(worker, plan: Plan) -> None:
    """As torch reads them without executing anything."""
    taken, writer = worker()
    taken.step()
    writer.close()
    files = sorted((plan.folder / "weights" / plan.trials[0].trial_id).iterdir())

    assert [file.name for file in files] == ["1-1.pt", "1-2.pt"]
    assert torch.load(files[0], weights_only=True)["1.weight"].shape == (3, 5)


def test_no_weights_are_sent_that_nobody_wants(worker, plan: Plan) -> None:
    """`weights: none`."""
    taken, writer = worker(weights="none")
    taken.step()
    writer.close()

    assert not (plan.folder / "weights").exists()


def test_a_further_repeat_that_fails_leaves_the_earlier_ones(worker, plan: Plan) -> None:
    """Their complete rows stay; nothing is written over them."""
    earlier = {"repeat": 1, "fold": 1, "best_epoch": 1, "val_accuracy": 0.5, "fit_time_s": 1.0}
    taken, writer = worker(previous_folds=(earlier,))
    taken.reset_config({"index": 1})
    said = taken.step()
    unfinished = writer.unfinished()
    writer.close()

    assert said["status"] == "failed"
    assert unfinished == {}
    assert len(read_table(plan.folder, "trials")) == 0
