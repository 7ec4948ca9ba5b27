"""A batched model is accepted only where whole training steps leave what the loop's leave."""

import os
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, spectral_norm, weight_norm

from harness.training.backends.batched.operators import GivenMasks
from harness.training.backends.batched.support import obstacle
from harness.training.backends.fold_run import build_model, epoch_batches, start_folds
from harness.training.backends.selection import Agreement, BackendChoice
from harness.training.trial import TrialResult, trial_steps
from harness.training.trial_leaks import SharedStorage
from harness.training.types import TrainingJob
from tests.builders import (
    build_linear,
    make_job,
    make_trial_data,
    make_trial_job,
    run_unwatched,
    trained,
)
from tests.stacked import assert_same, small_job, small_net, values

DATA = make_trial_data(n=60, input_shape=(2, 5))
N = 6  # width


class Built(nn.Module):
    """A model whose forward pass is a function of it and its input (batch, 2, 5)."""

    def __init__(self, forward: Callable[..., Tensor], **modules: Any) -> None:
        super().__init__()
        self.run = forward
        self.head = nn.Linear(N, 3)
        for name, module in modules.items():
            setattr(self, name, module)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.head(self.run(self, inputs))


def flat(layer: nn.Module) -> nn.Module:
    """With the layer on vectors of N numbers, of which several examples are a batch."""
    return Built(lambda self, x: self.layer(self.enter(x.flatten(1))), enter=nn.Linear(10, N),
                 layer=layer)  # fmt: skip


def along(layer: nn.Module) -> nn.Module:
    """With the layer on N channels along time."""
    return Built(lambda self, x: self.layer(self.enter(x)).mean(2), enter=nn.Conv1d(2, N, 3),
                 layer=layer)  # fmt: skip


def tokens(layer: nn.Module) -> nn.Module:
    """With the layer on ten ids from 0 to 9."""

    def run(self: Any, x: Tensor) -> Tensor:
        vectors = self.layer((x.flatten(1) * 3).round().long().abs().clamp(0, 9))
        return vectors.mean(1) if vectors.dim() == 3 else vectors

    return Built(run, layer=layer)


def attending(forward: Callable[..., Tensor], layer: nn.Module) -> nn.Module:
    """With attention over five tokens of N numbers."""
    return Built(lambda self, x: forward(self.layer, self.enter(x.transpose(1, 2))).mean(1),
                 enter=nn.Linear(2, N), layer=layer)  # fmt: skip


def heads(**options: Any) -> nn.Module:
    return nn.MultiheadAttention(N, 2, batch_first=True, **options)


def verdict(make: Callable[[], nn.Module], **more: Any) -> str | None:
    """The obstacle that keeps such models from being one."""
    job = make_job(DATA, build=lambda *, input_shape, num_classes: make(), batch_size=8, **more)
    return obstacle(job)


def turned_weight() -> nn.Module:
    model = flat(nn.Linear(N, N))
    model.layer.weight = nn.Parameter(model.layer.weight.detach().t().clone())
    assert not model.layer.weight.is_contiguous()
    return model


SAME: dict[str, Callable[[], nn.Module]] = {
    "padding": lambda: tokens(nn.Embedding(10, N, padding_idx=0)),
    "padding from the end": lambda: tokens(nn.Embedding(10, N, padding_idx=-2)),
    "max_norm": lambda: tokens(nn.Embedding(10, N, padding_idx=0, max_norm=1.0)),
    "by frequency": lambda: tokens(nn.Embedding(10, N, padding_idx=1, scale_grad_by_freq=True)),
    "bag": lambda: tokens(nn.EmbeddingBag(10, N, padding_idx=0)),
    "BatchNorm": lambda: flat(nn.BatchNorm1d(N)),
    "BatchNorm without statistics": lambda: flat(nn.BatchNorm1d(N, track_running_stats=False)),
    "InstanceNorm": lambda: along(nn.InstanceNorm1d(N, affine=True, track_running_stats=True)),
    "GroupNorm": lambda: along(nn.GroupNorm(2, N)),
    "a weight laid out column by column": turned_weight,
    "LayerNorm": lambda: flat(nn.LayerNorm(N)),
    "dropout": lambda: flat(nn.Dropout(0.3, inplace=True)),
    "dropout of channels": lambda: along(nn.Dropout1d(0.3)),
    "maxima": lambda: along(nn.MaxPool1d(2)),
    "weight_norm": lambda: flat(parametrizations.weight_norm(nn.Linear(N, N))),
    "orthogonal": lambda: flat(parametrizations.orthogonal(nn.Linear(N, N))),
    "attention": lambda: attending(lambda m, x: m(x, x, x)[0], heads(dropout=0.2)),
    "attention, masked": lambda: attending(
        lambda m, x: m(x, x, x, key_padding_mask=(x[..., 0] > 1) & (torch.arange(5) > 0))[0],
        heads(add_bias_kv=True),
    ),
    "transformer": lambda: attending(
        lambda m, x: m(x), nn.TransformerEncoderLayer(N, 2, 8, dropout=0.2, batch_first=True)
    ),
}  # fmt: skip


