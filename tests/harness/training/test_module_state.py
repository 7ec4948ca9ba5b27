"""Whatever a module holds is what it was: at the chosen epoch, after an interruption, in a file.

Each kind of state stands alone and together with others in small models whose numbers depend on it.
"""

import functools
import io
import random
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from harness.training.checkpoint import CheckpointError, Header
from harness.training.module_state import (
    attributes,
    kept_state_dict,
    module_state,
    restore_attributes,
    restore_exactly,
    restore_state,
    state_of,
    undisturbed,
)
from harness.training.trainer import train_folds
from harness.training.training_state import (
    TrainingState,
    TrialState,
    pack_trial,
    unpack_trial,
)
from harness.training.types import TrainingJob
from tests.builders import ended, make_job, make_trial_data, trained
from tests.checkpoints import SETTING

WIDTH = 4


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    """As small a model would only wait for a second one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Kept(nn.Module):
    """Adds to its input what it made of the batches that it was trained on."""

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.learn(x.detach().mean(0))
        return x + self.value()

    def learn(self, mean: Tensor) -> None:
        raise NotImplementedError

    def value(self) -> Any:
        raise NotImplementedError


class NonPersistent(Kept):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(WIDTH), persistent=False)

    def learn(self, mean: Tensor) -> None:
        self.mean.mul_(0.9).add_(mean)

    def value(self) -> Tensor:
        return self.mean


class ReplacedBuffer(NonPersistent):
    def learn(self, mean: Tensor) -> None:
        self.mean = 0.9 * self.mean + mean


class Attribute(Kept):
    mean: Any = 0.0

    def learn(self, mean: Tensor) -> None:
        self.mean = 0.9 * self.mean + mean

    def value(self) -> Any:
        return self.mean


class Counts(Kept):
    steps = 0

    def learn(self, mean: Tensor) -> None:
        self.steps += 1

    def value(self) -> float:
        return 1.0 / (1 + self.steps)


class Annealed(nn.Module):
    """Its dropout falls from step to step, as written into torch's own layer."""

    def __init__(self) -> None:
        super().__init__()
        self.dropout = nn.Dropout(0.8)

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.dropout.p *= 0.9
        return self.dropout(x) + self.dropout.p


class Containers(Kept):
    """Lists, dicts and the like, in each other and with tensors in them."""

    def __init__(self) -> None:
        super().__init__()
        self.means: list[Any] = []
        self.named: Any = OrderedDict(sum=torch.zeros(WIDTH), inner={"last": (0, [1.0])})
        self.recent: deque[Any] = deque(maxlen=3)
        self.counts: Counter[str] = Counter()
        self.grouped: defaultdict[str, list[int]] = defaultdict(list)
        self.seen: set[int] = set()
        self.shape = torch.Size([WIDTH])

    def learn(self, mean: Tensor) -> None:
        self.means.append(float(mean[0]))
        self.named["sum"] += mean
        self.named["inner"]["last"] = (len(self.means), [float(mean[1])])
        self.recent.append(mean)
        self.counts["steps"] += 1
        self.grouped["odd" if len(self.means) % 2 else "even"].append(len(self.means))
        self.seen.add(int(mean.abs().sum() * 1000))

    def value(self) -> Any:
        recent = sum(self.recent) if self.recent else 0.0
        numbers = [*self.means, self.counts["steps"], *self.grouped["odd"], *sorted(self.seen)]
        last, (first,) = self.named["inner"]["last"]
        return self.named["sum"] + recent + 1e-3 * sum(numbers) + last * first


class Average:
    """A helper of the model's own."""

    def __init__(self) -> None:
        self.value, self.n = 0.0, 0

    def add(self, value: float) -> None:
        self.n += 1
        self.value += (value - self.value) / self.n


class Slotted:
    __slots__ = ("__total", "n")

    def __init__(self) -> None:
        self.n, self.__total = 0, 0.0

    def add(self, value: float) -> None:
        self.n, self.__total = self.n + 1, self.__total + value

    @property
    def value(self) -> float:
        return self.__total / max(1, self.n)


class Helpers(Kept):
    def __init__(self) -> None:
        super().__init__()
        self.average, self.slotted = Average(), (Slotted(),)
        self.add = functools.partial(self.average.add)

    def learn(self, mean: Tensor) -> None:
        self.add(float(mean[0]))
        self.slotted[0].add(float(mean[1]))

    def value(self) -> float:
        return self.average.value + self.slotted[0].value


