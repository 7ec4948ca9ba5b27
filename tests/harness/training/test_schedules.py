"""Learning-rate factors, by hand and against torch's schedulers."""

import warnings
from math import cos, pi

import pytest
import torch
from torch.optim import lr_scheduler

from harness.config.sections import Schedule
from harness.training.schedules import lr_factor
from tests.builders import make_training

STEPS_PER_EPOCH = 4


def factors(**training: object) -> list[float]:
    """The factor of every step of the training."""
    value = make_training(**training)
    n_steps = value.epochs * STEPS_PER_EPOCH
    return [lr_factor(value, step=i, steps_per_epoch=STEPS_PER_EPOCH) for i in range(n_steps)]


def torch_factors(make: object, n_steps: int) -> list[float]:
    """The learning rates of a torch scheduler over an optimizer with lr 1."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = make(optimizer)  # type: ignore[operator]
    rates = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # stepping beyond the end, without optimizer steps
        for _ in range(n_steps):
            rates.append(optimizer.param_groups[0]["lr"])
            scheduler.step()
    return rates


def test_constant_is_one_at_every_step() -> None:
    """The default leaves the learning rate alone."""
    assert factors(epochs=2) == [1.0] * 8


def test_warmup_rises_in_equal_steps_and_reaches_one_at_its_end() -> None:
    """Two epochs of four steps: eighths, then the schedule."""
    assert factors(epochs=3, warmup_epochs=2) == [i / 8 for i in range(1, 9)] + [1.0] * 4


def test_cosine_by_hand() -> None:
    """One epoch of four steps: (1 + cos 0, 45, 90 and 135 degrees) / 2."""
    half_root = 2**0.5 / 2
    expected = [1.0, (1 + half_root) / 2, 0.5, (1 - half_root) / 2]
    assert factors(epochs=1, schedule="cosine") == pytest.approx(expected)


def test_cosine_equals_torch() -> None:
    """Over all epochs, as CosineAnnealingLR with T_max in steps."""
    ours = factors(epochs=5, schedule="cosine")
    theirs = torch_factors(lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=20), 20)
    assert ours == pytest.approx(theirs, abs=1e-12)


def test_cosine_with_a_period_rises_again_after_it() -> None:
    """Half a period of two epochs: zero after two, one after four, as torch's closed form."""
    ours = factors(epochs=5, schedule=Schedule(name="cosine", period_epochs=2).model_dump())
    assert ours[8] == pytest.approx(0.0)
    assert ours[16] == pytest.approx(1.0)
    assert ours[3] == pytest.approx((1 + cos(pi * 3 / 8)) / 2)


def test_cosine_after_warmup_fills_the_epochs_that_are_left() -> None:
    """Five epochs, one of warm-up: the cosine of four epochs follows."""
    ours = factors(epochs=5, warmup_epochs=1, schedule="cosine")
    assert ours[:4] == [0.25, 0.5, 0.75, 1.0]
    assert ours[4:] == pytest.approx(factors(epochs=4, schedule="cosine"))


@pytest.mark.parametrize("epochs", [1, 2, 5, 30])
def test_one_cycle_equals_torch(epochs: int) -> None:
    """As OneCycleLR with its defaults; the momentum is left alone."""
    n_steps = epochs * STEPS_PER_EPOCH
    theirs = torch_factors(
        lambda o: lr_scheduler.OneCycleLR(o, max_lr=1.0, total_steps=n_steps, cycle_momentum=False),
        n_steps - 1,
    )
    assert factors(epochs=epochs, schedule="one_cycle")[:-1] == pytest.approx(theirs, abs=1e-12)


def test_one_cycle_by_hand() -> None:
    """Ten epochs of one step: 1/25 first, 1 at the third step, 1/250,000 last."""
    training = make_training(epochs=10, schedule="one_cycle")
    ours = [lr_factor(training, step=i, steps_per_epoch=1) for i in range(10)]
    assert ours[0] == pytest.approx(0.04)
    assert ours[2] == pytest.approx(1.0)
    assert ours[9] == pytest.approx(4e-6)


def test_one_cycle_of_a_single_step_is_defined() -> None:
    """One step in all: nothing is divided by zero."""
    training = make_training(epochs=1, schedule="one_cycle")
    assert 0 <= lr_factor(training, step=0, steps_per_epoch=1) <= 1


def test_step_multiplies_after_each_third() -> None:
    """Nine epochs: 1, 0.1, 0.01, three epochs each."""
    ours = factors(epochs=9, schedule="step")
    assert ours[::STEPS_PER_EPOCH] == pytest.approx([1.0] * 3 + [0.1] * 3 + [0.01] * 3)


def test_step_with_milestones_equals_torch() -> None:
    """As MultiStepLR counted in epochs."""
    schedule = {"name": "step", "milestones": [1, 4], "gamma": 0.5}
    ours = factors(epochs=6, schedule=schedule)[::STEPS_PER_EPOCH]
    theirs = torch_factors(lambda o: lr_scheduler.MultiStepLR(o, [1, 4], gamma=0.5), 6)
    assert ours == pytest.approx(theirs)


def test_short_training_has_no_milestone_at_its_start() -> None:
    """The thirds of one or two epochs never lower the first epoch."""
    assert factors(epochs=1, schedule="step") == [1.0] * 4
    assert factors(epochs=2, schedule="step")[:4] == [1.0] * 4