@pytest.mark.parametrize("make", SAME.values(), ids=SAME)
@pytest.mark.filterwarnings("ignore:There is a performance drop")
def test_layers_that_are_accepted_train_as_in_the_loop(make: Callable[[], nn.Module]) -> None:
    """Weights, buffers and scores of three epochs, in float64."""
    assert verdict(make, weight_decay=0.1) is None
    build = lambda *, input_shape, num_classes: make()  # noqa: E731
    assert_same(small_job(data=DATA, build=build, optimizer="sgd", momentum=0.9, weight_decay=0.1,
                          lr=0.05, epochs=3, batch_size=8))  # fmt: skip


@pytest.mark.parametrize(
    "training",
    [{"optimizer": "sgd", "momentum": 0.9}, {"optimizer": "adamw"}, {"precision": "bf16"},
     {"augmentation": {"mixup": {"alpha": 0.4}}}, {"gradient_clip": 0.01}],
    ids=lambda one: str(one),
)  # fmt: skip
def test_models_in_float32_are_looked_at_in_float64(training: dict[str, Any]) -> None:
    """However they are trained."""
    assert verdict(SAME["LayerNorm"], **training) is None
    assert verdict(SAME["attention"], **training) is None


UNSTACKABLE: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "LSTM": (lambda: Built(lambda self, x: self.layer(x.transpose(1, 2))[0][:, -1],
                           layer=nn.LSTM(2, N, batch_first=True)), "aten::lstm"),
    "sparse gradients": (lambda: tokens(nn.Embedding(10, N, sparse=True)), "sparse"),
    "statistics of all batches": (lambda: flat(nn.BatchNorm1d(N, momentum=None)), ".item()"),
    "chance that torch draws itself": (lambda: flat(nn.AlphaDropout(0.3)), "random numbers"),
    "spectral_norm": (lambda: flat(parametrizations.spectral_norm(nn.Linear(N, N))), "div.out"),
    "spectral_norm by a hook": (lambda: flat(spectral_norm(nn.Linear(N, N))), "a hook on a module"),
    "weight_norm by a hook": (lambda: flat(weight_norm(nn.Linear(N, N))), "a hook on a module"),
}  # fmt: skip


@pytest.mark.parametrize(("make", "text"), UNSTACKABLE.values(), ids=UNSTACKABLE)
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_other_layers_take_the_loop(make: Callable[[], nn.Module], text: str) -> None:
    """Each for a reason that is given."""
    assert text in (verdict(make) or "")


def frozen_by_hook() -> nn.Module:
    model = flat(nn.ReLU())
    model.enter.weight.register_hook(lambda gradient: gradient * 0)
    return model


def emptied_after_accumulation() -> nn.Module:
    model = flat(nn.ReLU())
    model.enter.weight.register_post_accumulate_grad_hook(lambda one: one.grad.zero_())
    return model


def module_hook(kind: str, hook: Any) -> Callable[[], nn.Module]:
    def make() -> nn.Module:
        model = flat(nn.ReLU())
        getattr(model.layer, kind)(hook)
        return model

    return make


def hook_in_forward(self: Any, x: Tensor) -> Tensor:
    hidden = self.enter(x.flatten(1))
    if hidden.requires_grad:
        hidden.register_hook(lambda gradient: gradient.clamp(-1, 1))
    return hidden


