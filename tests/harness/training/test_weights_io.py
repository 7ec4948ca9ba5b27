"""Weights on disk: what a file must hold, and that a file is whole or not there."""

from dataclasses import replace

import pytest
import torch

from harness.errors import BenchError
from harness.training.checkpoint import CheckpointError
from harness.training.training_state import unpack_pretraining
from harness.training.weights_io import (
    read_pretrained,
    read_pretraining_checkpoint,
    read_state,
    write_pretrained,
    write_pretraining_checkpoint,
)
from tests.checkpoints import SETTING
from tests.pretraining_builders import checkpoint_of, pretrained, pretraining_job

STATE = {"weight": torch.tensor([1.0, 2.0])}


def saved(folder, value):
    file = folder / "weights.pth"
    torch.save(value, file)
    return file


@pytest.mark.parametrize("value", [STATE, {"state_dict": STATE, "epoch": 3}])
def test_a_state_dict_alone_or_inside_a_checkpoint(tmp_path, value):
    assert read_state(saved(tmp_path, value))["weight"].tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ([1, 2], "no state dict, but a list"),
        ({"epoch": 3}, "1 entries, none of them a tensor"),
        (torch.nn.Linear(1, 1), "not a file of weights alone"),
    ],
)
def test_anything_else_is_named(tmp_path, value, said):
    """A pickled module would execute code, and is refused."""
    with pytest.raises(BenchError, match=said):
        read_state(saved(tmp_path, value))


def test_a_file_that_is_no_file_of_torch(tmp_path):
    file = tmp_path / "text.pth"
    file.write_text("hello")
    with pytest.raises(BenchError, match=r"text\.pth: not a file of weights"):
        read_state(file)


def test_pretrained_weights_are_read_as_they_were_written(tmp_path):
    """And the checkpoint, of no use any more, is gone."""
    (state,), made = pretrained(pretraining_job(epochs=1))
    write_pretraining_checkpoint(tmp_path, "abc", checkpoint_of(state))
    write_pretrained(tmp_path, "abc", made, {"model": {"name": "small"}})
    found = read_pretrained(tmp_path, "abc")
    assert found.rows == made.rows
    assert (found.val_accuracy, found.test_accuracy) == (made.val_accuracy, made.test_accuracy)
    assert all(torch.equal(found.weights[name], made.weights[name]) for name in made.weights)
    assert sorted(file.name for file in (tmp_path / "pretraining").iterdir()) == [
        "abc.json",
        "abc.pt",
    ]


@pytest.mark.parametrize("ending", ["pt", "json"])
def test_damaged_pretraining_counts_as_missing(tmp_path, ending):
    _, made = pretrained(pretraining_job(epochs=1))
    write_pretrained(tmp_path, "abc", made, {})
    (tmp_path / "pretraining" / f"abc.{ending}").write_bytes(b"half")
    assert read_pretrained(tmp_path, "abc") is None


def test_an_interrupted_pretraining_leaves_where_it_stood(tmp_path):
    (first, *_), _ = pretrained(pretraining_job())
    write_pretraining_checkpoint(tmp_path, "abc", checkpoint_of(first))
    checkpoint = read_pretraining_checkpoint(tmp_path, "abc", SETTING)

    assert (checkpoint.header.epoch, checkpoint.header.epochs) == (1, 3)
    assert unpack_pretraining(checkpoint).rows == first.rows
    assert read_pretraining_checkpoint(tmp_path, "other", SETTING) is None


def test_a_checkpoint_of_no_use_says_why(tmp_path):
    """Cut off, changed within, or left by another device."""
    (first, *_), _ = pretrained(pretraining_job())
    write_pretraining_checkpoint(tmp_path, "abc", checkpoint_of(first))
    file = tmp_path / "pretraining" / "abc.checkpoint"
    whole = file.read_bytes()
    for damaged in (b"half", whole[:-1], whole[:-1] + b"?"):
        file.write_bytes(damaged)
        with pytest.raises(CheckpointError, match="it is damaged"):
            read_pretraining_checkpoint(tmp_path, "abc", SETTING)
    file.write_bytes(whole)
    with pytest.raises(CheckpointError, match="device cpu there, cuda here"):
        read_pretraining_checkpoint(tmp_path, "abc", replace(SETTING, device="cuda"))
