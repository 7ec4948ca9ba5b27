"""A trial's rows when it completes: every column, every number, the same each time."""

import json
import subprocess
import sys
from dataclasses import replace
from statistics import fmean, stdev
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from harness.data.types import FoldInputs
from harness.training.trial import run_trial
from tests.builders import (
    Linear,
    build_linear,
    make_trial_data,
    make_trial_job,
    run_unwatched,
    tables_of,
)


def test_a_complete_trial_fills_every_column() -> None:
    """Every column of the four tables that every trial has, but those null by their meaning."""
    job = make_trial_job(variant="small")
    data = make_trial_data(groups=np.array([f"g{i // 2}" for i in range(60)]))
    data = replace(data, folds=tuple(replace(fold, test_part=1) for fold in data.folds))
    made = tables_of(run_unwatched(job, data).rows, job)
    assert {name: len(table) for name, table in made.items()} == {
        "attention": 0,
        "layers": 0,
        "predictions": 2 * (20 + 20),
        "epochs": 2 * 2,
        "folds": 2,
        "trials": 1,
    }
    null = {
        f"{name}.{field.name}"
        for name, table in made.items()
        for field, column in zip(table.schema, table.columns, strict=True)
        if column.null_count
    }
    start = {"pretraining_id", "pretraining_val_accuracy", "pretraining_test_accuracy"}
    counted = {
        f"n_rows_{name}" for name in made if name != "trials"
    }  # known where they are written
    by_meaning = {"error", "traceback", *start, *counted}
    assert null == {f"trials.{name}" for name in by_meaning}


def test_the_trials_row_says_what_was_run() -> None:
    """Identity from the job, size from the model (5 * 3 + 3), numbers from the folds."""
    job = make_trial_job()
    rows = run_unwatched(job).rows
    trial = rows.trial
    assert trial["status"] == "complete"
    assert (trial["n_parameters"], trial["n_parameters_without_gradient"]) == (18, 0)
    assert (trial["n_folds"], trial["n_repeats"], trial["epochs_trained"]) == (2, 1, 2)
    assert json.loads(trial["class_names"]) == ["a", "b", "c"]
    assert json.loads(trial["config"]) == json.loads(json.dumps(job.config))
    assert trial["params.training.lr"] == 0.05
    assert (trial["findings"], trial["fold_execution"]) == ("", "loop")
    assert trial["started_at"] <= trial["finished_at"]
    scores = [row["val_accuracy"] for row in rows.folds]
    assert trial["val_accuracy_mean"] == pytest.approx(fmean(scores))
    assert trial["val_accuracy_std"] == pytest.approx(stdev(scores))
    assert trial["fit_time_s"] == pytest.approx(sum(row["fit_time_s"] for row in rows.folds))


def test_folds_and_predictions_agree_with_the_data() -> None:
    """Ids, targets and counts of each role; the accuracy is that of the predictions."""
    data = make_trial_data()
    rows = run_unwatched(data=data).rows
    for fold, row in zip(data.folds, rows.folds, strict=True):
        counts = (row["n_train"], row["n_validation"], row["n_test"])
        assert counts == (len(fold.train), len(fold.validation), len(fold.test))
        assert row["n_train_per_epoch"] == len(fold.train)
        for role, column in (("validation", "val_accuracy"), ("test", "test_accuracy")):
            (block,) = [b for b in rows.predictions if (b.fold, b.role) == (fold.fold, role)]
            indices = getattr(fold, role)
            assert list(block.example_ids) == list(data.example_ids[indices])
            assert np.array_equal(block.targets, data.targets[indices])
            assert row[column] == pytest.approx((block.predicted == block.targets).mean())


def test_selected_on_names_what_chose_the_epoch() -> None:
    """The objective on validation, or no one."""
    assert run_unwatched().rows.trial["selected_on"] == "validation accuracy"
    last = make_trial_job(training={"selection": "last"})
    assert run_unwatched(last).rows.trial["selected_on"] == "last epoch"


def test_without_a_test_role_its_columns_are_null() -> None:
    """Its metrics, its loss, their means; and it has no predictions."""
    rows = run_unwatched(data=make_trial_data(test=False)).rows
    assert rows.folds[0]["test_accuracy"] is None
    assert rows.folds[0]["test_loss"] is None
    assert rows.trial["test_accuracy_mean"] is None
    assert {block.role for block in rows.predictions} == {"validation"}


def test_predictions_are_left_out_on_request() -> None:
    """The numbers made from them are there all the same."""
    rows = run_unwatched(make_trial_job(keep_predictions=False)).rows
    assert not rows.predictions
    assert rows.folds[0]["test_macro_f1"] is not None


def test_more_repeats_join_the_rows_of_the_earlier_ones() -> None:
    """Repeat 2 after repeat 1 gives the summary that both together give."""
    data = make_trial_data(repeats=2)
    first = run_unwatched(make_trial_job(repeats=(1,)), data).rows
    second = run_unwatched(
        make_trial_job(repeats=(2,), previous_folds=tuple(dict(row) for row in first.folds)), data
    ).rows
    both = run_unwatched(make_trial_job(repeats=(1, 2)), data).rows
    assert [(row["repeat"], row["fold"]) for row in second.folds] == [(2, 1), (2, 2)]
    assert (second.trial["n_repeats"], second.trial["n_folds"]) == (2, 2)
    for column in ("val_accuracy_mean", "val_accuracy_std", "test_macro_f1_mean", "val_loss_mean"):
        assert second.trial[column] == both.trial[column]


