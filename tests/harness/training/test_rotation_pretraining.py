"""Rotation pretraining: the task, its weights, and going on where it stood."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from harness.training.rotation_pretraining import (
    all_turns,
    drawn_turns,
    rotation_grid,
    turned,
)
from tests.pretraining_builders import (
    build_small,
    oriented_data,
    pretrained,
    pretraining_job,
)


def equal(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


def without_times(rows):
    return [{key: value for key, value in row.items() if key != "epoch_time_s"} for row in rows]


def test_rotations_of_oriented_images_are_learned():
    """Images that are bright at the top: far above the quarter that guessing gives."""
    _, made = pretrained(pretraining_job(epochs=8))
    assert made.rows[0]["train_accuracy"] < made.rows[-1]["train_accuracy"]
    assert made.val_accuracy > 0.9
    assert made.test_accuracy > 0.9


def test_labels_play_no_part():
    """Any labels at all of the examples set aside give the same weights."""
    data = oriented_data()
    _, made = pretrained(pretraining_job(data))
    _, unlabelled = pretrained(
        pretraining_job(replace(data, targets=np.full_like(data.targets, -1)))
    )
    assert equal(made.weights, unlabelled.weights)


def test_only_examples_set_aside_are_trained_on():
    """Noise in place of every example of a fold leaves the weights as they are."""
    data = oriented_data()
    inputs = data.inputs[0].copy()
    for fold in data.folds:
        for role in (fold.train, fold.validation, fold.test):
            inputs[role] = 9.0
    _, made = pretrained(pretraining_job(data))
    _, other = pretrained(pretraining_job(replace(data, inputs=(inputs,))))
    assert equal(made.weights, other.weights)
    assert made.test_accuracy != other.test_accuracy


def test_an_interrupted_pretraining_ends_with_the_same_weights():
    """Gone on from the first or second epoch's checkpoint, read from bytes."""
    seen, made = pretrained(pretraining_job())
    for state in seen[:2]:
        later, resumed = pretrained(pretraining_job(), after=state)
        assert len(later) == 3 - len(state.rows)
        assert equal(made.weights, resumed.weights)
        assert without_times(made.rows) == without_times(resumed.rows)
        assert made.test_accuracy == resumed.test_accuracy


def test_a_finished_checkpoint_only_has_to_be_measured():
    """It died between the last epoch and the end."""
    seen, made = pretrained(pretraining_job())
    later, resumed = pretrained(pretraining_job(), after=seen[-1])
    assert later == []
    assert equal(made.weights, resumed.weights)


def test_without_examples_to_measure_the_task_its_accuracies_are_unknown():
    data = oriented_data(test=False, validation=False)
    _, made = pretrained(pretraining_job(data))
    assert (made.val_accuracy, made.test_accuracy) == (None, None)
    assert made.rows[-1]["val_loss"] is None


def test_fixed_rotations_are_another_training():
    """From the second epoch on."""
    drawn, fixed = (
        pretrained(pretraining_job(rotations=how))[1].rows for how in ("per_epoch", "fixed")
    )
    assert drawn[1]["train_loss"] != fixed[1]["train_loss"]


def test_a_row_per_epoch_of_the_stage_pretraining():
    _, made = pretrained(pretraining_job())
    assert [row["epoch"] for row in made.rows] == [1, 2, 3]
    assert {row["stage"] for row in made.rows} == {"pretraining"}
    # half a cosine over 3 epochs of 3 steps, at the epochs' last steps 2, 5 and 8
    expected = [0.02 * (1 + np.cos(np.pi * step / 9)) / 2 for step in (2, 5, 8)]
    assert [row["lr"] for row in made.rows] == pytest.approx(expected)


def test_a_loss_that_is_not_finite_is_said():
    data = oriented_data()
    infinite = replace(data, inputs=(np.full_like(data.inputs[0], np.inf),))
    with pytest.raises(ValueError, match="diverged: the loss is nan in epoch 1"):
        pretrained(pretraining_job(infinite))


def test_the_task_has_four_classes():
    """The head of the weights answers which of four turns it was."""
    _, made = pretrained(pretraining_job())
    assert made.weights["head.weight"].shape[0] == 4
    own = build_small(input_shape=(1, 4, 4), num_classes=4).state_dict()
    assert made.weights.keys() == own.keys()


IMAGE = torch.tensor([[[1.0, 2.0], [3.0, 4.0]]])
TURNED = ([[1, 2], [3, 4]], [[2, 4], [1, 3]], [[4, 3], [2, 1]], [[3, 1], [4, 2]])


def test_quarter_turns_go_counter_clockwise():
    """The right column comes to the top."""
    batch = turned(torch.stack([IMAGE] * 4), torch.arange(4))
    assert batch[:, 0].tolist() == [list(map(list, one)) for one in TURNED]


def test_all_turns_are_those_of_each_image():
    assert all_turns(IMAGE[None])[:, 0, 0].tolist() == [list(map(list, one)) for one in TURNED]


def test_turns_are_drawn_anew_each_epoch_unless_fixed():
    """Fixed ones are those of every epoch; all four occur about equally often."""
    first, second = (drawn_turns(4000, seed=1, epoch=n, per_epoch=True) for n in (1, 2))
    fixed = [drawn_turns(4000, seed=1, epoch=n, per_epoch=False) for n in (1, 2)]
    assert (first == second).double().mean() < 0.3
    assert torch.equal(*fixed)
    # four standard deviations of a binomial with n 4000, p 1/4: 110
    assert all(abs(int(n) - 1000) < 110 for n in torch.bincount(first, minlength=4))


def test_the_grid_shows_one_row_per_image():
    """Two images of 2 x 2 pixels: four of them side by side, in two rows."""
    grid = rotation_grid([IMAGE, 10 * IMAGE])
    assert grid.tolist() == [
        [[1, 2, 2, 4, 4, 3, 3, 1], [3, 4, 1, 3, 2, 1, 4, 2],
         [10, 20, 20, 40, 40, 30, 30, 10], [30, 40, 10, 30, 20, 10, 40, 20]]
    ]  # fmt: skip
