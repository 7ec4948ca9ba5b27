"""A whole trial that goes on: its rows are those of one that nobody disturbed."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from torch import nn

from harness.results.rows import TrialRows
from harness.training.checkpoint import Checkpoints, unpack
from harness.training.checkpoint_format import Packed
from harness.training.trial import TrialJob, TrialResult, trial_epochs
from harness.training.trial_checkpoint import checkpoint_setting
from harness.training.trial_rows import Initial
from tests.builders import build_linear, make_trial_data, make_trial_job

TRAINING = {"epochs": 6, "lr": 0.3}
DATA = make_trial_data(noise=1.5, repeats=2)


def build_deeper(*, input_shape: tuple[int, ...], num_classes: int) -> nn.Module:
    """Something below the head, for weights to be given to."""
    return nn.Sequential(nn.Linear(*input_shape, 4), nn.ReLU(), nn.Linear(4, num_classes))


def run(
    job: TrialJob, *, past: Packed | None = None, stop_after: int | None = None, **changes: Any
) -> tuple[TrialResult | None, list[int], Packed | None]:
    """Its result (None where it was stopped), the epochs it told of, its last checkpoint."""
    kept: list[Packed] = []
    checkpoints = Checkpoints(
        lambda pack: kept.append(pack()), lambda: None if past is None else unpack(past)
    )
    arguments = {"build": build_linear, "checkpoints": checkpoints} | changes
    steps, told = trial_epochs(job, DATA, **arguments), []
    while stop_after is None or len(told) < stop_after:
        try:
            rows, _ = next(steps)
        except StopIteration as end:
            return end.value, told, kept[-1] if kept else None
        told.append(rows[0]["epoch"])
    steps.close()
    return None, told, kept[-1]


def telling(rows: TrialRows) -> list[Any]:
    """Everything but times and the process's memory, as plain values."""
    blocks = [
        [
            (block.repeat, block.fold, block.role, *block.example_ids.tolist()),
            block.probabilities.tobytes(),
        ]
        for block in rows.predictions
    ]
    tables = [[rows.trial], rows.folds, rows.epochs, rows.layers]
    return [
        *([{k: v for k, v in row.items() if not _varies(k)} for row in one] for one in tables),
        blocks,
    ]


def _varies(column: str) -> bool:
    return column.endswith(("_s", "_at", "_mb"))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"diagnostics": "layers"},
        {"repeats": (1, 2)},
        {"repeats": (2,)},
        {"objective": "macro_f1", "training": TRAINING | {"early_stopping": 2}},
        {"training": TRAINING | {"optimizer": "sgd", "momentum": 0.9, "selection": "last"}},
    ],
    ids=["plain", "layers", "two repeats", "a repeat added later", "early stopping", "last"],
)
def test_every_row_is_as_if_undisturbed(changes: dict[str, Any]) -> None:
    """Epochs of both processes once each, layers, folds, predictions to the last bit."""
    job = make_trial_job(**{"training": TRAINING} | changes)
    straight, all_told, _ = run(job)
    _, told, kept = run(job, stop_after=3)
    gone_on, told_again, _ = run(job, past=kept)

    assert straight is not None and gone_on is not None
    assert straight.rows.trial["status"] == "complete"
    assert (told, told_again) == ([1, 2, 3], all_told)
    assert telling(gone_on.rows) == telling(straight.rows)
    for key, state in straight.weights.items():
        for name, tensor in state.items():
            assert np.array_equal(tensor, gone_on.weights[key][name])


def test_given_weights_stay_what_training_started_from() -> None:
    """Of a pretraining: its own rows first, as before, and what the source is called."""
    given = {"weights": {"0.weight": np.eye(4, 5, dtype=np.float32)}, "build": build_deeper}
    initial = Initial("pretraining 0", "0" * 16, 0.5, 0.5, ({"stage": "pretraining", "epoch": 1},))
    job = make_trial_job(training=TRAINING, initial=initial)
    straight, _, _ = run(job, **given)
    _, _, kept = run(job, stop_after=2, **given)
    gone_on, _, _ = run(job, past=kept, **given)

    assert straight is not None and gone_on is not None
    assert gone_on.rows.folds[0]["weights_source"].endswith("pretraining 0")
    assert telling(gone_on.rows) == telling(straight.rows)


def test_a_failure_after_going_on_has_all_epochs() -> None:
    """Those that lie behind it, and those since."""
    job = make_trial_job(training=TRAINING)
    _, _, kept = run(job, stop_after=2)

    class Tired(Exception):
        pass

    steps = trial_epochs(
        job,
        DATA,
        build=build_linear,
        checkpoints=Checkpoints(lambda pack: None, lambda: unpack(kept)),
    )
    for _ in range(4):
        next(steps)
    with pytest.raises(StopIteration) as end:
        steps.throw(Tired("enough"))
    rows = end.value.value.rows

    assert rows.trial["error"] == "Tired: enough"
    assert sorted({row["epoch"] for row in rows.epochs}) == [1, 2, 3, 4]
    assert rows.trial["epochs_trained"] == 4


def test_a_checkpoint_says_whose_it_is() -> None:
    """Its trial, attempt and epoch; another device is another setting."""
    job = make_trial_job(training=TRAINING, attempt=3)
    _, _, kept = run(job, stop_after=2)

    assert kept is not None
    assert kept.about.setting == checkpoint_setting(job, "loop")
    assert (kept.about.epoch, kept.about.epochs, kept.about.attempt) == (2, 6, 3)
    assert checkpoint_setting(replace(job, device="cuda:1")).device == "cuda"


def test_a_checkpoint_of_another_model_is_told_and_the_trial_begins_anew() -> None:
    """It reads well and names the same trial; what is trained is as if it were not there."""
    job = make_trial_job(training=TRAINING, diagnostics="layers")
    told: list[str] = []
    straight, _, _ = run(job, build=build_deeper)
    _, _, kept = run(job, stop_after=2)
    anew, _, _ = run(job, past=kept, build=build_deeper, tell=told.append)

    assert straight is not None and anew is not None
    [line] = told
    assert line.startswith(
        f"trial {job.trial_id} starts from the beginning, its checkpoint is of no use: "
        "it does not fit the model: Sequential is not what it was"
    )
    assert telling(anew.rows) == telling(straight.rows)
