"""Curves in TensorBoard, MLflow and Weights & Biases, through Ray's own callbacks."""

import struct
from pathlib import Path
from typing import Any

import pytest

from harness.engine import checks as planning
from harness.engine.checks import check_tracking
from harness.errors import BenchError, SpecError
from harness.tune import tracking as module_under_test
from harness.tune.tracking import (
    Tracker,
    Tracking,
    epoch_point,
    final_point,
    open_tracking,
    points,
)
from tests.commands import bench
from tests.plans import read

ROWS = [
    {"trial_id": "aa", "stage": "training", "repeat": 1, "fold": fold, "epoch": 2,
     "train_loss": loss, "train_accuracy": 0.5, "val_loss": loss, "val_accuracy": 0.25,
     "val_macro_f1": None, "lr": 0.1, "epoch_time_s": 1.0}
    for fold, loss in ((1, 1.0), (2, 3.0))
]  # fmt: skip
CURVE = [{"epoch": 1, "objective": 0.25, "val_loss": 2.0}, {"epoch": 2, "objective": 0.5}]
RUNNING = {"status": "running", "epoch": 2, "objective": 0.5, "curve": CURVE}
ENDED = {"status": "complete", "curve": [{"epoch": 3, "objective": 0.75}], "epochs_trained": 3,
         "final": {"final/test_accuracy": 0.625}}  # fmt: skip
FILE = """\
question: Which rate?
dataset: {name: digits, limit: 100}
model: {name: linear}
training: {epochs: 2, batch_size: 32, optimizer: adam, lr: 0.1}
cross_validation: {strategy: stratified, n_splits: 3}
objective: {metric: accuracy}
tracking: [wandb]
"""


def made(folder: Path, *names: str, say: Any = print) -> Tracker:
    """What takes part in a sweep of one trial, connected to these services."""
    params = {"aa": {"training.lr": 0.1, "model.sizes": [1, 2]}}
    return open_tracking(Tracking(names, folder / "tracking", "rates", "run-1", params), say)


def tell(tracker: Tracker, *results: dict[str, Any], end: bool = True) -> None:
    """Everything of a trial's life."""
    tracker.started("aa")
    for result in results:
        tracker.reported("aa", result, iteration=0)
    if end:
        tracker.ended([])


def scalars(folder: Path) -> list[tuple[int, str, float]]:
    """(step, tag, value) of the one file of TensorBoard events below a folder."""
    from tensorboardX.proto.event_pb2 import Event

    (file,) = folder.rglob("events.*")
    content, found = file.read_bytes(), []
    while content:
        (size,) = struct.unpack("<Q", content[:8])
        event = Event.FromString(content[12 : 12 + size])
        found += [(event.step, one.tag, one.simple_value) for one in event.summary.value]
        content = content[16 + size :]
    return found


def test_an_epoch_is_the_mean_over_its_folds() -> None:
    """Losses 1 and 3; a metric that is not defined in some fold is left out."""
    assert epoch_point(ROWS, 0.4) == {
        "epoch": 2, "objective": 0.4, "train_loss": 2.0, "train_accuracy": 0.5, "val_loss": 2.0,
        "val_accuracy": 0.25, "lr": 0.1,
    }  # fmt: skip


def test_the_scores_are_those_of_the_trials_row() -> None:
    row = {"val_accuracy_mean": 0.5, "val_accuracy_std": 0.1, "test_accuracy_mean": None,
           "n_parameters": 10, "fit_time_s": 2.0, "status": "complete"}  # fmt: skip
    assert final_point(row) == {
        "final/val_accuracy": 0.5, "final/n_parameters": 10, "final/fit_time_s": 2.0
    }  # fmt: skip


def test_every_epoch_has_its_step_and_the_scores_the_last() -> None:
    assert [one["training_iteration"] for one in points(RUNNING)] == [1, 2]
    assert [one["training_iteration"] for one in points(ENDED)] == [3, 3]
    assert points({"status": "running", "epoch": 1, "objective": 0.5}) == []