class Pair(NamedTuple):
    low: Any
    high: Any


class Numbers(Kept):
    """Of numpy, and in a named tuple."""

    def __init__(self) -> None:
        super().__init__()
        self.array, self.single = np.zeros(WIDTH, dtype=np.float32), np.float64(0)
        self.range = Pair(0.0, torch.zeros(()))

    def learn(self, mean: Tensor) -> None:
        self.array += mean.numpy()
        self.single = self.single + np.float64(mean[0].item())
        self.range = Pair(min(self.range.low, float(mean.min())), mean.max())

    def value(self) -> Tensor:
        numbers = torch.from_numpy(self.array) + float(self.single)
        return numbers + self.range.low + self.range.high


class Hooked(nn.Module):
    """A hook that counts in a variable of its closure, and in the hooked layer."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Identity()
        steps, log = 0, []

        def hook(module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
            nonlocal steps
            if module.training:
                steps += 1
                log.append(output.detach().mean())
            return output + 1 / (1 + steps) + sum(log)

        self.layer.register_forward_hook(hook)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x)


class Chance(nn.Module):
    """Generators of its own, which never heard of the harness's seeds."""

    def __init__(self) -> None:
        super().__init__()
        self.torch = torch.Generator().manual_seed(1)
        self.numpy, self.old = np.random.default_rng(2), np.random.RandomState(3)
        self.python, self.last = random.Random(4), 0.0

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            drawn = torch.rand((), generator=self.torch).item() + self.numpy.random()
            self.last = drawn + self.old.rand() + self.python.random()
        return x * (1 + self.last)


class Averaged(nn.Module):
    """Predicts with a moving average that is hidden from the state dict."""

    def __init__(self) -> None:
        super().__init__()
        self.live = nn.Linear(WIDTH, WIDTH)
        self.slow = [nn.Linear(WIDTH, WIDTH).requires_grad_(False)]

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return self.slow[0](x)
        pairs = zip(self.slow[0].parameters(), self.live.parameters(), strict=True)
        with torch.no_grad():
            for slow, live in pairs:
                slow.lerp_(live, 0.1)
        return self.live(x)


class Views(Kept):
    """An attribute in the memory of a buffer, and two that share theirs."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("both", torch.zeros(2, WIDTH))
        self.first = self.both[0]
        self.pair = torch.zeros(2, WIDTH)
        self.second = self.pair[1]

    def learn(self, mean: Tensor) -> None:
        self.first += mean
        self.pair += mean

    def value(self) -> Tensor:
        return self.both.sum(0) + self.second


class Unfreezing(nn.Module):
    """Trains its second layer from the fifth step on."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.steps = 0

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.second.requires_grad_(self.steps >= 5)
            self.steps += 1
        return self.second(self.first(x))


