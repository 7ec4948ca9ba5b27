"""Optimizers by name, one step by hand."""

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from harness.training.optimizers import descend, make_optimizer, plain_step
from tests.builders import make_training


def one_step(gradient: float = 2.0, steps: int = 1, **training: object) -> float:
    """The value of a parameter that starts at 1 after steps with a constant gradient."""
    parameter = nn.Parameter(torch.ones(1))
    optimizer = make_optimizer([parameter], make_training(**training))
    for _ in range(steps):
        parameter.grad = torch.full((1,), gradient)
        optimizer.step()
    return parameter.item()


def test_sgd_goes_down_the_gradient() -> None:
    """1 - 0.1 * 2."""
    assert one_step(optimizer="sgd", lr=0.1) == pytest.approx(0.8)


def test_sgd_with_momentum_keeps_its_speed() -> None:
    """Two steps: velocities 2 and 2 + 0.9 * 2 = 3.8; 1 - 0.1 * 5.8."""
    assert one_step(optimizer="sgd", lr=0.1, momentum=0.9, steps=2) == pytest.approx(0.42)


def test_sgd_adds_weight_decay_to_the_gradient() -> None:
    """1 - 0.1 * (2 + 0.5 * 1)."""
    assert one_step(optimizer="sgd", lr=0.1, weight_decay=0.5) == pytest.approx(0.75)


def test_the_first_step_of_adam_has_the_length_of_the_learning_rate() -> None:
    """Whatever the gradient's size."""
    assert one_step(optimizer="adam", lr=0.1, gradient=1e-3) == pytest.approx(0.9, abs=1e-5)


def test_adamw_takes_weight_decay_from_the_weights() -> None:
    """1 * (1 - 0.1 * 0.5) - 0.1; Adam's own decay would leave 0.9."""
    assert one_step(optimizer="adamw", lr=0.1, weight_decay=0.5) == pytest.approx(0.85, abs=1e-5)
    assert one_step(optimizer="adam", lr=0.1, weight_decay=0.5) == pytest.approx(0.9, abs=1e-5)


def test_adamw_decays_nothing_unless_told_to() -> None:
    """The file's default of 0 holds, not torch's 0.01."""
    assert one_step(optimizer="adamw", lr=0.1) == one_step(optimizer="adam", lr=0.1)


def test_nothing_to_train_is_an_error() -> None:
    """A model without trainable parameters says so."""
    with pytest.raises(ValueError, match="no trainable parameters"):
        make_optimizer([], make_training())


def descended(
    model: nn.Module, losses: list[Callable[[nn.Module], torch.Tensor]], **training: object
) -> list[torch.Tensor]:
    """The parameters after one step down each loss, as training takes it."""
    parameters = list(model.parameters())
    optimizer = make_optimizer(parameters, make_training(**training))
    step = plain_step(optimizer)
    for loss in losses:
        descend(loss(model), parameters, optimizer, step=step, lr=0.1, gradient_clip=None)
    return [one.detach() for one in parameters]


def expected(
    model: nn.Module,
    losses: list[Callable[[nn.Module], torch.Tensor]],
    make: Callable[[list[nn.Parameter]], Optimizer],
) -> list[torch.Tensor]:
    """The same by torch alone, with the optimizer that everybody knows."""
    optimizer = make(list(model.parameters()))
    for loss in losses:
        optimizer.zero_grad()
        loss(model).backward()
        optimizer.step()
    return [one.detach() for one in model.parameters()]


class Branches(nn.Module):
    """Two parameters; either loss reaches only some of them."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(3))


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
def test_a_parameter_may_get_no_gradient_in_some_steps(optimizer: str) -> None:
    """Steps with a alone, with both, with b alone: torch's numbers, momentum included."""
    losses = [
        lambda model: (model.a**2).sum(),
        lambda model: (model.a * model.b).sum(),
        lambda model: (model.b**3).sum(),
    ]
    momentum = 0.9 if optimizer == "sgd" else 0.0
    makers = {
        "sgd": lambda parameters: SGD(parameters, lr=0.1, momentum=0.9),
        "adam": lambda parameters: Adam(parameters, lr=0.1),
        "adamw": lambda parameters: AdamW(parameters, lr=0.1, weight_decay=0.0),
    }
    found = descended(Branches(), losses, optimizer=optimizer, lr=0.1, momentum=momentum)
    torch.testing.assert_close(found, expected(Branches(), losses, makers[optimizer]))