class Hidden(nn.Module):
    """Weights in a list, which its own `parameters` gives to the optimizer."""

    def __init__(self) -> None:
        super().__init__()
        self.weights, self.head = [nn.Parameter(torch.randn(10, N))], nn.Linear(N, 3)

    def parameters(self, recurse: bool = True) -> Any:
        yield from (*self.weights, *super().parameters(recurse))

    def forward(self, inputs: Tensor) -> Tensor:
        return self.head(inputs.flatten(1) @ self.weights[0])


class StaysInEvaluation(nn.Dropout):
    def train(self, mode: bool = True) -> Any:
        return super().train(False)


def with_views() -> nn.Module:
    model = flat(nn.Linear(N, N))
    model.turned = nn.Linear(N, N)
    model.turned.weight = nn.Parameter(model.layer.weight.data.t())
    return model


SHARED = nn.Parameter(torch.ones(10, N))
CALLS = {"n": 0}


def closing_over() -> nn.Module:
    weight = nn.Parameter(torch.ones(10, N))
    return Built(lambda self, x: x.flatten(1) @ weight)


def counting_globally(self: Any, x: Tensor) -> Tensor:
    CALLS["n"] += self.training
    return x.flatten(1)[:, :N]


def counting_evaluations(self: Any, x: Tensor) -> Tensor:
    self.evaluations = getattr(self, "evaluations", 0) + (not self.training)
    return x.flatten(1)[:, :N]


def counting_in_an_object() -> nn.Module:
    def run(self: Any, x: Tensor) -> Tensor:
        self.state.n += 1
        return x.flatten(1)[:, :N]

    class State:
        n = 0

    return Built(run, state=State())


def unfreezing(**how: bool) -> nn.Module:
    """A frozen layer that the forward pass has trained from the first step on."""

    def run(self: Any, x: Tensor) -> Tensor:
        if "at once" in how:
            self.enter.requires_grad_(True)
        else:
            self.enter.weight.requires_grad = True
        y: Tensor = self.enter(x.flatten(1))
        return y

    return Built(run, enter=nn.Linear(10, N).requires_grad_(False))


def drawing_itself() -> nn.Module:
    own = random.Random(1)
    return Built(lambda self, x: x.flatten(1)[:, :N] * own.random())


REFUSED: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "a weight frozen by a hook": (frozen_by_hook, "a hook on a parameter's gradient"),
    "a hook after accumulation": (emptied_after_accumulation, "a hook on a parameter's gradient"),
    "a backward hook": (
        module_hook("register_full_backward_hook", lambda m, given, own: (given[0] * 0,)),
        "a hook on a module (ReLU)",
    ),
    "a forward hook": (
        module_hook("register_forward_hook", lambda m, given, own: own * 2),
        "a hook on a module (ReLU)",
    ),
    "a hook on what forward makes": (
        lambda: Built(hook_in_forward, enter=nn.Linear(10, N)),
        "the forward pass asks what is trained",
    ),
    "layers in a list": (
        lambda: Built(lambda self, x: self.all[0](x.flatten(1)), all=[nn.Linear(10, N)]),
        "a trained tensor that is none of its parameters",
    ),
    "layers in a dict": (
        lambda: Built(lambda self, x: self.all["a"](x.flatten(1)), all={"a": nn.Linear(10, N)}),
        "a trained tensor that is none of its parameters",
    ),
    "a weight in a closure": (closing_over, "a trained tensor that is none of its parameters"),
    "a weight of the file": (
        lambda: Built(lambda self, x: x.flatten(1) @ SHARED),
        "a trained tensor that is none of its parameters",
    ),
    "parameters of its own": (Hidden, "Hidden has a `parameters` of its own"),
    "a train of its own": (
        lambda: flat(StaysInEvaluation(0.5)), "StaysInEvaluation has a `train` of its own"
    ),
    "views of one tensor": (with_views, "two tensors of the model share their memory"),
    "a counter of the file": (
        lambda: Built(counting_globally), "a training step changes `CALLS` around Built"
    ),
    "a counter of evaluations": (
        lambda: Built(counting_evaluations), "an evaluation changes `evaluations` of Built"
    ),
    "a counter in an object": (counting_in_an_object, "a training step changes `state` of Built"),
    "chance of its own": (drawing_itself, "a training step changes `run` of Built"),
    "layers that are unfrozen": (
        lambda: unfreezing(**{"at once": True}), "the forward pass changes what is trained"
    ),
    "a weight that is unfrozen": (unfreezing, "the forward pass changes what is trained"),
    "an input that is changed": (
        lambda: Built(lambda self, x: x.mul_(2).flatten(1)[:, :N]),
        "gives other logits than in the loop",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("make", "text"), REFUSED.values(), ids=REFUSED)
