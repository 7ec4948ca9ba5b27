"""Seeds follow from what they are for."""

import random
from typing import Any

import numpy as np
import pytest
import torch

from harness.training.seeds import (
    derive,
    generator_state,
    numpy_state,
    permutation,
    seed_everything,
)

CPU = torch.device("cpu")


def test_a_seed_is_the_head_of_sha256_and_fits_63_bits() -> None:
    """Pinned: printf '0\\x1f1\\x1f2\\x1f3' | sha256sum begins b70ad72bc420ce6d; half of it."""
    assert derive(0, 1, 2, 3) == 0xB70AD72BC420CE6D >> 1
    assert all(0 <= derive(seed, "x") < 2**63 for seed in range(100))


def test_parts_are_kept_apart() -> None:
    """Repeat 1, fold 12 is not repeat 11, fold 2."""
    assert derive(0, 1, 12) != derive(0, 11, 2)


def test_permutations_differ_between_folds_and_epochs_and_repeat_themselves() -> None:
    """The same names give the same order, any other name another."""
    first = permutation(100, seed=0, repeat=1, fold=1, epoch=1)
    assert sorted(first.tolist()) == list(range(100))
    assert torch.equal(first, permutation(100, seed=0, repeat=1, fold=1, epoch=1))
    for other in (
        {"seed": 1, "repeat": 1, "fold": 1, "epoch": 1},
        {"seed": 0, "repeat": 2, "fold": 1, "epoch": 1},
        {"seed": 0, "repeat": 1, "fold": 2, "epoch": 1},
        {"seed": 0, "repeat": 1, "fold": 1, "epoch": 2},
    ):
        assert not torch.equal(first, permutation(100, **other))


def test_a_permutation_takes_nothing_from_the_global_generator() -> None:
    """Dropout draws the same whether or not an order was drawn before."""
    seed_everything(5, CPU)
    expected = torch.rand(3)
    seed_everything(5, CPU)
    permutation(10, seed=0, repeat=1, fold=1, epoch=1)
    assert torch.equal(torch.rand(3), expected)


def test_python_numpy_and_torch_are_seeded_together() -> None:
    """A model may draw from any of the three."""
    draws = []
    for _ in range(2):
        seed_everything(derive("any"), CPU)
        draws.append((random.random(), np.random.rand(), torch.rand(1).item()))
    assert draws[0] == draws[1]


def test_seeding_equals_torch_manual_seed_on_the_cpu() -> None:
    """The fast way and the documented one draw the same numbers."""
    seed_everything(123, CPU)
    ours = torch.rand(4)
    torch.manual_seed(123)
    assert torch.equal(ours, torch.rand(4))


GENERATORS: list[tuple[Any, Any]] = [
    (torch.Generator(), lambda generator: torch.rand((), generator=generator)),
    (np.random.default_rng(0), lambda generator: generator.random()),
    (np.random.RandomState(0), lambda generator: generator.rand()),
    (random.Random(0), lambda generator: generator.random()),
]


@pytest.mark.parametrize(("generator", "draw"), GENERATORS)
def test_a_generator_stands_elsewhere_once_it_has_drawn(generator: Any, draw: Any) -> None:
    before = generator_state(generator)
    assert generator_state(generator) == before
    draw(generator)
    assert generator_state(generator) != before


def test_what_is_no_generator_has_no_state_of_one() -> None:
    assert [generator_state(value) for value in (None, 1, np.zeros(2), torch)] == [None] * 4


def test_numpy_stands_elsewhere_once_it_has_drawn() -> None:
    """Its position alone moves with the first draws: 624 numbers are made at a time."""
    seed_everything(5, CPU)
    numbers, position = numpy_state()
    assert (len(numbers), position) == (624 * 4, 624)
    np.random.rand()
    seed_numbers, after = numpy_state()
    assert (seed_numbers == numbers, after) == (False, 2)
    np.random.rand()
    assert numpy_state() == (seed_numbers, 4)
