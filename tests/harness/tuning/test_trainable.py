"""What a worker does with one trial, in this process: Ray's references are plain values here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import torch

from harness.data import catalog
from harness.planning.jobs import fit_tables
from harness.results.read import read_table
from harness.trial import TrialJob
from harness.tuning import trainable
from harness.tuning.collector import Collector, CollectorSettings
from harness.tuning.retry import HANDED_BACK, Terms
from harness.tuning.trainable import Shared, SweepTrial, TrialTrainable
from tests.builders import make_trial_data
from tests.plans import Plan, job_of, plan_of

MODEL = """
from math import prod
from torch import nn

def build(*, input_shape: tuple[int, ...], num_classes: int, mood: str = "calm"):
    if mood == "raises":
        raise RuntimeError("no mood for this")
    if mood == "hungry":
        raise MemoryError("no room")
    if mood == "exits":
        raise SystemExit(3)
    print("a word")
    return nn.Sequential(nn.Flatten(), nn.Linear(prod(input_shape), num_classes))
"""

FILE = """\
question: Which mood?
dataset: {name: digits}
model: {name: moody}
training: {epochs: 3, batch_size: 8, optimizer: adam, lr: 0.05}
cross_validation: {strategy: kfold, n_splits: 3}
search:
  space:
    model.mood: [calm, raises, hungry, exits]
