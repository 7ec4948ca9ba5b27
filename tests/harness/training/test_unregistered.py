"""What `parameters()` does not list is named by the attribute that holds it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.training.probes import probe
from tests.builders import make_job


class Net(nn.Module):
    """A dense layer, and a hook to hide more behind."""

    def __init__(self, hide: Callable[["Net"], Any]) -> None:
        super().__init__()
        self.hidden, self.head = nn.Linear(5, 8), nn.Linear(8, 3)
        self.between: Callable[[Tensor], Tensor] = torch.relu
        hide(self)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.head(self.between(self.hidden(inputs)))


@dataclass
class Holder:
    """An object of the author's own that is no module."""

    layer: nn.Module

    def run(self, x: Tensor) -> Tensor:
        return self.layer(x)


def names(hide: Callable[[Net], Any]) -> list[str]:
    """The attributes that the finding names."""
    findings = probe(make_job(build=lambda **_: Net(hide))).findings
    found = [code.partition(":") for code in findings]
    return [name for kind, _, name in found if kind == "unregistered_parameters"]


def in_a_list(net: Net) -> None:
    net.layers = [nn.Linear(8, 8), nn.ReLU()]
    net.between = lambda x: net.layers[0](x)


def in_nested_containers(net: Net) -> None:
    net.blocks = {"first": ({"inner": nn.Linear(8, 8)},)}


def in_a_parameter_list(net: Net) -> None:
    net.scales = [nn.Parameter(torch.ones(8))]


def as_a_tensor(net: Net) -> None:
    net.scale = torch.ones(8, requires_grad=True)


def in_a_closure(net: Net) -> None:
    layer = nn.Linear(8, 8)
    net.between = lambda x: layer(x)


def in_a_partial(net: Net) -> None:
    net.between = partial(F.linear, weight=torch.randn(8, 8, requires_grad=True))


def in_an_object(net: Net) -> None:
    net.holder = Holder(nn.Linear(8, 8))


def in_a_submodule(net: Net) -> None:
    net.hidden.extra = [nn.Linear(2, 2)]


def dropout_without_mode(net: Net) -> None:
    net.drops = [nn.Dropout(0.5)]


def made_late(net: Net) -> None:
    def between(x: Tensor) -> Tensor:
        if not hasattr(net, "late"):
            net.late = nn.Linear(8, 8, bias=False)
        return net.late(x)

    net.between = between


@pytest.mark.parametrize(
    ("hide", "expected"),
    [
        (in_a_list, ["layers"]),
        (in_nested_containers, ["blocks"]),
        (in_a_parameter_list, ["scales"]),
        (as_a_tensor, ["scale"]),
        (in_a_closure, ["between"]),
        (in_a_partial, ["between"]),
        (in_an_object, ["holder"]),
        (in_a_submodule, ["hidden.extra"]),
        (dropout_without_mode, ["drops"]),
        (made_late, ["late.weight"]),
    ],
)
def test_the_attribute_is_named(hide: Callable[[Net], None], expected: list[str]) -> None:
    """Wherever the layer hides, and a layer that is made after the optimizer too."""
    assert names(hide) == expected


def test_what_no_attribute_leads_to_is_found_by_its_gradient() -> None:
    """A layer of the file: the loss reaches it, the optimizer does not."""
    assert names(lambda net: setattr(net, "between", _of_the_file)) == ["?"]


_LAYER = nn.Linear(8, 8)


def _of_the_file(x: Tensor) -> Tensor:
    return _LAYER(x)


def listed_twice(net: Net) -> None:
    net.order = [net.hidden, net.head]


def frozen_teacher(net: Net) -> None:
    net.teacher = [nn.Sequential(nn.Linear(5, 3), nn.BatchNorm1d(3)).eval().requires_grad_(False)]


def weight_normalised(net: Net) -> None:
    nn.utils.weight_norm(net.hidden)
    nn.utils.parametrizations.weight_norm(net.head)


def recurrent(net: Net) -> None:
    net.lstm = nn.LSTM(8, 8, batch_first=True)
    net.between = lambda x: net.lstm(x[:, None])[0][:, 0]


def lazy(net: Net) -> None:
    net.hidden = nn.LazyLinear(8)


def of_numbers(net: Net) -> None:
    net.matrix, net.names = [[0.5] * 8] * 8, {"a": "b"}


@pytest.mark.parametrize(
    "hide",
    [listed_twice, frozen_teacher, weight_normalised, recurrent, lazy, of_numbers],
)
def test_what_is_registered_or_frozen_is_no_flaw(hide: Callable[[Net], None]) -> None:
    """Lists of registered layers, a frozen teacher in evaluation mode, torch's own attributes."""
    assert names(hide) == []