def test_what_would_train_otherwise_is_refused(make: Callable[[], nn.Module], text: str) -> None:
    """Before anything trains, in words that name it."""
    assert text in (verdict(make) or "")


def test_folds_that_share_a_layer_train_in_no_way() -> None:
    """It was made once for all models that are built."""
    layer = nn.Linear(10, N)
    with pytest.raises(SharedStorage, match="weight is one tensor in several models"):
        verdict(lambda: Built(lambda self, x: self.all(x.flatten(1)), all=layer))


class Schedules(nn.Module):
    """What it does depends on something that no look at the model shows."""

    def __init__(self, n: int, num_classes: int) -> None:
        super().__init__()
        self.head = nn.Linear(n, num_classes)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.head(inputs) * (0.5 if "LATER" in os.environ else 1.0)


def test_what_changes_while_it_trains_is_seen_and_begins_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The trial's rows are the loop's, and so is the choice for all that have the shape."""
    revised: list[BackendChoice] = []
    known = BackendChoice("vectorized", "measured", 2.0)
    agreement = Agreement(lambda key, find: known, lambda key, choice: revised.append(choice))
    told: list[str] = []
    steps = trial_steps(
        make_trial_job(training={"epochs": 120}),
        make_trial_data(),
        build=lambda *, input_shape, num_classes: Schedules(input_shape[0], num_classes),
        agreement=agreement,
        tell=told.append,
    )
    numbers = [next(steps).rows[0]["epoch"] for _ in range(3)]
    monkeypatch.setenv("LATER", "1")
    numbers += [next(steps).rows[0]["epoch"] for _ in range(120)]
    assert numbers == [1, 2, 3, *range(1, 121)]
    result = next(steps)
    assert isinstance(result, TrialResult)
    rows = result.rows
    assert rows.trial["fold_execution"] == "loop"
    assert [row["epoch"] for row in rows.epochs if row["fold"] == 1] == [*range(1, 121)]
    assert [choice.obstacle for choice in revised] == [True]
    assert "in epoch 4, a training step of fold 1 gives other logits than in the loop" in told[0]


def test_a_trial_that_trained_as_the_loop_says_how_far_it_looked() -> None:
    """The next trial of the shape compares only what lies beyond."""
    revised: list[BackendChoice] = []
    known = BackendChoice("vectorized", "measured", 2.0, compared=10)
    agreement = Agreement(lambda key, find: known, lambda key, choice: revised.append(choice))
    job = make_trial_job(training={"epochs": 120})
    steps = trial_steps(job, make_trial_data(), build=build_linear, agreement=agreement)
    assert sum(1 for _ in steps) == 120 + 1  # and the result
    assert [(one.execution, one.compared) for one in revised] == [("vectorized", 360)]


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_comparing_leaves_the_training_as_it_was(optimizer: str) -> None:
    """To the last bit: weights, buffers, what the optimizer keeps, and what is drawn."""
    job = replace(
        make_job(DATA, build=small_net, epochs=3, lr=0.01, optimizer=optimizer),
        execution="vectorized",
    )
    plain, compared = (
        [[values(one) for one in epoch.folds] for epoch in trained(one_job)[0]]
        for one_job in (job, replace(job, compare_from=0))
    )
    assert compared == plain


def test_the_masks_of_a_graphics_card_are_given_to_the_loop() -> None:
    """Dropout draws others there; with the same masks the steps are the same."""
    mask = torch.tensor([[2.0, 0.0, 2.0, 0.0]])
    with GivenMasks([mask, mask]):
        dropped = nn.functional.dropout(torch.ones(1, 4), 0.5)
        query = torch.eye(4).view(1, 1, 4, 4)
        plain = nn.functional.scaled_dot_product_attention(query, query, query)
    assert dropped.tolist() == mask.tolist()
    assert torch.equal(plain, nn.functional.scaled_dot_product_attention(query, query, query))


@pytest.mark.parametrize("seed", range(12))
def test_random_models_train_as_plain_pytorch_does(seed: int) -> None:
    """Loop beside a loop by hand, and the batched model beside both, in float64."""
    draw = random.Random(seed)
    job = small_job(data=DATA, build=lambda **_: drawn_model(random.Random(seed)), epochs=2,
                    batch_size=8, lr=0.01, **drawn_training(draw))  # fmt: skip
    assert obstacle(job) is None
    assert_same(job)
    _, ends = trained(replace(job, execution="loop"))
    for index, end in enumerate(ends):
        for name, tensor in by_hand(job, index).items():
            torch.testing.assert_close(end.state[name], tensor, rtol=0, atol=1e-12, msg=name)


class Alternates(nn.Module):
    """Every third step trains the other layer, so that each gets no gradient in some steps."""

    def __init__(self) -> None:
        super().__init__()
        self.usual, self.other, self.head = nn.Linear(10, N), nn.Linear(10, N), nn.Linear(N, 3)
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def forward(self, inputs: Tensor) -> Tensor:
        self.steps += self.training
        layer = self.other if int(self.steps) % 3 == 2 else self.usual
        return self.head(torch.tanh(layer(inputs.flatten(1))))


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize(
    "make", [Alternates, lambda: tokens(nn.Embedding(10, N, sparse=True))], ids=["none", "sparse"]
)
def test_gradients_that_are_missing_or_sparse_train_as_in_plain_pytorch(
    make: Callable[[], nn.Module], momentum: float
) -> None:
    """In the loop, which the folds take; by SGD in float64, and as a whole trial."""
    training = {"optimizer": "sgd", "lr": 0.1, "momentum": momentum}
    job = small_job(data=DATA, build=lambda **_: make(), epochs=2, batch_size=8, selection="last",
                    **training)  # fmt: skip
    assert obstacle(job) is not None
    _, ends = trained(replace(job, execution="loop"))
    for index, end in enumerate(ends):
        for name, tensor in by_hand(job, index).items():
            torch.testing.assert_close(end.state[name], tensor, rtol=0, atol=1e-12, msg=name)
    trial = make_trial_job(training=training)
    row = run_unwatched(trial, DATA, build=lambda **_: make()).rows.trial
    assert row["status"] == "complete", row["error"]


class Unfreezes(nn.Module):
    """Begins to train its first layer with the third step."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head, self.steps = nn.Linear(10, N), nn.Linear(N, 3), 0
        self.body.requires_grad_(False)

    def forward(self, inputs: Tensor) -> Tensor:
        self.steps += self.training
        self.body.requires_grad_(self.steps > 2)
        return self.head(torch.tanh(self.body(inputs.flatten(1))))


