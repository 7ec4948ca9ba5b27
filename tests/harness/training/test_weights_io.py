"""Weights on disk: what a file must hold, and that a file is whole or not there."""

import pytest
import torch

from harness.errors import BenchError
from harness.training.weights_io import (
    read_checkpoint,
    read_pretrained,
    read_state,
    write_checkpoint,
    write_pretrained,
)
from tests.pretraining_builders import pretrained, pretraining_job

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
    _, made = pretrained(pretraining_job(epochs=1))
    write_checkpoint(tmp_path, "abc", b"...")
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


def test_a_damaged_checkpoint_counts_as_missing(tmp_path):
    write_checkpoint(tmp_path, "abc", b"half")
    assert read_checkpoint(tmp_path, "abc") is None
    assert read_checkpoint(tmp_path, "other") is None
