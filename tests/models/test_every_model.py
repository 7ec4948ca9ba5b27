"""What every file of models/ promises; a new file is picked up by itself."""

import inspect
from contextlib import suppress
from dataclasses import replace
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest
import torch
from torch.func import functional_call, stack_module_state, vmap
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

import models
from harness.training.probes import probe
from tests.builders import make_job, make_trial_data

FOLDER = Path(models.__file__).parent
MODULES = {
    file.stem: import_module(f"models.{file.stem}")
    for file in sorted(FOLDER.glob("[!_]*.py"))
    if "def build(" in file.read_text(encoding="utf-8")
}
NUM_CLASSES = 5
INPUT_SHAPES = ((2, 8, 8), (2, 500), (2, 16, 16), (12,))  # the first that a model accepts
SMALL = {"depth": 2, "hidden_dim": 32}  # where a model has them
VARIANTS: dict[str, list[dict[str, Any]]] = {
    "cifar_cnn": [
        {"activation": "sigmoid", "extra_conv": True},
        {"activation": "sigmoid", "batch_norm": True, "dropout": 0.5, "initialisation": "xavier"},
        {"initialisation": "xavier_noop"},
    ],
    "conv1d": [{"unused_batch_norm": False}],
    "conv1d_channel_transformer": [{"num_heads": 3}],
    "conv1d_transformer": [{"attention": "published"}, {"num_heads": 1}],
    "bag_of_tokens": [{"pool": "mean"}],
    "text_transformer": [{"pool": "cls"}, {"num_heads": 1}],
    "vit": [
        {"cls_position": "none"},
        {"patch_stride": 2},
        {"cls_layer": 1},
        {"num_heads": 1, "patch_size": 2},
    ],
}
FOUND = {  # documented in the models: the flaws of what was published
    "conv1d": {"dead_parameters"},
    "conv1d-False": set(),
    "conv1d_transformer-published": {"unmixed_tokens"},
    "cifar_cnn-xavier_noop": {"untouched_initialiser"},
}
WITHOUT_GRADIENT = {"conv1d": "batch_norm"}  # documented in the model: part of the name


class Case(NamedTuple):
    """One model with some of its hyper-parameters, small enough to train."""

    name: str
    arguments: dict[str, Any]

    @property
    def module(self) -> ModuleType:
        return MODULES[self.name]

    def build(self, *, seed: int = 0, **more: Any) -> torch.nn.Module:
        torch.manual_seed(seed)
        return self.module.build(
            input_shape=self.input_shape, num_classes=NUM_CLASSES, **{**self.small, **more}
        )

    @property
    def small(self) -> dict[str, Any]:
        """Its hyper-parameters with the sizes that are not given made small."""
        known = inspect.signature(self.module.build).parameters
        return {key: value for key, value in SMALL.items() if key in known} | self.arguments

    @property
    def input_shape(self) -> tuple[int, ...]:
        return input_shape_of(self.name)

    def inputs(self, n: int = 6) -> torch.Tensor:
        generator = torch.Generator().manual_seed(1)
        if not self.takes_ids:
            return torch.randn(n, *self.input_shape, generator=generator)
        ids = torch.randint(1, 40, (n, *self.input_shape), generator=generator)
        ids[::2, -3:] = 0  # every second text is shorter
        return ids

    def other_inputs(self, n: int, shift: int) -> torch.Tensor:
        """Inputs for float64 models that differ with `shift`; padding stays padding."""
        inputs = self.inputs(n)
        return (inputs + shift) * (inputs > 0) if self.takes_ids else inputs.double() + shift

    @property
    def takes_ids(self) -> bool:
        return "vocabulary_size" in inspect.signature(self.module.build).parameters

    @property
    def without_dropout(self) -> dict[str, float]:
        has_dropout = "dropout" in inspect.signature(self.module.build).parameters
        return {"dropout": 0.0} if has_dropout else {}


@cache
def input_shape_of(name: str) -> tuple[int, ...]:
    """The first shape for which the model has a configuration at all."""
    for shape in INPUT_SHAPES:
        with suppress(ValueError), torch.device("meta"):
            MODULES[name].build(input_shape=shape, num_classes=NUM_CLASSES)
            return shape
    raise LookupError(f"{name} takes none of {INPUT_SHAPES}: add one that it takes")


CASES = [Case(name, arguments) for name in MODULES for arguments in [{}, *VARIANTS.get(name, [])]]
every_case = pytest.mark.parametrize(
    "case", CASES, ids=[f"{c.name}-{'-'.join(map(str, c.arguments.values()))}" for c in CASES]
)
every_model = pytest.mark.parametrize("name", list(MODULES))


def test_the_shipped_models_are_found():
    """The four models of the reports are among those tested here."""
    assert {"linear", "vit", "conv1d", "conv1d_transformer"} <= set(MODULES)


@every_model
def test_a_model_says_what_it_is(name):
    """The file and its build explain themselves, shapes included."""
    assert MODULES[name].__doc__
    assert "num_classes)" in MODULES[name].build.__doc__ or "logits" in MODULES[name].build.__doc__


@every_model
def test_the_signature_can_be_read_without_importing(name):
    """Keyword-only, every hyper-parameter with an annotation and a literal default."""
    parameters = inspect.signature(MODULES[name].build).parameters.values()
    assert all(p.kind is p.KEYWORD_ONLY and p.annotation is not p.empty for p in parameters)
    hyper = [p for p in parameters if p.name not in ("input_shape", "num_classes")]
    assert all(isinstance(p.default, int | float | bool | str | None) for p in hyper)


