"""A step that is played does what it did when it was recorded, with other numbers."""

import gc
import weakref
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from harness.training.backends.batched.step_recording import (
    NotRecordable,
    module_of,
    record,
    recorded,
    simplified,
)


def test_operations_stand_in_their_order_with_what_they_read_and_made() -> None:
    x = torch.ones(2, 3)
    recording = recorded(lambda tensors: [(tensors[0] + 1).t(), None], [x])
    added, turned = recording.operations
    assert added.read() == [x]
    assert turned.read() == added.made()
    assert recording.outputs == [*turned.made(), None]


@pytest.mark.parametrize("write", [lambda x: x.add_(1), lambda x: torch.add(x, 1, out=x)])
def test_what_writes_says_so(write) -> None:
    """Whatever it gives."""
    x = torch.zeros(4)
    recording = recorded(lambda tensors: [write(tensors[0][:2])], [x])
    assert [one.writes for one in recording.operations] == [False, True]


def test_sparse_tensors_are_refused() -> None:
    with pytest.raises(NotRecordable, match="sparse"):
        recorded(lambda tensors: [tensors[0].to_sparse()], [torch.eye(3)])


def test_the_memory_of_a_recording_is_that_of_its_tensors() -> None:
    """1,000 floats in, 1,000 out, and a view that costs nothing."""
    recording = recorded(lambda tensors: [(tensors[0] + 1).view(10, 100)], [torch.zeros(1000)])
    assert recording.n_bytes() == 8000


Step = Callable[[Sequence[Tensor]], Any]


def numbers(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def names(step: Step, *inputs: Tensor) -> Counter[str]:
    """How often each operation is left."""
    nodes = module_of(simplified(recorded(step, inputs))).graph.nodes
    called = [node.target.__name__ for node in nodes if node.op == "call_function"]
    return Counter(name.partition(".")[0] for name in called)


def same_when_played(step: Step, *inputs: Tensor) -> None:
    """Recorded with these numbers, the step gives with others what it would have given."""
    tape = record(step, [one.clone() for one in inputs])
    others = [one.flip(0) * 3 + 1 for one in inputs]
    torch.testing.assert_close(
        tape.play([one.clone() for one in others]), step([one.clone() for one in others])
    )


def test_views_of_views_are_one_view_and_views_that_change_nothing_none() -> None:
    def step(tensors: Sequence[Tensor]) -> list[Tensor]:
        doubled = tensors[0] + tensors[0]
        return [doubled.view(6, 4).view(2, 3, 4).expand(2, 3, 4).transpose(0, 1).transpose(1, 2)]

    assert names(step, numbers(2, 3, 4)) == {"add": 1, "as_strided": 1}
    same_when_played(step, numbers(2, 3, 4))


def test_views_of_what_stays_are_taken_before_the_run() -> None:
    """And see what is written into it between two runs."""
    weight = numbers(3, 4)

    def step(tensors: Sequence[Tensor]) -> list[Tensor]:
        return [tensors[0] @ weight.t().unsqueeze(0).squeeze(0)]

    assert names(step, numbers(2, 4)) == {"mm": 1}
    tape = record(step, [numbers(2, 4)])
    weight.fill_(1.0)
    assert tape.play([torch.ones(2, 4, dtype=torch.float64)])[0].tolist() == [[4.0] * 3] * 2


def test_an_input_may_lie_elsewhere_in_its_memory_the_next_time() -> None:
    """A batch cut from a larger one has an offset."""

    def step(tensors: Sequence[Tensor]) -> list[Tensor]:
        return [tensors[0].view(4).view(2, 2) + 1, tensors[0][1:].detach()]

    whole = torch.arange(8.0)
    tape = record(step, [whole[:4]])
    more, last = tape.play([whole[4:]])
    assert more.tolist() == [[5.0, 6.0], [7.0, 8.0]]
    assert last.tolist() == [5.0, 6.0, 7.0]


def test_nothing_is_made_for_nobody() -> None:
    def step(tensors: Sequence[Tensor]) -> list[Tensor]:
        _ = tensors[0].exp()
        return [tensors[0].sin()]

    assert names(step, numbers(3)) == {"sin": 1}


def test_what_is_written_is_seen_by_views_taken_before() -> None:
    def step(tensors: Sequence[Tensor]) -> list[Tensor]:
        made = tensors[0] + 1
        turned, flat = made.t(), made.view(-1)
        flat[:2].mul_(10)
        return [turned * 1.5, made.t() + turned]

    same_when_played(step, numbers(2, 3))


def test_chance_is_drawn_even_for_nobody() -> None:
    """What is drawn after it would be other numbers without it."""

    def step(tensors: Sequence[Tensor]) -> list[Tensor]:
        _ = torch.rand(3)
        return [tensors[0] + torch.rand(3)]

    tape = record(step, [torch.zeros(3)])
    torch.manual_seed(4)
    played = tape.play([torch.zeros(3)])[0]
    torch.manual_seed(4)
    assert torch.equal(played, step([torch.zeros(3)])[0])


MOVES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "transpose": lambda a, b: a.transpose(0, 1),
    "turn": lambda a, b: a.mT,
    "fold": lambda a, b: a.reshape(-1, a.shape[-1]).unsqueeze(0).expand(2, -1, -1),
    "first": lambda a, b: a[:1],
    "copy": lambda a, b: a.contiguous().clone(),
    "add": lambda a, b: a + b if a.shape == b.shape else a + b.sum(),
    "multiply": lambda a, b: a * b.mean(0, keepdim=True).mean(1, keepdim=True).mean(),
    "scale": lambda a, b: a * a.cos() + a,
    "product": lambda a, b: a @ a.mT,
    "shifted product": lambda a, b: a[0, 0, 0] * torch.ones_like(a) + (a @ a.mT) @ a,
    "turned product": lambda a, b: (a @ a.mT).mT.contiguous(),
    "stack": lambda a, b: torch.stack([a, a.sin()], 1).transpose(1, 2).contiguous().sum(1),
    "write": lambda a, b: a.clone().mul_(0.5),
    "write a part": lambda a, b: _written(a),
}


def _written(a: Tensor) -> Tensor:
    copied = a.contiguous().clone()
    copied.view(-1)[:1].add_(1)
    return copied


@settings(max_examples=150, deadline=None)
@given(moves=st.lists(st.tuples(st.sampled_from(sorted(MOVES)), st.integers(0, 9)), max_size=9))
def test_any_chain_of_operations_gives_what_it_gave(moves: list[tuple[str, int]]) -> None:
    """Each move works on the last tensor and on some one before it; all are given out."""

    def step(tensors: Sequence[Tensor]) -> list[Tensor]:
        met = [*tensors]
        for name, place in moves:
            moved = MOVES[name](met[-1], met[place % len(met)])
            met.append(moved / (1 + moved.abs().amax()))
        return met[len(tensors) :] if moves else [met[0] + 1]

    same_when_played(step, numbers(2, 3, 4), numbers(2, 3, 4, seed=1))


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
