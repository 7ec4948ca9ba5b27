"""A computation recorded once: what it plays, what it forgets, what it refuses."""

import gc
import weakref

import pytest
import torch
from torch.nn import functional as F

from harness.training.backends.replay import record
from harness.training.backends.tracer import NotRecordable


def test_other_inputs_are_played_through_the_same_operations() -> None:
    """(a @ b).relu() of ones is 2, of other numbers what torch says; lists nest as they did."""

    def double(tensors):
        a, b = tensors
        return [(a @ b).relu(), None, (a.sum(),)]

    tape = record(double, [torch.ones(3, 2), torch.ones(2, 4)])
    assert torch.equal(tape.outputs[0], torch.full((3, 4), 2.0))
    a, b = torch.randn(3, 2), torch.randn(2, 4)
    product, nothing, (total,) = tape.play([a, b])
    assert torch.equal(product, (a @ b).relu())
    assert nothing is None
    assert total == a.sum()


def test_gradients_are_part_of_what_is_played() -> None:
    """Of sum(w^2 * x) it is 2 w x; playing it needs no graph and makes none."""

    def step(tensors):
        w, x = tensors
        loss = (w**2 * x).sum()
        return [loss.detach(), *torch.autograd.grad(loss, [w])]

    w = torch.tensor([1.0, 2.0], requires_grad=True)
    tape = record(step, [w, torch.tensor([3.0, 4.0])])
    loss, gradient = tape.play([w, torch.tensor([5.0, 6.0])])
    assert (loss.item(), gradient.tolist()) == (1 * 5 + 4 * 6, [10.0, 24.0])
    assert not gradient.requires_grad


def test_what_was_written_is_written_again() -> None:
    """Running statistics move with every batch that is played."""
    mean, var = torch.zeros(2), torch.ones(2)

    def normalise(tensors):
        x, mean, var = tensors
        return [F.batch_norm(x, mean, var, training=True, momentum=0.5)]

    tape = record(normalise, [torch.ones(4, 2), mean, var])
    assert mean.tolist() == [0.5, 0.5]
    tape.play([torch.full((4, 2), 3.0), mean, var])
    assert mean.tolist() == [1.75, 1.75]


def test_chance_is_drawn_anew() -> None:
    """Two plays of a dropout differ, and follow from torch's seed."""
    tape = record(lambda tensors: [F.dropout(tensors[0], 0.5)], [torch.ones(1000)])
    torch.manual_seed(1)
    first, second = tape.play([torch.ones(1000)])[0], tape.play([torch.ones(1000)])[0]
    torch.manual_seed(1)
    assert not torch.equal(first, second)
    assert torch.equal(first, tape.play([torch.ones(1000)])[0])


def test_what_was_not_given_is_taken_as_it_lies() -> None:
    """A tensor from outside is read at each play."""
    outside = torch.tensor([1.0])
    tape = record(lambda tensors: [tensors[0] + outside], [torch.zeros(1)])
    outside.fill_(5.0)
    assert tape.play([torch.zeros(1)])[0].item() == 5.0


@pytest.mark.parametrize(
    "function",
    [lambda t: [t[0] * t[0].sum().item()], lambda t: [t[0][t[0] > 0]], lambda t: [t[0].nonzero()]],
    ids=["item", "mask", "nonzero"],
)
def test_a_computation_that_depends_on_values_is_refused(function) -> None:
    """Another batch would take another path."""
    with pytest.raises(NotRecordable, match="depend"):
        record(function, [torch.ones(3)])


def test_a_tape_holds_nothing_that_was_met_on_the_way() -> None:
    """What a step needs for its backward pass would else take its memory twice."""
    met = []

    def step(tensors):
        between = tensors[0].view(2, 2) + 1
        met.append(weakref.ref(between))
        return [between.t().contiguous() * 2]

    tape = record(step, [torch.zeros(4)])
    gc.collect()
    assert met[0]() is None
    assert tape.play([torch.zeros(4)])[0].tolist() == [[2.0, 2.0]] * 2