@pytest.mark.parametrize("weight", [torch.ones(3), torch.ones(3, 2)[:, 0]], ids=["whole", "part"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
def test_a_frozen_parameter_may_be_trained_later(optimizer: str, weight: torch.Tensor) -> None:
    """Until then it keeps its value, decay or not; from then on it takes torch's steps.

    part: of a larger tensor, which the fused kernels that train the other one can't take.
    """

    def make() -> nn.Module:
        model = Branches()
        model.b = nn.Parameter(weight, requires_grad=False)
        return model

    def unfrozen(model: nn.Module) -> torch.Tensor:
        model.b.requires_grad_(True)
        return (model.a * model.b).sum()

    losses = [lambda model: (model.a * model.b).sum()] * 2 + [unfrozen] * 3
    options = {"lr": 0.1, "weight_decay": 0.1}
    momentum = {"momentum": 0.9} if optimizer == "sgd" else {}
    kind = {"sgd": SGD, "adam": Adam, "adamw": AdamW}[optimizer]
    weight.fill_(1.0)
    first = descended(make(), losses[:2], optimizer=optimizer, **options, **momentum)
    assert first[1].tolist() == [1.0, 1.0, 1.0]
    found = descended(make(), losses, optimizer=optimizer, **options, **momentum)
    found = [one.clone() for one in found]  # the part is memory that the next model shares
    weight.fill_(1.0)
    plain = expected(make(), losses, lambda parameters: kind(parameters, **options, **momentum))
    torch.testing.assert_close(found, plain)
    assert (plain[1] - 1.0).abs().min() > 0.1


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_sparse_gradients_take_torchs_plain_steps(momentum: float) -> None:
    """Rows that a batch does not name keep their place, without momentum of their own."""

    def make() -> nn.Module:
        torch.manual_seed(0)
        return nn.Sequential(nn.Embedding(5, 3, sparse=True), nn.Linear(3, 2))

    batches = [torch.tensor([1, 2]), torch.tensor([2, 4]), torch.tensor([1, 1])]
    losses = [lambda model, ids=ids: (model(ids) ** 2).sum() for ids in batches]
    found = descended(make(), losses, optimizer="sgd", lr=0.1, momentum=momentum)
    sgd = expected(make(), losses, lambda parameters: SGD(parameters, lr=0.1, momentum=momentum))
    torch.testing.assert_close(found, sgd)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("place", [slice(None, None, 2), slice(3)], ids=["every other", "first"])
def test_a_parameter_may_be_a_part_of_a_larger_tensor(optimizer: str, place: slice) -> None:
    """The fused kernels would take the gaps in its memory for numbers; those stay as they are."""
    whole = torch.ones(4, 6)

    def make(tensor: torch.Tensor) -> nn.Module:
        model = nn.Module()
        model.weight = nn.Parameter(tensor)
        return model

    losses = [lambda model: (model.weight * torch.arange(12.0).view(4, 3)).sum()] * 3
    makers = {
        "sgd": lambda parameters: SGD(parameters, lr=0.1, momentum=0.9),
        "adam": lambda parameters: Adam(parameters, lr=0.1),
    }
    momentum = 0.9 if optimizer == "sgd" else 0.0
    (found,) = descended(
        make(whole[:, place]), losses, optimizer=optimizer, lr=0.1, momentum=momentum
    )
    (apart,) = expected(make(torch.ones(4, 3)), losses, makers[optimizer])
    torch.testing.assert_close(found, apart)
    others = torch.ones(6, dtype=torch.bool)
    others[place] = False
    assert torch.equal(whole[:, others], torch.ones(4, 3))


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_lazy_layers_are_stepped_once_they_have_shapes(optimizer: str) -> None:
    """An optimizer is made before the first pass gives LazyLinear its weights."""
    layer = nn.LazyLinear(3)
    parameters = list(layer.parameters())
    made = make_optimizer(parameters, make_training(optimizer=optimizer, lr=0.5))
    loss = layer(torch.ones(4, 5)).sum()
    before = layer.weight.detach().clone()
    descend(loss, parameters, made, step=plain_step(made), lr=0.5, gradient_clip=None)
    assert (layer.weight < before).all()
