"""The whole way with a real Ray: a file, trials, Parquet, and the same command again.

Only the first run starts Ray; what is added later trains in process, to the same rows.
"""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from tests.commands import bench, bench_here, without
from tests.kill.sweeps import assert_same_results

pytestmark = [pytest.mark.ray, pytest.mark.slow]

MODEL = '''"""A linear model with moods."""

from math import prod

from torch import nn


class Moody(nn.Module):
    def __init__(self, size, num_classes, mood):
        super().__init__()
        self.inner, self.dropout, self.mood = nn.Linear(size, num_classes), nn.Dropout(0.2), mood

    def forward(self, inputs):
        if self.mood == "raises":
            raise RuntimeError("no mood for this")
        print("forward")
        return self.inner(self.dropout(inputs.flatten(1)))


def build(*, input_shape: tuple[int, ...], num_classes: int, mood: str = "calm"):
    """Logits."""
    if mood == "impossible":
        raise ValueError("impossible moods are not built")
    return Moody(prod(input_shape), num_classes, mood)
'''

FILE = """\
question: Which mood is best?
dataset: {name: digits, limit: 160}
model: {name: moody}
training: {epochs: 2, batch_size: 32, optimizer: adam, lr: 0.01}
cross_validation: {strategy: stratified, n_splits: 4}
search:
  space:
    model.mood: [calm, raises]
objective: {metric: accuracy}
resources: {cpu: 1, gpu: 0.25}
"""


@dataclass(frozen=True)
class Step:
    """One command of the story and the tables after it."""

    code: int
    out: str
    err: str
    trials: pd.DataFrame
    folds: pd.DataFrame


def step(folder: Path, *arguments: str, **environment: str) -> Step:
    """A run in a process of its own."""
    return _step(folder, bench("run", "moody", *arguments, folder=folder, **environment))


def step_here(folder: Path, *arguments: str) -> Step:
    """A run in this process, without Ray."""
    return _step(folder, bench_here("run", "moody", *arguments, folder=folder))


def _step(folder: Path, done: "subprocess.CompletedProcess[str]") -> Step:
    results = folder / "results" / "moody"
    trials, folds = (pd.read_parquet(results / table) for table in ("trials", "folds"))
    return Step(done.returncode, done.stdout, done.stderr, trials, folds)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's folder with a model and a benchmark of their own."""
    folder = tmp_path_factory.mktemp("user")
    (folder / "models").mkdir()
    (folder / "models" / "moody.py").write_text(MODEL)
    (folder / "moody.yaml").write_text(FILE)
    return folder


@pytest.fixture(scope="module")
def story(folder: Path) -> dict[str, Step]:
    """Train; the same again; grow the space, the metrics and the repeats; change the code."""
    steps = {"first": step(folder)}
    shutil.copytree(folder / "results", folder / "with_ray")
    step_here(folder, "--in-process", "--results", "in_process")
    blocked = without(folder, "torch", "ray")
    steps["again"] = step(folder, PYTHONPATH=blocked)
    grown = FILE.replace("model.mood: [calm, raises]", "model.mood: [calm, raises]\n"
                         "    training.weight_decay: [0.0, 0.1]")  # fmt: skip
    grown = grown.replace("metric: accuracy}", "metric: accuracy}\nmetrics: [accuracy, macro_f1]")
    (folder / "moody.yaml").write_text(grown)
    steps["grown"] = step_here(folder, "--in-process")
    (folder / "moody.yaml").write_text(grown + "repeats: 2\n")
    steps["repeated"] = step_here(folder, "--in-process")
    (folder / "models" / "moody.py").write_text(MODEL.replace("flatten(1))", "flatten(1) * 2)"))
    steps["changed"] = step_here(folder, "--dry-run")
    return steps


def test_a_failed_trial_is_a_row_and_the_others_finish(story: dict[str, Step]) -> None:
    """Exit code 1, its text in the row and in the summary."""
    first = story["first"]
    rows = first.trials.set_index("params.model.mood")

    assert first.code == 1
    assert rows.loc["calm", "status"] == "complete"
    assert rows.loc["raises", "status"] == "failed"
    assert rows.loc["raises", "error"] == "RuntimeError: no mood for this"
    assert "in forward" in rows.loc["raises", "traceback"]
    assert "no mood for this" in first.out
    assert "Traceback" not in first.out + first.err


