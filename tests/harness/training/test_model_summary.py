"""What is said of a model: its size and cost beside torch's own counts, and what is no logits."""

from typing import NamedTuple

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from harness.training.model_summary import (
    ModelCounts,
    build_on_meta,
    check_model,
    count,
    layer_table,
    torchinfo_summary,
    wrong_output,
)
from models import conv1d, conv1d_transformer, linear, vit

AUDIO = {"input_shape": (1, 144_000), "num_classes": 10}
SMALL = {"input_shape": (4,), "num_classes": 3}


# ---- counts


def test_a_linear_model():
    """64 inputs and 10 classes: 650 parameters, 640 products."""
    found = count(linear.build, arguments={}, input_shape=(1, 8, 8), num_classes=10)
    assert found == ModelCounts(650, 650, 640)


def test_multiply_adds_of_conv1d():
    """Output positions x channels x products each, hand-derived for the published sizes."""
    convolutions = 71_999 * 64 * 7 + 18_000 * 32 * (64 * 5) + 4_501 * 16 * (32 * 3)
    found = count(conv1d.build, arguments={}, **AUDIO)
    assert found == ModelCounts(4_621_978, 4_621_978, convolutions + 36_000 * 128 + 128 * 10)


@pytest.mark.parametrize("num_heads", [1, 4])
def test_multiply_adds_of_token_attention(num_heads):
    """Scores and mixing take 2 x tokens^2 x width products per attention block, any heads."""
    tokens, width, hidden = 2_251, 16, 1_024
    convolutions = 71_999 * 64 * 7 + 18_000 * 32 * (64 * 5) + 4_501 * 16 * (32 * 3)
    attention = tokens * width * 4 * width + 2 * tokens**2 * width
    expected = convolutions + 4 * attention + tokens * 2 * width * hidden + width * 10
    found = count(conv1d_transformer.build, arguments={"num_heads": num_heads}, **AUDIO)
    assert found == ModelCounts(50_842, 50_842, expected)


def test_multiply_adds_of_a_vision_transformer():
    """Every dense layer once per token: torchinfo's own count would be several times too small."""
    arguments = {"patch_size": 4, "width": 8, "depth": 2, "hidden_dim": 16, "num_heads": 2}
    shape = {"input_shape": (3, 8, 8), "num_classes": 10}
    tokens, width, hidden = 5, 8, 16
    block = tokens * (4 * width**2 + 2 * width * hidden) + 2 * tokens**2 * width
    expected = 4 * (3 * 4 * 4) * width + 2 * block + width * 10
    assert count(vit.build, arguments=arguments, **shape).mult_adds == expected
    undercounted = torchinfo_summary(vit.build, arguments=arguments, **shape, batch_size=1)
    assert undercounted.mult_adds < expected / 2


def test_frozen_parameters_are_counted_apart():
    """A frozen layer counts among the parameters, not among the trainable ones."""

    def build(*, input_shape, num_classes):
        model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, num_classes))
        model[0].requires_grad_(False)
        return model

    assert count(build, arguments={}, **SMALL) == ModelCounts(35, 15, 28)


def test_shared_parameters_are_counted_once():
    """A layer used twice has its parameters once and its products twice."""

    def build(*, input_shape, num_classes):
        shared = nn.Linear(4, 4)
        return nn.Sequential(shared, shared, nn.Linear(4, num_classes))

    assert count(build, arguments={}, **SMALL) == ModelCounts(35, 35, 44)


class Lookup(nn.Module):
    """An embedding and an LSTM, as a text model has them."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(10, 4)
        self.lstm = nn.LSTM(4, 8, batch_first=True)
        self.head = nn.Linear(8, num_classes)

    def forward(self, ids):
        return self.head(self.lstm(self.embedding(ids))[0][:, -1])


def test_integer_inputs():
    """Ids are int64; an LSTM step multiplies 4 gates x 8 units by 4 inputs and 8 states."""
    found = count(
        lambda *, input_shape, num_classes: Lookup(num_classes),
        arguments={},
        input_shape=(5,),
        num_classes=3,
        input_dtype="int64",
    )
    assert found.mult_adds == 5 * (4 * 8 * (4 + 8)) + 8 * 3


# ---- models that the meta device refuses


def build_from_values(*, input_shape, num_classes):
    """Looks at its own weights while it is built: impossible without memory."""
    layer = nn.Linear(4, num_classes)
    assert layer.weight.sum().item() != 0
    return layer


class LooksAtData(nn.Module):
    """Branches on a value: its forward can't run without memory. Holds attention, too."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.head = nn.Linear(4, num_classes)

    def forward(self, x):
        q = x.view(-1, 1, 2, 2)  # (batch, 1 head, 2 tokens, 2)
        x = F.scaled_dot_product_attention(q, q, q).flatten(start_dim=1)
        return self.head(x) if x.sum().item() >= 0 else self.head(-x)


class Broken(nn.Linear):
    """Fails whenever it runs."""

    def forward(self, x):
        raise TypeError("broken")


def test_a_build_that_needs_memory_is_done_on_the_cpu():
    """Its counts are those of any linear layer."""
    assert count(build_from_values, arguments={}, **SMALL) == ModelCounts(15, 15, 12)
    assert check_model(build_from_values, arguments={}, **SMALL) is None


