"""Weights to start from, the head that stays random, and what is frozen."""

from dataclasses import replace

import pytest
import torch

from harness.training.initial_weights import (
    Start,
    begin,
    frozen_modules,
    head_entries,
    match,
    train_mode,
)
from tests.builders import make_job, make_trial_data, trained
from tests.pretraining_builders import build_small

SHAPE = (1, 4, 4)
HEAD = frozenset({"head.weight", "head.bias"})


def small(num_classes=3, seed=0):
    torch.manual_seed(seed)
    return build_small(input_shape=SHAPE, num_classes=num_classes)


def job(start, **training):
    data = make_trial_data(input_shape=SHAPE)
    return replace(make_job(data, build=build_small, **training), start=start)


def test_the_head_is_what_depends_on_the_number_of_classes():
    head = head_entries(build_small, input_shape=SHAPE, num_classes=3, arguments={})
    assert head == HEAD


def test_a_model_without_a_head_is_refused():
    """Its outputs would not follow the classes."""
    with pytest.raises(ValueError, match="it has no head"):
        head_entries(
            lambda *, input_shape, num_classes: torch.nn.Linear(4, 3),
            input_shape=(4,), num_classes=3, arguments={},
        )  # fmt: skip


def test_entries_of_equal_name_and_shape_fit():
    """The head never does, another shape and an unknown name neither."""
    own = {"a": (2, 3), "b": (3,), "c": (1,), "head": (4,)}
    given = {"a": (2, 3), "b": (4,), "head": (4,), "x": (1,)}
    assert match(own, given, frozenset({"head"})) == (("a",), ("b", "c", "head"))


def test_given_weights_replace_all_but_the_head():
    """Those of a model with four classes, as pretraining has."""
    given, model = small(num_classes=4, seed=1).state_dict(), small()
    head = model.head.weight.clone()
    begin(model, Start(given, HEAD))
    assert torch.equal(model.features[0].weight, given["features.0.weight"])
    assert torch.equal(model.head.weight, head)
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_weights_that_fit_nowhere_are_an_error():
    with pytest.raises(ValueError, match="none of the initial weights"):
        begin(small(), Start({"other": torch.zeros(1)}, HEAD))


def test_training_the_head_alone_leaves_weights_and_statistics():
    """Convolution and batch normalisation, running mean included; the head moves."""
    given = small(num_classes=4, seed=1).state_dict()
    given["features.1.running_mean"] += 0.5
    _, outcomes = trained(job(Start(given, HEAD, only_head=True)))
    for outcome in outcomes:
        frozen = {name: entry for name, entry in outcome.state.items() if name not in HEAD}
        assert all(torch.equal(entry, given[name]) for name, entry in frozen.items())
        assert not torch.equal(outcome.state["head.weight"], small().head.weight)


def test_training_everything_moves_everything():
    given = small(num_classes=4, seed=1).state_dict()
    _, outcomes = trained(job(Start(given, HEAD)))
    moved = [name for name in given if not torch.equal(given[name], outcomes[0].state[name])]
    assert set(moved) >= {"features.0.weight", "features.1.running_mean"}


def test_dropout_before_a_frozen_head_goes_on():
    """Frozen are modules with weights or statistics; dropout has neither."""
    model = small()
    start = Start(None, HEAD, only_head=True)
    begin(model, start)
    train_mode(model, frozen_modules(model, start))
    assert model.dropout.training and model.head.training
    assert not model.features[1].training
