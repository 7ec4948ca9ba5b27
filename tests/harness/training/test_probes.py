"""Probes: every silent mistake is found in a model that makes it, and in no other."""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from harness.training import model_stats
from harness.training.backends import fold_run
from harness.training.model_stats import model_facts
from harness.training.probes import Probe, probe
from tests.builders import build_linear, make_job, make_trial_data, trained

HEALTHY = Probe(findings=(), n_parameters_without_gradient=0)


def probed(module: type[nn.Module], **data: Any) -> Probe:
    """The probe of a model class that takes no arguments; inputs (5,), three classes."""
    return probe(make_job(make_trial_data(**data), build=lambda **_: module()))


class Mlp(nn.Module):
    """Five inputs, three classes; what the flawed models are made of."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Linear(5, 8)
        self.head = nn.Linear(8, 3)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.head(torch.relu(self.hidden(inputs)))


class ZeroHead(Mlp):
    """Healthy: a head that starts at zero, behind a gate that starts at zero."""

    def __init__(self) -> None:
        super().__init__()
        nn.init.zeros_(self.head.weight)
        self.gate = nn.Parameter(torch.zeros(8))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        hidden = torch.relu(self.hidden(inputs))
        return self.head(hidden + self.gate * hidden)


class BatchNormalised(nn.Sequential):
    """Healthy: BatchNorm, dropout and a frozen layer."""

    def __init__(self) -> None:
        super().__init__(
            nn.Linear(5, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 3)
        )
        self[4].bias.requires_grad_(False)


@pytest.mark.parametrize("module", [Mlp, ZeroHead, BatchNormalised])
def test_healthy_models_give_no_findings(module: type[nn.Module]) -> None:
    """Zero-initialised heads, BatchNorm, dropout and frozen parameters are no flaws."""
    assert probed(module) == HEALTHY


def test_a_single_layer_that_starts_at_zero_is_healthy() -> None:
    """Softmax regression is convex: every start will do."""

    class Zero(nn.Linear):
        def __init__(self) -> None:
            super().__init__(5, 3)
            nn.init.zeros_(self.weight)

    assert probed(Zero) == HEALTHY


def test_a_layer_that_never_runs_is_dead() -> None:
    """Its gradient is None; 5 * 2 + 2 parameters."""

    class Unused(Mlp):
        def __init__(self) -> None:
            super().__init__()
            self.unused = nn.Linear(5, 2)

    assert probed(Unused) == Probe(("dead_parameters",), 12)


def test_a_layer_whose_output_is_cut_off_is_dead() -> None:
    """Its gradient is there and all zero: the layer runs, times 0."""

    class CutOff(Mlp):
        def __init__(self) -> None:
            super().__init__()
            self.side = nn.Linear(5, 3)

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            return super().forward(inputs) + 0 * self.side(inputs)

    assert probed(CutOff) == Probe(("dead_parameters",), 18)


def test_softmax_before_the_loss_is_found() -> None:
    """The loss takes logits; probabilities are squashed a second time."""

    class Softmax(Mlp):
        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            return F.softmax(super().forward(inputs), dim=1)

    assert probed(Softmax).findings == ("softmax_outputs",)


def test_dropout_that_stays_on_is_found() -> None:
    """functional.dropout without `training=` is random in evaluation too."""

    class Restless(Mlp):
        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            return self.head(F.dropout(torch.relu(self.hidden(inputs)), 0.5))

    assert probed(Restless).findings == ("random_evaluation",)


def test_a_classifier_that_sees_no_input_is_found() -> None:
    """The class token was added after the encoder: all before the head is dead."""

    class Blind(Mlp):
        def __init__(self) -> None:
            super().__init__()
            self.token = nn.Parameter(torch.randn(8))

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            hidden = self.hidden(inputs)
            tokens = torch.stack((self.token.expand_as(hidden), hidden), dim=1)
            return self.head(tokens[:, 0])

    found = probed(Blind)
    assert found.findings == ("dead_parameters", "input_independent")
    assert found.n_parameters_without_gradient == 5 * 8 + 8


def test_equal_examples_do_not_accuse_the_model() -> None:
    """Where the data itself is constant, equal logits are right."""
    data = make_trial_data()
    same = replace(data, inputs=(np.ones_like(data.inputs[0]),))
    assert "input_independent" not in probe(make_job(same)).findings


@pytest.mark.parametrize("name", ["init_weights", "_initialize_weights_", "reset_parameters"])
def test_an_initialiser_that_visits_no_layer_is_found(name: str) -> None:
    """It loops over children(), and the layers lie in a Sequential below."""

    def initialise(self: nn.Module) -> None:
        for layer in self.children():
            if isinstance(layer, nn.Linear):
                nn.init.xavier_uniform_(layer.weight)

    class Nested(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 3))
            getattr(self, name)()

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            return self.layers(inputs)

    setattr(Nested, name, initialise)
    assert probed(Nested).findings == ("untouched_initialiser",)
    setattr(Nested, name, lambda self: [initialise(layer) for layer in self.children()])
    assert probed(Nested) == HEALTHY


def test_an_initialiser_for_apply_is_tried_with_apply() -> None:
    """`_init_weights(module)` that looks for layers which the model has not."""

    class Applied(Mlp):
        kind: type[nn.Module] = nn.Conv2d

        def __init__(self) -> None:
            super().__init__()
            self.apply(self._init_weights)

        def _init_weights(self, module: nn.Module) -> None:
            if isinstance(module, self.kind):
                module.weight.data.normal_(0, 0.02)

    class Right(Applied):
        kind = nn.Linear

    assert probed(Applied).findings == ("untouched_initialiser",)
    assert probed(Right) == HEALTHY


def test_an_initialiser_that_cannot_be_called_again_accuses_no_one() -> None:
    """What it would have done can't be known."""

    class Once(Mlp):
        def init_weights(self) -> None:
            raise RuntimeError("already initialised")

    assert probed(Once) == HEALTHY