def test_tensorboard_gets_every_epoch_under_the_trials_id(tmp_path: Path) -> None:
    tell(made(tmp_path, "tensorboard"), RUNNING, ENDED)
    found = scalars(tmp_path / "tracking" / "tensorboard" / "aa")
    assert [(step, value) for step, tag, value in found if tag == "ray/tune/objective"] == [
        (1, 0.25), (2, 0.5), (3, 0.75)
    ]  # fmt: skip
    assert (3, "ray/tune/final/test_accuracy", 0.625) in found
    assert "_hparams_/session_start_info" in [tag for _, tag, _ in found]


def test_a_trial_that_is_trained_again_replaces_its_curves(tmp_path: Path) -> None:
    for _ in range(2):
        tell(made(tmp_path, "tensorboard"), ENDED)
    assert len([1 for _, tag, _ in scalars(tmp_path) if tag == "ray/tune/objective"]) == 1


def test_mlflow_keeps_parameters_and_curves_in_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    tell(made(tmp_path, "mlflow"), RUNNING, ENDED)
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path / 'tracking' / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("rates")
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.data.params == {"training.lr": "0.1", "model.sizes": "[1, 2]"}
    assert run.data.tags["run_id"] == "run-1"
    assert run.info.run_name == "aa"
    assert run.info.status == "FINISHED"
    history = client.get_metric_history(run.info.run_id, "objective")
    assert [(one.step, one.value) for one in history] == [(1, 0.25), (2, 0.5), (3, 0.75)]
    assert not (tmp_path / "mlruns").exists()


@pytest.mark.ray
@pytest.mark.slow
def test_wandb_keeps_a_run_offline(tmp_path: Path) -> None:
    pytest.importorskip("wandb", reason="wandb is not installed")
    (tmp_path / "rates.yaml").write_text(FILE)
    done = bench("run", "rates.yaml", "--quiet", folder=tmp_path, WANDB_MODE="offline")
    assert done.returncode == 0, done.stderr
    (file,) = (tmp_path / "results" / "rates" / "tracking").rglob("run-*.wandb")
    content = file.read_bytes()
    assert b"final/test_accuracy" in content
    assert b"val_loss" in content


def test_without_a_login_wandb_is_refused_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the service's own callback says, as a mistake of the user's."""

    def refused(tracking: Tracking) -> Any:
        raise ValueError("No WandB API key found.")

    monkeypatch.setattr(module_under_test, "OPENERS", {"wandb": refused})
    with pytest.raises(BenchError, match="tracking: wandb: No WandB API key"):
        made(tmp_path, "wandb")


class Noted:
    """A callback of Ray's that notes what it is told, and may fail at it."""

    def __init__(self, fails: str = "") -> None:
        self.fails, self.told = fails, []

    def setup(self) -> None:
        """Nothing to connect to."""

    def __getattr__(self, name: str) -> Any:
        def note(*arguments: Any) -> None:
            if name == self.fails:
                raise ConnectionError("the server is gone")
            self.told.append((name, *arguments[-1:]))

        return note


def test_a_service_that_fails_is_left_out_and_the_sweep_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, bad, said = Noted(), Noted(fails="log_trial_result"), []
    openers = {"good": lambda tracking: good, "bad": lambda tracking: bad}
    monkeypatch.setattr(module_under_test, "OPENERS", openers)
    tell(made(tmp_path, "bad", "good", say=said.append), RUNNING, ENDED)
    assert said == ["bad takes no more curves: ConnectionError: the server is gone"]
    assert len(bad.told) == 1
    assert [name for name, *_ in good.told] == [
        "log_trial_start", *["log_trial_result"] * 4, "log_trial_end", "on_experiment_end"
    ]  # fmt: skip


def test_a_trial_that_is_interrupted_is_closed_as_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted = Noted()
    monkeypatch.setattr(module_under_test, "OPENERS", {"noted": lambda tracking: noted})
    tell(made(tmp_path, "noted"), RUNNING)
    assert ("log_trial_end", True) in noted.told


def test_a_missing_package_is_told_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the file's line, all that are missing at once."""
    monkeypatch.setattr(planning.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SpecError) as told:
        check_tracking(read(FILE.replace("[wandb]", "[wandb, mlflow]")))
    assert "rates.yaml:7: tracking: not installed: run `pip install wandb mlflow`" in str(
        told.value
    )


def test_nothing_is_needed_where_nothing_is_tracked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning.importlib.util, "find_spec", lambda name: None)
    check_tracking(read())