class OnParameter(nn.Module):
    """A number in an attribute of its weight, which a gradient hook counts up."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(WIDTH))
        self.weight.scale = 1.0
        self.weight.register_hook(self.count)

    def count(self, gradient: Tensor) -> Tensor:
        self.weight.scale *= 0.9
        return gradient * self.weight.scale

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight * self.weight.scale


class ExtraState(Kept):
    """As torch lets modules add to their state dicts."""

    calls = 0

    def learn(self, mean: Tensor) -> None:
        self.calls += 1

    def value(self) -> float:
        return 1 / (1 + self.calls)

    def get_extra_state(self) -> dict[str, int]:
        return {"calls": self.calls}

    def set_extra_state(self, state: dict[str, int]) -> None:
        self.calls = state["calls"]


class Cached(nn.Module):
    """Makes a table when it first needs one, in evaluation a larger one."""

    table: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        if self.table is None or len(self.table) < len(x):
            self.table = torch.linspace(0, 1, len(x)).unsqueeze(1)
        return x * (1 + self.table[: len(x)])


KINDS = (
    NonPersistent,
    ReplacedBuffer,
    Attribute,
    Counts,
    Annealed,
    Containers,
    Helpers,
    Numbers,
    Hooked,
    Chance,
    Averaged,
    Views,
    Unfreezing,
    OnParameter,
    ExtraState,
    Cached,
)


def job_of(*kinds: type[nn.Module], **training: Any) -> TrainingJob:
    """Layers of these kinds between two dense ones; the data is noisy, so best epochs vary."""

    def build(**_: Any) -> nn.Module:
        layers = [layer for kind in kinds for layer in (kind(), nn.Tanh())]
        return nn.Sequential(nn.Linear(5, WIDTH), *layers, nn.Linear(WIDTH, 3))

    given = {"epochs": 5, "lr": 0.5, "optimizer": "sgd", "momentum": 0.5} | training
    return make_job(make_trial_data(noise=1.5), build=build, **given)


def resumed(job: TrainingJob, epoch: int) -> Any:
    """Its epochs and outcomes where a process ended after this epoch and another went on."""
    kept: list[Callable[[], TrainingState]] = []
    steps = train_folds(job, keep=kept.append)
    for _ in range(epoch):
        next(steps)
    state = kept[-1]()
    header = Header(SETTING, epoch, job.training.epochs, 1, state.unkept)
    checkpoint = pack_trial(header, TrialState(state))
    steps.close()
    return ended(train_folds(job, past=unpack_trial(checkpoint).training))


def numbers(epochs: Any, outcomes: Any) -> list[Any]:
    """All that decides a row, to the last bit."""
    rows = [replace(fold, epoch_time_s=0.0) for one in epochs for fold in one.folds]
    told = [
        (
            one.best_epoch,
            one.losses,
            one.unkept,
            {k: v.tolist() for k, v in one.predictions.items()},
        )
        for one in outcomes
    ]
    weights = [{k: str(v) for k, v in one.state.items()} for one in outcomes]
    return [rows, told, weights]


kinds = st.lists(st.sampled_from(KINDS), min_size=1, max_size=3, unique=True)


@settings(max_examples=25, deadline=None)
@given(kinds=kinds, epoch=st.integers(1, 5), selection=st.sampled_from(["best", "last"]))
def test_an_interrupted_training_ends_as_if_undisturbed(
    kinds: list[type[nn.Module]], epoch: int, selection: str
) -> None:
    """Random models with random kinds of state, to the last bit."""
    job = job_of(*kinds, selection=selection)
    assert numbers(*resumed(job, epoch)) == numbers(*trained(job))


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_goes_on(kind: type[nn.Module]) -> None:
    """After the third of five epochs."""
    job = job_of(kind)
    assert numbers(*resumed(job, 3)) == numbers(*trained(job))


@pytest.mark.parametrize("kind", KINDS)
def test_the_best_epoch_is_a_training_that_ended_there(kind: type[nn.Module]) -> None:
    """All predictions of the chosen epoch are those of as many epochs and no more."""
    job = job_of(kind, lr=1.5, epochs=6)
    _, outcomes = trained(job)
    for place, outcome in enumerate(outcomes):
        assert outcome.unkept == ""
        ended = job_of(kind, lr=1.5, epochs=outcome.best_epoch, selection="last")
        (same,) = trained(replace(ended, folds=(place,)))[1]
        for role, probabilities in same.predictions.items():
            assert np.array_equal(outcome.predictions[role], probabilities), role


def test_the_best_epochs_above_are_not_all_the_last() -> None:
    """Else nothing would have been put back."""
    early = [
        outcome.best_epoch < 6
        for kind in KINDS
        for outcome in trained(job_of(kind, lr=1.5, epochs=6))[1]
    ]
    assert sum(early) > len(early) / 2


def through_a_file(value: Any) -> Any:
    """Written and read as weights are, so without executing anything."""
    buffer = io.BytesIO()
    torch.save(value, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=True)


@pytest.mark.parametrize("kind", KINDS)
def test_kept_weights_and_attributes_make_the_same_model(kind: type[nn.Module]) -> None:
    """In a model that another seed built, as an export does."""
    job = job_of(kind)
    inputs = torch.randn(7, 5)

    def model(seed: int) -> nn.Module:
        torch.manual_seed(seed)
        return job.build()

    first = model(1).train()
    for _ in range(3):
        first(inputs.clone())
    first.eval()(inputs)
    weights = through_a_file(kept_state_dict(first))
    given = through_a_file(attributes(first))
    second = model(2)
    second.load_state_dict(weights)
    assert restore_attributes(second, given) == ""
    assert torch.equal(second.eval()(inputs), first(inputs))


def test_torchs_own_layers_need_no_attributes() -> None:
    """Their state dict is all, and plain state dicts is what others read."""
    layers = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Dropout(0.1), nn.LSTM(2, 2))
    assert attributes(layers) is None
    assert attributes(nn.Sequential(Counts())) is not None


class Reading(nn.Linear):
    """Something that nothing can copy, beside a dense layer."""

    def __init__(self, thing: Any) -> None:
        super().__init__(5, 3)
        self.thing = thing


def a_generator() -> Iterator[int]:
    yield from range(10)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: open("/dev/null"), "TextIOWrapper"),  # noqa: SIM115
        (a_generator, "generator"),
        (lambda: map(abs, a_generator()), "map"),
    ],
)
def test_what_cannot_be_kept_is_named(make: Callable[[], Any], name: str) -> None:
    """In the outcome; a checkpoint says so, and nothing goes on from it."""
    job = make_job(build=lambda **_: Reading(make()), epochs=2)
    told = f"`thing` of Reading ({name})"
    assert [one.unkept for one in trained(job)[1]] == [told, told]
    with pytest.raises(CheckpointError, match="is not what it was"):
        resumed(job, 1)


@pytest.mark.parametrize(
    "thing",
    [
        torch.relu,
        lambda x: x,
        nn.ReLU,
        np,
        {"size": range(3), "dtype": torch.float32, "device": torch.device("cpu")},
        random,
        object(),
        Pair(1, "a"),
        frozenset({1}),
        1j,
    ],
    ids=lambda thing: type(thing).__name__,
)
def test_what_never_changes_is_no_finding(thing: Any) -> None:
    """Functions, classes and settings are those of the code."""
    job = make_job(build=lambda **_: Reading(thing), epochs=2)
    assert numbers(*resumed(job, 1)) == numbers(*trained(job))
    assert trained(job)[1][0].unkept == ""


def test_another_function_than_was_built_can_not_be_read_back() -> None:
    """Nothing that was read names what is to be called."""
    model = Reading(torch.relu)
    state = module_state(model)
    model.thing = torch.tanh
    later = state_of(through_a_file(module_state(model).plain()))
    assert restore_state(model, state) == ""
    assert model.thing is torch.relu
    assert restore_exactly(Reading(torch.relu), later) == "`thing` of Reading"


STEPS = Counter[str]()


def test_predictions_that_depend_on_something_outside_are_a_finding() -> None:
    """A global that the training counts up: the chosen epoch's predictions can't be made again."""

    class Global(nn.Linear):
        def forward(self, inputs: Tensor) -> Tensor:
            if self.training:
                STEPS["all"] += 1
            return super().forward(inputs) * (1 + STEPS["all"])

    job = make_job(make_trial_data(noise=2.0), build=lambda **_: Global(5, 3), epochs=6, lr=1.0)
    outcomes = trained(job)[1]
    early = [one for one in outcomes if one.best_epoch < 6]
    assert early
    assert all("outside of the model" in one.unkept for one in early)


def test_random_predictions_are_no_finding_of_this_kind() -> None:
    """They have one of their own."""

    class Random(nn.Linear):
        def forward(self, inputs: Tensor) -> Tensor:
            return super().forward(inputs) + torch.randn(3)

    job = make_job(make_trial_data(noise=2.0), build=lambda **_: Random(5, 3), epochs=6, lr=1.0)
    assert {one.unkept for one in trained(job)[1]} == {""}


@pytest.mark.parametrize("kind", KINDS)
def test_looking_at_a_model_changes_nothing(kind: type[nn.Module]) -> None:
    """Whatever is done to it meanwhile."""
    torch.manual_seed(0)
    model = nn.Sequential(kind())
    before = module_state(model)
    with undisturbed(model):
        for _ in range(3):
            model(torch.randn(6, WIDTH))
        model.eval()
    assert restore_exactly(model, before) == ""
    assert all(one.training for one in model.modules())


def test_gradients_are_set_aside_while_a_model_is_looked_at() -> None:
    """A backward pass adds to none of them, and none is left where there was none."""
    model = nn.Linear(2, 1)
    model.weight.grad = gradient = torch.ones(1, 2)
    with undisturbed(model):
        model(torch.ones(3, 2)).sum().backward()
    assert model.weight.grad is gradient
    assert gradient.tolist() == [[1.0, 1.0]]
    assert model.bias.grad is None