def test_the_rows_are_those_of_a_run_in_process(folder: Path, story: dict[str, Step]) -> None:
    """Of every table, also the failed trial's."""
    assert story["first"].code == 1
    assert_same_results(folder / "in_process" / "moody", folder / "with_ray" / "moody")


def test_a_gpu_share_is_dropped_where_there_is_none_and_said(story: dict[str, Step]) -> None:
    """The same file runs on a laptop."""
    assert "no GPU here: resources.gpu 0.25 is dropped" in story["first"].err


def test_every_fold_is_a_row_with_the_hash_of_its_split(story: dict[str, Step]) -> None:
    """Four folds, each with its own index sets."""
    folds = story["first"].folds

    assert folds["fold"].tolist() == [1, 2, 3, 4]
    assert folds["split_hash"].nunique() == 4
    assert folds[["n_train", "n_validation", "n_test"]].to_numpy().tolist() == [[80, 40, 40]] * 4


def test_what_a_model_prints_is_in_its_log(folder: Path, story: dict[str, Step]) -> None:
    """Not on the screen."""
    calm = story["first"].trials.set_index("params.model.mood").loc["calm"]
    log = folder / "results" / "moody" / "runs" / calm["run_id"] / "logs"

    assert "forward" in (log / f"{calm['trial_id']}.txt").read_text()
    assert "forward" not in story["first"].out.splitlines()


def test_the_same_again_trains_nothing_and_imports_neither_torch_nor_ray(
    story: dict[str, Step],
) -> None:
    """The plan still holds a failed trial, so the exit code stays 1."""
    again = story["again"]

    assert again.code == 1
    assert "was imported" not in again.err
    pd.testing.assert_frame_equal(again.trials, story["first"].trials)


def test_an_added_value_trains_only_its_cells_and_old_rows_get_the_column(
    story: dict[str, Step],
) -> None:
    """Old trials hold the value that was the default when they ran."""
    before, after = story["first"].trials, story["grown"].trials.set_index("trial_id")

    assert len(after) == 4
    assert set(before["trial_id"]) < set(after.index)
    for old in before.itertuples():
        assert after.loc[old.trial_id, "run_id"] == old.run_id
        assert after.loc[old.trial_id, "params.training.weight_decay"] == 0.0


def test_a_metric_added_later_comes_from_the_predictions(story: dict[str, Step]) -> None:
    """Validation and test are filled; train can't be and stays null."""
    old = story["first"].trials.set_index("params.model.mood").loc["calm", "trial_id"]
    row = story["grown"].trials.set_index("trial_id").loc[old]

    assert 0 < row["val_macro_f1_mean"] <= 1
    assert 0 < row["test_macro_f1_mean"] <= 1
    assert pd.isna(row["train_macro_f1_mean"])


def test_more_repeats_train_only_the_new_ones(story: dict[str, Step]) -> None:
    """The old folds' rows stay as they were; the mean is over all eight."""
    before, after = story["grown"], story["repeated"]
    trial_id = before.trials.query("status == 'complete'")["trial_id"].iloc[0]
    old, new = (one.folds[one.folds["trial_id"] == trial_id] for one in (before, after))
    mean = after.trials.set_index("trial_id").loc[trial_id, "val_accuracy_mean"]

    assert new["repeat"].tolist() == [1] * 4 + [2] * 4
    assert old["val_accuracy"].tolist() == new["val_accuracy"].tolist()[:4]
    assert mean == pytest.approx(new["val_accuracy"].mean())
    assert new["split_hash"].nunique() == 8


def test_a_changed_model_file_makes_new_trials_and_says_which_file(story: dict[str, Step]) -> None:
    """A dry run trains nothing."""
    changed = story["changed"]

    assert changed.code == 0
    assert "code: models/moody.py changed" in changed.out
    assert "4 trials: 0 done, 4 to train" in changed.out
    pd.testing.assert_frame_equal(changed.trials, story["repeated"].trials)


def test_an_impossible_model_is_found_before_anything_starts(folder: Path) -> None:
    """Exit 2, the file and line, nothing written."""
    (folder / "impossible.yaml").write_text(FILE.replace("[calm, raises]", "[calm, impossible]"))

    done = bench_here("run", "impossible.yaml", folder=folder)

    assert done.returncode == 2
    assert "impossible.yaml:8" in done.stderr
    assert "impossible moods are not built" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (folder / "results" / "impossible").exists()