def test_an_initialiser_of_a_module_without_parameters_accuses_no_one() -> None:
    """A subclass of BatchNorm that has nothing to initialise."""

    class Plain(nn.BatchNorm1d):
        pass

    class Normalised(Mlp):
        def __init__(self) -> None:
            super().__init__()
            self.norm = Plain(5, affine=False)

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            return super().forward(self.norm(inputs))

    assert probed(Normalised) == HEALTHY


def test_weights_of_one_value_are_found() -> None:
    """Every layer filled with one number: units that can never differ."""

    class Constant(Mlp):
        def __init__(self) -> None:
            super().__init__()
            for parameter in self.parameters():
                nn.init.constant_(parameter, 0.01)

    assert "untouched_initialiser" in probed(Constant).findings


def test_a_wrong_output_shape_is_named() -> None:
    """Found and expected shapes, as an error of the model."""

    class Flat(Mlp):
        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            return super().forward(inputs).flatten()

    with pytest.raises(
        ValueError, match=r"gives shape \(12,\) for 4 examples, not logits \(4, 3\)"
    ):
        probed(Flat)


def test_more_outputs_than_classes_are_named() -> None:
    """The loss would take them in silence."""

    class Wide(Mlp):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(8, 4)

    with pytest.raises(
        ValueError, match=r"gives shape \(4, 4\) for 4 examples, not logits \(4, 3\)"
    ):
        probed(Wide)


class Counting(nn.Module):
    """Random in many ways, with state of every kind, as its arguments say."""

    def __init__(self, *, depth: int, dropout: float, normalise: bool, in_place: bool) -> None:
        super().__init__()
        blocks = [[nn.Linear(5, 5), nn.Dropout(dropout)] for _ in range(depth)]
        norms = [nn.BatchNorm1d(5)] if normalise else []
        self.body = nn.Sequential(*norms, *(layer for block in blocks for layer in block))
        self.head, self.in_place = nn.Linear(5, 3), in_place
        self.register_buffer("seen", torch.zeros(()), persistent=False)
        self.steps, self.log, self.scale = 0, [0], torch.ones(())

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        self.steps += 1
        self.log.append(self.steps)
        self.seen += 1
        self.scale = self.scale * 0.99
        if self.in_place:
            inputs -= 0.5
        noise = random.random() * np.random.rand() if self.training else 0.0
        return self.head(self.body(inputs)) * self.scale + noise


def is_same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return all(torch.equal(one[key], other[key]) for key in one)


@given(
    depth=st.integers(0, 2),
    dropout=st.sampled_from([0.0, 0.5]),
    normalise=st.booleans(),
    in_place=st.booleans(),
    seed=st.integers(0, 99),
)
@settings(max_examples=12, deadline=None)
def test_training_after_a_probe_is_that_without_to_the_bit(seed: int, **model: Any) -> None:
    """Losses and weights of random models that draw from every generator and count their steps."""
    data = make_trial_data(n=30)
    job = make_job(data, build=lambda **_: Counting(**model), seed=seed)
    epochs, outcomes = trained(job)
    states = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    probe(job)
    after = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    assert after == states
    again, others = trained(job)
    assert [row.train_loss for one in epochs for row in one.folds] == [
        row.train_loss for one in again for row in one.folds
    ]
    assert all(is_same(a.state, b.state) for a, b in zip(outcomes, others, strict=True))


