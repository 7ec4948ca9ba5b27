"""tpe, asha and a time budget under a real Ray: rows, epochs, and the same command again."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.commands import bench, bench_here

pytestmark = [pytest.mark.ray, pytest.mark.slow]

FILE = """\
question: Which rate?
dataset: {name: digits, limit: 200}
model: {name: linear}
training: {epochs: 9, batch_size: 32, optimizer: sgd}
cross_validation: {strategy: stratified, n_splits: 3}
search:
  space:
    training.lr: [0.5, 0.0001, 0.0002]
objective: {metric: accuracy}
"""
TPE = FILE.replace("[0.5, 0.0001, 0.0002]", "{loguniform: [0.001, 1.0]}")


SPOILS = '''"""A layer that nothing uses, a name of torch that is another, and a list that grows."""

from math import prod

import torch
from torch import nn

SEEN = []


class Spoils(nn.Module):
    def __init__(self, size, num_classes):
        super().__init__()
        self.head, self.unused = nn.Linear(size, num_classes), nn.Linear(2, 2)

    def forward(self, inputs):
        if inputs.device.type != "meta":
            torch.selu = torch.relu
            SEEN.append(len(inputs))
        return self.head(inputs.flatten(1))


def build(*, input_shape: tuple[int, ...], num_classes: int):
    """Logits."""
    return Spoils(prod(input_shape), num_classes)
'''


def run(folder: Path, *overrides: str) -> dict[str, Any]:
    """One call of `bench run`, which succeeds; what it says, and its notes."""
    done = bench("run", "rates", "--jobs", "1", "--json", *overrides, folder=folder)
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return {**answer, "notes": done.stderr}


def run_here(folder: Path, *overrides: str) -> dict[str, Any]:
    """The same without Ray, for what needs none of it."""
    done = bench_here("run", "rates", "--in-process", "--json", *overrides, folder=folder)
    assert done.returncode == 0, done.stderr
    return {**json.loads(done.stdout), "notes": done.stderr}


def table(folder: Path, name: str) -> pd.DataFrame:
    return pd.read_parquet(folder / "results" / "rates" / name)


@pytest.fixture(scope="module")
def asha(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three trials, one at a time: the low rates come second and third and never have a chance."""
    folder = tmp_path_factory.mktemp("asha")
    (folder / "models").mkdir()
    (folder / "models" / "spoils.py").write_text(SPOILS)
    (folder / "rates.yaml").write_text(FILE.replace("name: linear", "name: spoils"))
    answer = run(folder, "search.scheduler=asha")
    assert (answer["complete"], answer["pruned"], answer["missing"]) == (1, 2, 0)
    return folder


def test_asha_stops_who_falls_behind_and_keeps_what_it_learned(asha: Path) -> None:
    trials = table(asha, "trials").set_index("params.training.lr")
    epochs = table(asha, "epochs").groupby("trial_id")["epoch"].max()

    assert trials["status"][0.0001] == trials["status"][0.0002] == "pruned"
    stopped = trials[trials["status"] == "pruned"]
    assert stopped["epochs_trained"].tolist() == epochs[stopped["trial_id"]].tolist()
    assert (stopped["epochs_trained"] < 9).all()
    assert stopped["val_accuracy_mean"].isna().all()
    assert set(table(asha, "folds")["trial_id"]).isdisjoint(stopped["trial_id"])


def test_a_trial_that_is_stopped_says_what_was_found_until_then(asha: Path) -> None:
    """In its model, its process and its model's file, as one that trains to its end."""
    found = table(asha, "trials")["findings"].tolist()

    assert found == ["dead_parameters,changed_process:torch.selu,changed_names:SEEN"] * 3


def test_pruned_trials_are_done_without_the_scheduler(asha: Path) -> None:
    """Nothing is trained, and a way to finish them is named."""
    again = run_here(asha)

    assert (again["complete"], again["pruned"]) == (1, 2)
    assert "2 trials were pruned by an earlier run" in again["notes"]


def test_tpe_goes_on_where_it_stood(tmp_path: Path) -> None:
    """Three draws, then two more: five rows, the first three untouched, the plan holds all."""
    (tmp_path / "rates.yaml").write_text(TPE)
    settings = ("search.algorithm=tpe", "search.scheduler=asha")
    first = run(tmp_path, *settings, "search.num_samples=3")
    before = table(tmp_path, "trials").set_index("trial_id")["finished_at"]
    second = run(tmp_path, *settings, "search.num_samples=5")
    after = table(tmp_path, "trials").set_index("trial_id")["finished_at"]
    plans = sorted((tmp_path / "results" / "rates" / "runs").glob("*/plan.parquet"))

    assert (first["trials"], second["trials"], len(after)) == (3, 5, 5)
    assert after[before.index].tolist() == before.tolist()
    assert set(pd.read_parquet(plans[-1])["trial_id"]) == set(after.index)
    assert second["best"]["params"]["training.lr"] == pytest.approx(0.1, abs=0.9)


def test_a_time_budget_ends_the_run_and_says_what_is_left(tmp_path: Path) -> None:
    """Nothing fits into a millisecond; the exit code is 0, since all of it was asked for."""
    (tmp_path / "rates.yaml").write_text(FILE)
    answer = run_here(tmp_path, "search.time_budget_s=0.001")
    assert (answer["out_of_time"], answer["complete"]) == (True, 0)
    assert answer["missing"] + answer["interrupted"] == 3