def test_weights_come_by_repeat_and_fold() -> None:
    """State dicts that a new model takes."""
    weights = run_unwatched(make_trial_job(repeats=(1, 2)), make_trial_data(repeats=2)).weights
    assert set(weights) == {(1, 1), (1, 2), (2, 1), (2, 2)}
    build_linear(input_shape=(5,), num_classes=3).load_state_dict(dict(weights[2, 1]))


def test_on_epoch_sees_each_epoch_as_it_ends() -> None:
    """The rows of the epochs table, and the fold mean of the objective."""
    seen: list[tuple[tuple[dict[str, Any], ...], float]] = []
    result = run_trial(
        make_trial_job(),
        make_trial_data(),
        build=build_linear,
        on_epoch=lambda rows, objective: seen.append((rows, objective)),
    )
    assert [row for rows, _ in seen for row in rows] == list(result.rows.epochs)
    for rows, objective in seen:
        assert objective == pytest.approx(fmean(row["val_accuracy"] for row in rows))


def test_an_objective_that_is_no_accuracy_has_its_own_column() -> None:
    """`val_macro_f1` beside `val_accuracy` in the epochs."""
    row = run_unwatched(make_trial_job(objective="macro_f1")).rows.epochs[0]
    assert {"val_accuracy", "val_macro_f1"} <= row.keys()


def test_findings_of_model_data_and_predictions_are_joined() -> None:
    """A model that always says the first class; data that shares examples across roles."""

    class Stubborn(Linear):
        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            return super().forward(inputs) * 1e-3 + torch.tensor([9.0, 0.0, 0.0])

    data = make_trial_data(findings=("shared_examples",))
    rows = run_unwatched(data=data, build=lambda **_: Stubborn(5, 3, 0.0)).rows
    assert rows.trial["findings"] == "constant_predictions,shared_examples"


def test_the_same_trial_gives_the_same_rows() -> None:
    """All but clock and memory."""
    first, second = run_unwatched().rows, run_unwatched().rows
    changing = {"started_at", "finished_at", "fit_time_s", "peak_memory_mb"}
    for name, value in first.trial.items():
        assert name in changing or value == second.trial[name]
    for one, other in zip(first.predictions, second.predictions, strict=True):
        assert np.array_equal(one.probabilities, other.probabilities)


def test_a_trial_computes_with_the_threads_it_was_given() -> None:
    """`resources.cpu`, whatever runs beside it."""
    before = torch.get_num_threads()
    try:
        run_unwatched(make_trial_job(resources_cpu=2))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_importing_a_trials_job_loads_nothing_heavy() -> None:
    """Planning imports the type; torch is imported by a trial that runs."""
    heavy = "{'torch', 'pandas', 'ray'}"
    code = f"import harness.training.trial_rows, sys; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_model_arguments_come_from_the_file_and_from_the_fold() -> None:
    """`dropout` from the configuration, a vocabulary size from the fold's own fit."""
    seen = []

    def build(*, input_shape: Any, num_classes: int, dropout: float, vocab_size: int) -> nn.Module:
        seen.append((input_shape, num_classes, dropout, vocab_size))
        return Linear(5, 3, dropout)

    data = make_trial_data()
    inputs = tuple(replace(one, model_arguments={"vocab_size": 99}) for one in data.fold_inputs)
    run_unwatched(make_trial_job(model={"dropout": 0.25}), replace(data, fold_inputs=inputs), build)
    assert set(seen) == {((5,), 3, 0.25, 99)}


def test_attention_becomes_rows_of_its_table() -> None:
    """Uniform over two tokens: each of the 20 test examples of both folds gives each token 1/2."""
    data = make_trial_data(num_classes=2, input_shape=(2,))
    ids = np.full((60, 2), (1, 2), np.int16)
    named = (FoldInputs(token_names=("<padding>", "so", "glad")),) * 2
    data = replace(data, inputs=(ids,), fold_inputs=named)
    job = make_trial_job()
    result = run_trial(
        job,
        data,
        build=lambda **arguments: Floats(build_linear(**arguments)),
        on_epoch=lambda rows, objective: None,
        attention=lambda model, inputs: torch.full((len(inputs), 1, 1, 2, 2), 0.5),
    )
    rows = tables_of(result.rows, job)["attention"].to_pylist()
    assert {row["trial_id"] for row in rows} == {job.trial_id}
    for fold in (1, 2):
        own = [row for row in rows if row["fold"] == fold]
        assert {row["token"] for row in own} == {"so", "glad"}
        assert sum(row["count"] for row in own) == 2 * 20
        assert sum(row["score_sum"] for row in own) == pytest.approx(20)


class Floats(nn.Module):
    """A model of numbers that is given ids."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.model(ids.float())
