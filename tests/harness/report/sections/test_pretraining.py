"""The pretraining's own task: once for all that start from it, and silence without one."""

from dataclasses import replace

import pandas as pd

from harness.report.benchmark_results import Configuration
from harness.report.blocks import Figure, Text
from harness.report.sections import pretraining
from tests.harness.report.folders import Trial, results_of

ROW = {"pretraining_id": "0123456789abcdef", "pretraining_test_accuracy": 0.5}
A = Configuration("a" * 16, "complete", 1, "lr=1", "#000000", {}, ROW)
B = Configuration("b" * 16, "complete", 2, "lr=2", "#111111", {}, ROW)
RANDOM = Configuration("c" * 16, "complete", 3, "lr=3", "#222222", {}, {"pretraining_id": None})


def rows():
    """Two epochs of pretraining for each that uses it, and one of training for everybody."""
    made = []
    for one in (A, B, RANDOM):
        own = {"trial_id": one.trial_id, "train_loss": 1.0, "val_loss": 1.0}
        made.append({**own, "stage": "training", "epoch": 1, "train_accuracy": 0.9,
                     "val_accuracy": 0.9})  # fmt: skip
        for epoch in (2, 1) if one is not RANDOM else ():
            made.append({**own, "stage": "pretraining", "epoch": epoch,
                         "train_accuracy": epoch / 4, "val_accuracy": epoch / 5})  # fmt: skip
    return pd.DataFrame(made)


def test_configurations_share_one_task():
    """Its epochs in order, once, and none of training."""
    (task,) = pretraining.compute(rows(), (A, B, RANDOM))
    assert task.configurations == (A, B)
    assert task.rows["train_accuracy"].tolist() == [0.25, 0.5]
    assert task.test_accuracy == 0.5


def test_lines_are_train_and_held_out_values():
    (task,) = pretraining.compute(rows(), (A, B, RANDOM))
    lines = {trace.line.dash: list(trace.y) for trace in pretraining.draw((task,), "accuracy").data}
    assert lines == {"dot": [0.25, 0.5], None: [0.2, 0.4]}


def test_the_section_says_what_was_reached(tmp_path):
    results = replace(
        results_of(tmp_path, Trial(1, (0.5, 0.6, 0.7))),
        configurations=(A, B, RANDOM),
        epochs=lambda trial_ids: rows(),
    )
    made = pretraining.pretraining(results)
    text = next(block for block in made.blocks if isinstance(block, Text))
    assert "0.5000 after 2 epochs" in str(text)
    assert "0.4000 on examples held out, 0.5000 on test examples" in str(text)
    assert sum(isinstance(block, Figure) for block in made.blocks) == 2


def test_without_pretraining_one_line_stays(tmp_path):
    made = pretraining.pretraining(results_of(tmp_path, Trial(1, (0.5, 0.6, 0.7))))
    assert "No configuration starts from pretrained weights." in str(made)