objective: {metric: accuracy}
"""


@dataclass(frozen=True)
class Reference:
    """A value that Ray keeps."""

    value: Any

    def hex(self) -> str:
        """A name that no other value has."""
        return f"{id(self.value):x}"


class Remote:
    """An actor that lives here."""

    def __init__(self, actor: Any) -> None:
        self._actor = actor

    def __getattr__(self, name: str) -> Any:
        method = partial(getattr(self._actor, name))
        method.remote = lambda *arguments: Reference(method(*arguments))  # type: ignore[attr-defined]
        return method


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """Two moods of a model in the user's folder."""
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "moody.py").write_text(MODEL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(trainable.ray, "get", lambda reference: reference.value)
    monkeypatch.setattr(trainable, "get_data", lambda reference: reference.value)
    monkeypatch.setattr(trainable, "REPORT_EVERY_S", 60.0)  # a busy machine is not a long trial
    return plan_of(tmp_path / "rates", FILE)


@pytest.fixture
def worker(plan: Plan) -> Callable[..., tuple[TrialTrainable, Collector]]:
    """A worker that takes the plan's trials, and the collector that it reports to."""

    def make(
        weights: str = "best",
        *,
        tracked: bool = False,
        judged: bool = False,
        terms: Mapping[str, Any] = MappingProxyType({}),
        **changes: Any,
    ) -> tuple[TrialTrainable, Collector]:
        schemas = fit_tables(plan)[0]
        folder = plan.folder
        collector = Collector(
            CollectorSettings(folder, folder / "runs" / "r", schemas, {}, weights, "max", None)
        )
        trials = [_sweep_trial(replace(job_of(plan, one), **changes)) for one in plan.trials]
        data = {"d": Reference(DATA)}
        shared = Shared(
            Reference(trials),
            Reference(schemas),
            data,
            Remote(collector),
            Terms(folder / "under_way", **terms),
            tracked=tracked,
            judged=judged,
        )
        made = object.__new__(TrialTrainable)  # Tune's own constructor wants a running Tune
        made.setup({"index": 0}, shared)
        return made, collector

    return make


DATA = make_trial_data(n_folds=2)


def _sweep_trial(job: TrialJob) -> SweepTrial:
    return SweepTrial(job, "d", catalog.find("model", "moody"))


def test_a_short_trial_reports_once(worker, plan: Plan) -> None:
    """Its rows are with the collector before Tune hears of its end."""
    taken, collector = worker()
    said = taken.step()
    unfinished = collector.unfinished()
    collector.close()
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
    """Epoch by epoch where each takes a second; the collector gets the rows so far."""
    monkeypatch.setattr(trainable, "REPORT_EVERY_S", 0.0)
    taken, collector = worker()
    said = [taken.step() for _ in range(3)]
    ((attempts, epochs, _),) = collector.unfinished().values()

    assert [one["epoch"] for one in said] == [1, 2, 3]
    assert {one["status"] for one in said} == {"running"}
    assert all(0 <= one["objective"] <= 1 for one in said)
    assert (attempts, [row["epoch"] for row in epochs]) == (1, [1, 1, 2, 2, 3, 3])
    assert taken.step()["done"]
    collector.close()


def test_a_judged_trial_reports_every_epoch_but_the_last(worker, plan: Plan) -> None:
    """Its rows lie with the collector before Tune may stop it; at its end there is no epoch."""
    taken, collector = worker(judged=True)
    told = []
    for epoch in (1, 2):
        said = taken.step()
        ((_, rows, _),) = collector.unfinished().values()
        told.append((said["epoch"], said["status"], rows[-1]["epoch"]))
        assert said["objective"] == pytest.approx(
            sum(row["val_accuracy"] for row in rows if row["epoch"] == epoch) / 2
        )
    last = taken.step()
    collector.close()

    assert told == [(1, "running", 1), (2, "running", 2)]
    assert last["done"]
    assert "epoch" not in last


def test_a_drawn_trial_is_asked_of_the_collector(worker, plan: Plan) -> None:
    """Its index lies beyond the trials that were known before the sweep."""
    taken, collector = worker()
    index = len(plan.trials)
    collector.offer(index, _sweep_trial(job_of(plan, plan.trials[0])))
    taken.reset_config({"index": index})
    said = taken.step()
    collector.close()

    assert said["status"] == "complete"


def test_a_tracked_trial_reports_every_epoch_and_its_scores(worker, plan: Plan) -> None:
    """Also those epochs that went by between two reports."""
    taken, collector = worker(tracked=True)
    said = taken.step()
    collector.close()
    epochs = read_table(plan.folder, "epochs")
    trial = read_table(plan.folder, "trials").iloc[0]

    assert [one["epoch"] for one in said["curve"]] == [1, 2, 3]
    first = epochs[epochs["epoch"] == 1]
    assert said["curve"][0]["val_loss"] == pytest.approx(first["val_loss"].mean())
    assert said["final"]["final/val_accuracy"] == trial["val_accuracy_mean"]
    assert said["epochs_trained"] == 3


def test_an_actor_takes_one_trial_after_another(worker, plan: Plan) -> None:
    """The second one raises: a failed row, and the actor lives."""
    taken, collector = worker()
    taken.step()
    assert taken.reset_config({"index": 1})
    said = taken.step()
    collector.close()
    rows = read_table(plan.folder, "trials").set_index("params.model.mood")

    assert (said["status"], said["objective"], said["done"]) == ("failed", None, True)
    assert said["error"] == "RuntimeError: no mood for this"
    assert rows["status"].to_dict() == {"calm": "complete", "raises": "failed"}


def test_the_attempts_of_earlier_runs_count(worker, plan: Plan) -> None:
    """Two before, and this one."""
    taken, collector = worker(attempt=2)
    taken.step()
    collector.close()

    assert read_table(plan.folder, "trials")["attempt"].tolist() == [3]


def test_what_a_model_prints_goes_into_its_log(
    worker, plan: Plan, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing of it is on the screen."""
    taken, collector = worker()
    taken.step()
    collector.close()
    log = plan.folder / "runs" / "r" / "logs" / f"{plan.trials[0].trial_id}.txt"

    assert set(log.read_text().splitlines()) == {"a word"}
    assert capsys.readouterr() == ("", "")


def test_the_best_trial_hands_over_the_weights_of_each_fold(worker, plan: Plan) -> None:
    """As torch reads them without executing anything."""
    taken, collector = worker()
    taken.step()
    collector.close()
    files = sorted((plan.folder / "weights" / plan.trials[0].trial_id).iterdir())

    assert [file.name for file in files] == ["1-1.pt", "1-2.pt"]
    assert torch.load(files[0], weights_only=True)["1.weight"].shape == (3, 5)


def test_no_weights_are_sent_that_nobody_wants(worker, plan: Plan) -> None:
    """`weights: none`."""
    taken, collector = worker(weights="none")
    taken.step()
    collector.close()

    assert not (plan.folder / "weights").exists()


def test_a_further_repeat_that_fails_leaves_the_earlier_ones(worker, plan: Plan) -> None:
    """Their complete rows stay; nothing is written over them."""
    earlier = {"repeat": 1, "fold": 1, "best_epoch": 1, "val_accuracy": 0.5, "fit_time_s": 1.0}
    taken, collector = worker(previous_folds=(earlier,))
    taken.reset_config({"index": 1})
    said = taken.step()
    unfinished = collector.unfinished()
    collector.close()

    assert said["status"] == "failed"
    assert unfinished == {}
    assert len(read_table(plan.folder, "trials")) == 0


def test_a_models_own_attention_goes_with_its_trial(plan: Plan, tmp_path: Path) -> None:
    """None for a model without it; else the file's, imported when it is called."""
    file = tmp_path / "models" / "moody.py"
    without = trainable.attention_of(catalog.find("model", "moody"))
    file.write_text(MODEL + "\ndef attention(model, inputs):\n    return model, inputs\n")
    attend = trainable.attention_of(catalog.find("model", "moody"))

    assert without is None
    assert attend is not None
    assert attend("model", "inputs") == ("model", "inputs")


def trial_after(worker, plan: Plan, mood: str, **options: Any) -> tuple[dict, Any]:
    """What Tune hears last of a trial, and the rows of the table `trials`."""
    taken, collector = worker(**options)
    taken.reset_config({"index": plan_moods(plan).index(mood)})
    while not (said := taken.step()).get("done"):
        pass
    collector.close()
    return said, read_table(plan.folder, "trials")


def plan_moods(plan: Plan) -> list[str]:
    """In the order of the trials."""
    return [trial.resolved.params["model.mood"] for trial in plan.trials]


def test_memory_that_runs_out_is_handed_back_where_a_larger_share_is_left(
    worker, plan: Plan
) -> None:
    """No row yet: the trial is tried again."""
    said, rows = trial_after(worker, plan, "hungry", terms={"hands_back": True})

    assert (said["status"], said["done"]) == (HANDED_BACK, True)
    assert said["error"] == "out of memory: MemoryError: no room"
    assert len(rows) == 0


def test_memory_that_runs_out_at_last_is_a_failed_row_with_advice(worker, plan: Plan) -> None:
    """What was tried, and what may help."""
    said, rows = trial_after(worker, plan, "hungry", terms={"alone": True})

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
    said, rows = trial_after(worker, plan, "calm", terms={"time_limit_s": 1e-9})
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