@every_case
def test_forward_gives_one_row_of_logits_per_example(case):
    """(n, *input_shape) becomes (n, num_classes), finite, and no softmax was applied."""
    logits = case.build().eval()(case.inputs(6))
    assert logits.shape == (6, NUM_CLASSES)
    assert logits.isfinite().all()
    assert not torch.allclose(logits.sum(dim=1), torch.ones(6))


@every_case
def test_examples_do_not_touch_each_other(case):
    """Logits of an example are the same alone and in a batch."""
    model, inputs = case.build().eval(), case.inputs(3)
    alone = torch.cat([model(inputs[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(model(inputs), alone, rtol=1e-4, atol=1e-5)


@every_case
def test_a_gradient_reaches_every_parameter(case):
    """After one backward pass no tensor is without a gradient but the documented ones."""
    model, inputs = case.build(**case.without_dropout), case.inputs(16)
    F.cross_entropy(model(inputs), torch.arange(16) % NUM_CLASSES).backward()
    dead = {n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()}
    documented = WITHOUT_GRADIENT.get(case.name)
    assert dead == {n for n, _ in model.named_parameters() if documented and documented in n}


@every_case
def test_a_seed_decides_the_initialisation(case):
    """The same seed gives the same weights, another seed other weights in every matrix."""
    first, same, other = case.build(seed=3), case.build(seed=3), case.build(seed=4)
    for (name, a), b, c in zip(
        first.named_parameters(), same.parameters(), other.parameters(), strict=True
    ):
        assert torch.equal(a, b), name
        assert a.ndim < 2 or not torch.equal(a, c), name


@every_case
def test_evaluation_is_not_random(case):
    """Two passes in evaluation mode agree."""
    model, inputs = case.build().eval(), case.inputs()
    assert torch.equal(model(inputs), model(inputs))


@every_case
def test_the_probes_find_what_is_documented(case):
    """Nothing where the file does not say so."""
    data = make_trial_data(n=12, num_classes=NUM_CLASSES, input_shape=case.input_shape)
    if case.takes_ids:
        data = replace(data, inputs=(case.inputs(12).numpy(),))
    job = make_job(data, build=case.module.build, model=case.small)
    job = replace(job, attention=getattr(case.module, "attention", None))
    named = "-".join((case.name, *map(str, case.arguments.values())))
    assert set(probe(job).findings) == FOUND.get(named, set())


@every_case
def test_the_state_survives_a_round_trip(case):
    """A model of another seed that loads the state gives the same logits."""
    model, other, inputs = case.build(seed=0).eval(), case.build(seed=1).eval(), case.inputs()
    assert not torch.equal(model(inputs), other(inputs))
    other.load_state_dict(model.state_dict())
    assert torch.equal(model(inputs), other(inputs))


@every_case
def test_the_inputs_are_left_as_they_were(case):
    """A forward and backward pass write nothing into the shared inputs."""
    inputs = case.inputs()
    before = inputs.clone()
    case.build()(inputs).sum().backward()
    assert torch.equal(inputs, before)


@every_case
def test_stacked_models_equal_their_loop(case):
    """Three models under vmap give the logits and gradients of each alone, in float64."""
    alone = [case.build(seed=s, **case.without_dropout).double().train() for s in range(3)]
    inputs = torch.stack([case.other_inputs(4, s) for s in range(3)])  # (3, 4, *input_shape)
    parameters, buffers = stack_module_state(alone)
    template = case.build(**case.without_dropout).double().to("meta").train()

    def forward(params, bufs, batch):
        return functional_call(template, (params, bufs), (batch,))

    with sdpa_kernel(SDPBackend.MATH):
        logits = vmap(forward, randomness="different")(parameters, buffers, inputs)
        expected = torch.stack([model(x) for model, x in zip(alone, inputs, strict=True)])
    torch.testing.assert_close(logits, expected, rtol=1e-9, atol=1e-9)

    (logits**2).sum().backward()
    (expected**2).sum().backward()
    for name, stacked in parameters.items():
        grads = [model.get_parameter(name).grad for model in alone]
        if grads[0] is not None:
            torch.testing.assert_close(stacked.grad, torch.stack(grads), rtol=1e-7, atol=1e-9)


@every_case
def test_dropout_can_be_stacked(case):
    """Training mode with the default dropout runs under vmap, different in every model."""
    alone = [case.build(seed=0).train() for _ in range(2)]
    parameters, buffers = stack_module_state(alone)
    template = case.build().to("meta").train()
    inputs = case.inputs(4)

    def forward(params, bufs):
        return functional_call(template, (params, bufs), (inputs,))

    with sdpa_kernel(SDPBackend.MATH):
        first, second = vmap(forward, randomness="different")(parameters, buffers)
    random = getattr(next((m for m in template.modules() if hasattr(m, "p")), None), "p", 0.0) > 0
    assert torch.equal(first, second) != random


@pytest.mark.parametrize("case", [c for c in CASES if hasattr(c.module, "attention")], ids=str)
def test_attention_is_what_it_says(case):
    """attention gives (batch, blocks, heads, tokens, tokens), rows of weights that sum to one."""
    weights = case.module.attention(case.build().eval(), case.inputs(3))
    assert weights.ndim == 5
    assert len(weights) == 3
    assert weights.shape[-1] == weights.shape[-2] > 1
    assert (weights >= 0).all()
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(weights.shape[:-1]))
    assert (weights.flatten(0, 2).std(dim=0) > 0).any()
