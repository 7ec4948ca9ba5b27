"""A seed that a model sets is found wherever it is set, and nothing else is taken for one."""

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.training.probes import probe
from tests.builders import make_job


class Net(nn.Module):
    """A dense layer behind whatever its maker and its forward do."""

    def __init__(self, begin: Callable[[], Any], during: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        begin()
        self.hidden, self.head, self.during = nn.Linear(5, 16), nn.Linear(16, 3), during

    def forward(self, inputs: Tensor) -> Tensor:
        return self.head(self.during(self.hidden(inputs)))


def finds_seed(
    begin: Callable[[], Any] = lambda: None,
    during: Callable[[Tensor], Tensor] = lambda hidden: hidden,
) -> bool:
    return "fixed_seed" in probe(make_job(build=lambda **_: Net(begin, during))).findings


def masked_apart(hidden: Tensor) -> Tensor:
    """The same mask in every step, though the global generator never shows it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return F.dropout(hidden, 0.5)


def masked_privately(hidden: Tensor) -> Tensor:
    """The same from a generator that is made anew in every step."""
    generator = torch.Generator().manual_seed(0)
    return hidden * (torch.rand(hidden.shape, generator=generator) < 0.5)


SEEDS: list[Callable[[], Any]] = [
    lambda: torch.manual_seed(0),
    lambda: torch.default_generator.manual_seed(0),
    lambda: torch.seed(),
    lambda: np.random.seed(0),
    lambda: random.seed(0),
]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_seed_set_while_the_model_is_made_is_found(seed: Callable[[], Any]) -> None:
    """Folds and repeats would start from the same weights, or draw the same elsewhere."""
    assert finds_seed(begin=seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_seed_set_in_every_step_is_found(seed: Callable[[], Any]) -> None:
    """All of what follows would be the same in every step."""
    assert finds_seed(during=lambda hidden: (seed(), hidden)[1])


@pytest.mark.parametrize("mask", [masked_apart, masked_privately])
def test_equal_masks_are_found_from_whichever_generator(mask: Callable[[Tensor], Tensor]) -> None:
    """Two steps under different seeds drew the same."""
    assert finds_seed(during=mask)


def test_weights_drawn_apart_from_the_seed_are_found() -> None:
    """A generator of the model's own: no seed of ours is touched, but all folds start alike."""

    class Private(nn.Linear):
        def __init__(self) -> None:
            super().__init__(5, 3)
            generator = torch.Generator().manual_seed(0)
            nn.init.normal_(self.weight, generator=generator)
            nn.init.normal_(self.bias, generator=generator)

    assert probe(make_job(build=lambda **_: Private())).findings == ("fixed_seed",)


@pytest.mark.parametrize(
    "during",
    [
        lambda hidden: F.dropout(hidden, 0.5),
        lambda hidden: F.dropout(hidden, 0.0),
        lambda hidden: hidden + torch.randn_like(hidden),
        lambda hidden: hidden * random.random() * np.random.rand(),
    ],
)
def test_chance_of_the_harness_is_no_flaw(during: Callable[[Tensor], Tensor]) -> None:
    """Dropout, also with nothing to drop, noise, and the other generators."""
    assert not finds_seed(during=during)


def test_weights_that_follow_a_rule_are_no_flaw() -> None:
    """Softmax regression from zero, an identity: equal in every fold, and meant so."""

    class Zero(nn.Linear):
        def __init__(self) -> None:
            super().__init__(5, 3)
            nn.init.zeros_(self.weight)
            nn.init.zeros_(self.bias)

    class Eye(Zero):
        def __init__(self) -> None:
            super().__init__()
            nn.init.eye_(self.weight)

    for module in (Zero, Eye):
        assert probe(make_job(build=lambda module=module, **_: module())).findings == ()