@pytest.mark.parametrize(
    "training",
    [{"optimizer": "adam"}, {"optimizer": "adamw", "weight_decay": 0.1},
     {"optimizer": "sgd", "momentum": 0.9, "weight_decay": 0.1, "gradient_clip": 0.1}],
    ids=["adam", "adamw", "sgd"],
)  # fmt: skip
def test_what_is_unfrozen_later_trains_as_plain_pytorch_trains_it(training: dict[str, Any]) -> None:
    """In the loop, which the folds take whatever is asked for; in float64."""
    job = small_job(data=DATA, build=lambda **_: Unfreezes(), epochs=2, batch_size=8, lr=0.05,
                    selection="last", **training)  # fmt: skip
    assert obstacle(job) is not None
    _, ends = trained(replace(job, execution="loop"))
    for index, end in enumerate(ends):
        start = build_model(job, index).state_dict()
        assert not torch.equal(end.state["model.body.weight"], start["model.body.weight"])
        for name, tensor in by_hand(job, index).items():
            torch.testing.assert_close(end.state[name], tensor, rtol=0, atol=1e-12, msg=name)


def test_a_layer_that_stays_frozen_is_batched_and_keeps_its_weights() -> None:
    """Weight decay included."""

    def build(**_: Any) -> nn.Module:
        return Built(lambda self, x: torch.tanh(self.enter(x.flatten(1))),
                     enter=nn.Linear(10, N).requires_grad_(False))  # fmt: skip

    job = small_job(data=DATA, build=build, epochs=2, batch_size=8, lr=0.05, optimizer="sgd",
                    momentum=0.9, weight_decay=0.1)  # fmt: skip
    assert obstacle(job) is None
    assert_same(job)
    _, ends = trained(replace(job, execution="vectorized"))
    for index, end in enumerate(ends):
        start = build_model(job, index).state_dict()
        assert torch.equal(end.state["model.enter.weight"], start["model.enter.weight"])
        assert not torch.equal(end.state["model.head.weight"], start["model.head.weight"])