def test_a_model_that_build_gives_out_twice_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights, buffers, counters, lists, modes and gradients, though the probe trains it.

    Folds that share it are refused later; the probe alone would not notice.
    """
    monkeypatch.setattr(fold_run, "refuse_shared_storage", lambda model: None)
    model = Counting(depth=1, dropout=0.5, normalise=True, in_place=True)
    model.head.eval()
    model.head.bias.grad = torch.ones(3)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    probe(make_job(build=lambda **_: model))
    assert is_same(before, model.state_dict())
    assert (model.steps, model.log, model.seen, model.scale) == (0, [0], 0, 1)
    assert [module.training for module in (model, model.body, model.head)] == [True, True, False]
    assert [p.grad is None for p in model.head.parameters()] == [True, False]
    assert model.head.bias.grad.tolist() == [1, 1, 1]


def test_inputs_that_a_model_changes_accuse_no_one() -> None:
    """Every pass gets a batch of its own, as in training."""

    class InPlace(Mlp):
        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            inputs -= 0.3
            return super().forward(inputs)

    assert probed(InPlace) == HEALTHY


def test_a_layer_that_chance_leaves_out_is_not_dead() -> None:
    """It runs in about one step of eight: four steps would miss it every second time."""

    class Skipping(Mlp):
        def __init__(self) -> None:
            super().__init__()
            self.skipped = nn.Linear(8, 8)

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            hidden = torch.relu(self.hidden(inputs))
            if not self.training or torch.rand(()) < 1 / 8:
                hidden = hidden + torch.relu(self.skipped(hidden))
            return self.head(hidden)

    assert probed(Skipping) == HEALTHY


def test_logits_without_a_gradient_are_named() -> None:
    """Backward would speak of element 0 of tensors."""

    class Detached(Mlp):
        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            return super().forward(inputs).detach()

    with pytest.raises(ValueError, match="logits without a gradient: no_grad, detach or numpy"):
        probed(Detached)


def test_an_output_that_is_wrong_in_one_mode_alone_is_named() -> None:
    """Helper outputs in training, classes in evaluation."""

    class InTraining(Mlp):
        mode = True

        def forward(self, inputs: torch.Tensor) -> Any:
            logits = super().forward(inputs)
            return (logits, logits) if self.training is self.mode else logits

    class InEvaluation(InTraining):
        mode = False

    for module in (InTraining, InEvaluation):
        with pytest.raises(ValueError, match=r"gives tuple of 2 for \d examples, not logits"):
            probed(module)


def test_a_single_example_is_tried_where_one_will_be_predicted_alone() -> None:
    """Squeezed, its logits lose their batch: found before the training, not after all of it."""

    class Squeezed(Mlp):
        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            return super().forward(inputs).squeeze()

    data = make_trial_data(n=60)
    job = make_job(data, build=lambda **_: Squeezed())
    assert probe(job) == HEALTHY
    folds = (replace(data.folds[0], test=data.folds[0].test[:1]), *data.folds[1:])
    job = replace(job, data=replace(data, folds=folds))
    with pytest.raises(ValueError, match=r"gives shape \(3,\) for 1 example, not logits \(1, 3\)"):
        probe(job)


def test_a_probe_leaves_the_shared_arrays_alone() -> None:
    """Read-only before, equal after."""
    data = make_trial_data()
    before = data.inputs[0].copy()
    probe(make_job(data))
    assert np.array_equal(data.inputs[0], before)


def test_facts_are_found_once_for_each_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second trial of a shape asks no one; without a key nothing is remembered."""
    calls = []
    monkeypatch.setattr(model_stats, "probe", lambda job: calls.append(job) or HEALTHY)
    job = make_job(build=build_linear)
    first = model_facts(job, key="test_probes")
    assert model_facts(job, key="test_probes") is first
    assert len(calls) == 1
    model_facts(job, key="")
    model_facts(job, key="")
    assert len(calls) == 3
    # five inputs to three classes: 15 weights, 3 biases; a bias is no multiply-add
    assert (first.n_parameters, first.n_parameters_trainable, first.mult_adds) == (18, 18, 15)


def test_a_model_that_writes_into_its_input_is_healthy() -> None:
    """Every pass gets its own batch, so it standardises no batch twice."""

    class InPlace(Mlp):
        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            inputs -= 0.3
            inputs /= 0.5
            return super().forward(inputs)

    assert probed(InPlace) == HEALTHY


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