def test_a_forward_that_needs_memory_is_counted_on_the_cpu():
    """Attention included: 2 x tokens^2 x width = 16 products beside the dense layer's 12."""
    found = count(lambda *, input_shape, num_classes: LooksAtData(3), arguments={}, **SMALL)
    assert found == ModelCounts(15, 15, 16 + 12)


def test_a_model_that_never_runs_has_no_multiply_adds():
    """Parameters are known all the same; the failure itself is the trial's."""

    def build(*, input_shape, num_classes):
        return Broken(4, num_classes)

    assert count(build, arguments={}, **SMALL) == ModelCounts(15, 15, None)
    assert check_model(build, arguments={}, **SMALL) is None


def test_arguments_that_hold_real_arrays_end_on_the_meta_device():
    """An embedding matrix given to build does not leave a tensor behind on the CPU."""
    matrix = torch.ones(10, 4)

    def build(*, input_shape, num_classes, embedding):
        return nn.Sequential(
            nn.Embedding.from_pretrained(embedding), nn.Flatten(), nn.Linear(8, num_classes)
        )

    shape = {"input_shape": (2,), "num_classes": 3}
    model = build_on_meta(build, arguments={"embedding": matrix}, **shape)
    assert {p.device.type for p in model.parameters()} == {"meta"}
    assert not model.training
    found = count(build, arguments={"embedding": matrix}, **shape, input_dtype="int64")
    assert found == ModelCounts(67, 27, 24)


@pytest.mark.parametrize("build", [linear.build, build_from_values])
def test_random_numbers_are_left_alone(build):
    """What is drawn after an inspection is what would have been drawn without it."""
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    count(build, arguments={}, **SMALL)
    check_model(build, arguments={}, **SMALL)
    layer_table(build, arguments={}, **SMALL)
    assert torch.equal(torch.rand(3), expected)


# ---- problems


def test_a_model_that_fits_has_no_problem():
    """None, and also for the shipped default."""
    assert check_model(vit.build, arguments={}, input_shape=(3, 32, 32), num_classes=10) is None


def test_an_impossible_configuration_is_told_in_the_models_words():
    """The text of build's ValueError, unchanged."""
    found = check_model(
        vit.build, arguments={"num_heads": 10}, input_shape=(3, 32, 32), num_classes=10
    )
    assert found.startswith("num_heads 10 does not divide width 48; num_heads that do: 1, 2, 3, 4")


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: nn.Linear(4, 7), "gives shape (2, 7) for 2 examples, not logits (2, 3)"),
        (lambda: nn.Flatten(0), "gives shape (8,) for 2 examples"),
        (lambda: nn.LSTM(4, 3), "gives tuple of 2 for 2 examples"),
    ],
)
def test_an_output_of_another_shape_is_a_problem(make, text):
    """forward must give (batch, num_classes)."""
    found = check_model(lambda *, input_shape, num_classes: make(), arguments={}, **SMALL)
    assert text in found


def test_other_exceptions_are_the_trials():
    """A bug in build is no mistake of the benchmark file."""

    def build(*, input_shape, num_classes):
        raise KeyError("a bug")

    assert check_model(build, arguments={}, **SMALL) is None
    with pytest.raises(KeyError):
        count(build, arguments={}, **SMALL)


CPU = torch.device("cpu")


class Output(NamedTuple):
    """As torchvision's Inception gives in training."""

    logits: torch.Tensor
    aux_logits: torch.Tensor


def test_logits_of_any_floating_type_are_right() -> None:
    """Also in double and half precision."""
    for dtype in (torch.float32, torch.float64, torch.bfloat16):
        logits = torch.zeros(4, 3, dtype=dtype)
        assert wrong_output(logits, batch_size=4, num_classes=3, device=CPU) is None


@pytest.mark.parametrize(
    ("output", "found"),
    [
        ((torch.zeros(4, 3), torch.zeros(4, 8)), "tuple of 2"),
        (Output(torch.zeros(4, 3), torch.zeros(4, 3)), "Output of 2"),
        ({"logits": torch.zeros(4, 3), "hidden": None}, "dict with logits, hidden"),
        (dict.fromkeys("abcdefg"), "dict with a, b, c, d, e and 2 more"),
        (None, "None"),
        ("logits", "str"),
        (torch.zeros(12), "shape (12,)"),
        (torch.zeros(4, 5), "shape (4, 5)"),
        (torch.zeros(4, 3, 1), "shape (4, 3, 1)"),
        (torch.zeros(4, 3).long(), "numbers of type torch.int64, which have no gradient,"),
        (torch.zeros(4, 3).bool(), "numbers of type torch.bool, which have no gradient,"),
        (
            torch.zeros(4, 3, device="meta"),
            "a tensor on meta, though its inputs lie on cpu,",
        ),
    ],
)
def test_what_is_given_instead_is_named(output: object, found: str) -> None:
    """Type, keys, shape, numbers, device: whatever is wrong."""
    text = wrong_output(output, batch_size=4, num_classes=3, device=CPU)
    assert text == f"forward gives {found} for 4 examples, not logits (4, 3)"


def test_without_a_device_any_will_do() -> None:
    """As where a model is looked at without memory."""
    assert wrong_output(torch.zeros(1, 3, device="meta"), batch_size=1, num_classes=3) is None
    assert wrong_output(torch.zeros(3), batch_size=1, num_classes=3) == (
        "forward gives shape (3,) for 1 example, not logits (1, 3)"
    )
