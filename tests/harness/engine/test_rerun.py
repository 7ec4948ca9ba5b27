"""Two trials' rows: the same to the last bit, or by how much they differ."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from harness.engine.rerun import RowDiff, compare_rows, trial_row, what_changed
from harness.results.rows import TrialRows
from tests.results_folders import fold, predicted, trial_rows, write_results


def curve(*losses: float) -> list[dict[str, Any]]:
    return [
        {"stage": "training", "repeat": 1, "fold": 1, "epoch": epoch, "train_loss": loss, "lr": 0.1}
        for epoch, loss in enumerate(losses, start=1)
    ]


def rows(val: float = 0.5, losses: tuple[float, ...] = (1.0, 0.5), shift: float = 0.0) -> TrialRows:
    block = predicted([True, False], role="validation")
    moved = replace(block, probabilities=block.probabilities + np.float32([shift, -shift]))
    whole = trial_rows("a", [fold(1, val=val)], predictions=[moved])
    return replace(whole, epochs=curve(*losses))


def compare(tmp_path: Path, before: TrialRows, after: TrialRows) -> RowDiff:
    folders = [
        write_results(tmp_path / name, one) for name, one in (("old", before), ("new", after))
    ]
    return compare_rows((folders[0], "a"), (folders[1], "a"))


def test_equal_rows_are_the_same(tmp_path: Path) -> None:
    same = compare(tmp_path, rows(), rows())
    assert same.same
    assert (same.n_folds, same.n_predictions) == (1, 2)


def test_a_score_that_differs_is_named_with_its_size(tmp_path: Path) -> None:
    found = compare(tmp_path, rows(val=0.5), rows(val=0.75))
    assert not found.same
    assert found.scores == {"val_accuracy": 0.25}


def test_one_bit_of_a_probability_is_a_difference(tmp_path: Path) -> None:
    found = compare(tmp_path, rows(), rows(shift=2.0**-24))
    assert not found.same
    assert found.probability_difference == 2.0**-24
    assert found.n_changed == 0


def test_the_first_epoch_that_differs_is_found(tmp_path: Path) -> None:
    found = compare(tmp_path, rows(losses=(1.0, 0.5, 0.3)), rows(losses=(1.0, 0.6, 0.2)))
    assert found.first_epoch == 2


def test_other_folds_are_not_compared(tmp_path: Path) -> None:
    before, after = (
        trial_rows("a", [fold(1, val=0.5, split=name)]) for name in ("of then", "of now")
    )
    found = compare(tmp_path, before, after)
    assert found.unequal == ("other examples in (repeat, fold) (1, 1)",)
    assert not found.same


def test_versions_and_device_that_changed_are_told() -> None:
    before = {"versions": json.dumps({"torch": "2.11.0", "ray": "2.60.0"}), "device": "H200"}
    after = {"versions": json.dumps({"torch": "2.11.1", "ray": "2.60.0"}), "device": "EPYC"}
    assert what_changed(before, after) == ["torch 2.11.0 -> 2.11.1", "device: H200 -> EPYC"]
    assert what_changed(before, before) == []


def test_a_trial_that_was_not_alone_is_a_reason() -> None:
    """Its own numbers may come from what it changed, or kept."""
    before = {
        "findings": "dead_parameters,changed_process:default dtype,changed_process:torch.relu"
    }
    after = {"findings": "changed_names:backbone"}
    assert what_changed(before, after) == [
        "the row's trial changed its process: default dtype, torch.relu",
        "the rerun kept something in its file: backbone",
    ]
    assert what_changed({"findings": None}, {"findings": "dead_parameters"}) == []


def test_a_row_has_none_where_the_table_has_null(tmp_path: Path) -> None:
    assert trial_row(write_results(tmp_path, rows()), "a")["error"] is None