def drawn_training(draw: random.Random) -> dict[str, Any]:
    """An optimizer with or without clipping, decay and smoothing."""
    optimizer = draw.choice([{"optimizer": "adam"}, {"optimizer": "adamw", "weight_decay": 0.1},
                             {"optimizer": "sgd", "momentum": 0.9}])  # fmt: skip
    return {**optimizer, "selection": "last", "label_smoothing": draw.choice([0.0, 0.1]),
            "gradient_clip": draw.choice([None, 0.1])}  # fmt: skip


def drawn_model(draw: random.Random) -> nn.Module:
    """Three layers of a model, each of one kind of eight."""
    kinds: dict[str, Callable[[], nn.Module]] = {
        "linear": lambda: nn.Linear(N, N),
        "norm": lambda: Turned(draw.choice([nn.BatchNorm1d(N), nn.InstanceNorm1d(N, affine=True),
                                            nn.GroupNorm(2, N)])),
        "layer norm": lambda: nn.LayerNorm(N),
        "conv": lambda: Turned(nn.Conv1d(N, N, 3, padding=1)),
        "attention": lambda: Attends(heads(bias=False)),
        "dropout": lambda: nn.Dropout(0.0),
        "bend": lambda: draw.choice([nn.GELU(), nn.Tanh(), nn.SiLU()]),
        "residual": lambda: Residual(nn.Sequential(nn.Linear(N, N), nn.Tanh())),
    }  # fmt: skip
    layers = [kinds[draw.choice([*kinds])]() for _ in range(3)]
    first = draw.choice([Embedded(nn.Embedding(10, N, padding_idx=0)), Turned(nn.Linear(5, N))])
    start = nn.Sequential(Turned(nn.Linear(2, N)))
    enter = first if isinstance(first, Embedded) else start
    return nn.Sequential(enter, *layers, MeanOfTokens(), nn.Linear(N, 3))


class Turned(nn.Module):
    """A layer along the other dimension."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        turned: Tensor = self.layer(x.transpose(1, 2))
        return turned if isinstance(self.layer, nn.Linear) else turned.transpose(1, 2)


class Attends(Turned):
    """Attention of the tokens to each other."""

    def forward(self, x: Tensor) -> Tensor:
        mixed: Tensor = self.layer(x, x, x, need_weights=False)[0]
        return mixed


class Residual(Turned):
    """What comes in, and what a layer makes of it, through a buffer that counts."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__(layer)
        self.register_buffer("n_batches", torch.zeros((), dtype=torch.int64))

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.n_batches.add_(1)
        return x + self.layer(x)


class Embedded(Turned):
    """Ids from 0, which is padding, to 9."""

    def forward(self, x: Tensor) -> Tensor:
        vectors: Tensor = self.layer((x.flatten(1) * 3).round().long().abs().clamp(0, 9))
        return vectors


class MeanOfTokens(nn.Module):
    """(batch, tokens, N) to (batch, N)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(1)


def by_hand(job: TrainingJob, index: int) -> dict[str, Tensor]:
    """The state dict of a fold's model after plain steps of PyTorch on the same batches."""
    training, run = job.training, start_folds(job)[index]
    model = build_model(job, index)
    optimizers = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}
    options: dict[str, Any] = {"lr": training.lr, "weight_decay": training.weight_decay}
    if training.optimizer == "sgd":
        options["momentum"] = training.momentum
    optimizer = optimizers[training.optimizer](model.parameters(), **options)
    for epoch in range(1, training.epochs + 1):
        model.train()
        for inputs, targets in epoch_batches(run, epoch):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(
                model(inputs), targets, label_smoothing=training.label_smoothing
            )
            loss.backward()
            if training.gradient_clip is not None:
                nn.utils.clip_grad_norm_(model.parameters(), training.gradient_clip)
            optimizer.step()
    return model.state_dict()
