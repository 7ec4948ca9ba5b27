"""Examples that reach each other, and tokens that don't."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from harness.training.mixing_probes import weights_mix_tokens
from harness.training.probes import probe
from models.conv1d_transformer import PublishedAttention, TokenAttention
from tests.builders import make_job, make_trial_data

TOKENS, WIDTH = 6, 4


class Around(nn.Module):
    """Six tokens of width 4 through a layer, then a head on their mean."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.embed, self.layer, self.head = nn.Linear(2, WIDTH), layer, nn.Linear(WIDTH, 3)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.head(self.layer(self.embed(inputs)).mean(1))


class Function(nn.Module):
    """A layer with a dense layer of its own, made of a function of both."""

    def __init__(self, function: Callable[[nn.Linear, Tensor], Tensor]) -> None:
        super().__init__()
        self.dense, self.function = nn.Linear(WIDTH, WIDTH), function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self.dense, x)


class SelfAttention(nn.Module):
    """torch's own, as a layer."""

    def __init__(self, *, batch_first: bool, **options: Tensor) -> None:
        super().__init__()
        self.attend = nn.MultiheadAttention(WIDTH, 2, batch_first=batch_first)
        self.options = options

    def forward(self, x: Tensor) -> Tensor:
        return self.attend(x, x, x, **self.options)[0]


class TokensFirst(nn.Module):
    """(batch, tokens, width) given to a layer that takes (tokens, batch, width)."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x.transpose(0, 1)).transpose(0, 1)


class Functional(nn.Module):
    """One call of torch's attention, by a module that takes four axes, inside one of three."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.qkv, self.core = nn.Linear(WIDTH, 3 * WIDTH), layer

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).unflatten(-1, (3, 2, -1)).permute(2, 0, 3, 1, 4)
        return self.core(q, k, v).transpose(1, 2).flatten(2)


class Core(nn.Module):
    """Scaled dot products."""

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(q, k, v)


def encoder(*, batch_first: bool) -> nn.Module:
    return nn.TransformerEncoderLayer(WIDTH, 2, 8, dropout=0.0, batch_first=batch_first)


def found(layer: Callable[[], nn.Module], n_tokens: int = TOKENS) -> set[str]:
    """What the probe finds of mixing in a model around the layer."""
    data = make_trial_data(input_shape=(n_tokens, 2))
    findings = probe(make_job(data, build=lambda **_: Around(layer()))).findings
    return {code for code in findings if code in ("mixed_examples", "unmixed_tokens")}


# ---- examples


def test_attention_across_the_batch_is_both_flaws() -> None:
    """batch_first left out: examples see each other, tokens do not."""
    both = {"mixed_examples", "unmixed_tokens"}
    assert found(lambda: encoder(batch_first=False)) == both
    assert found(lambda: SelfAttention(batch_first=False)) == both


@pytest.mark.parametrize(
    "mix",
    [
        lambda dense, x: x * dense(x).softmax(0),
        lambda dense, x: dense(x) - x.mean(0),
        lambda dense, x: dense(x) / x.norm(),
        lambda dense, x: dense(x) + torch.arange(len(x)).view(-1, 1, 1),
        lambda dense, x: dense(x).reshape(x.shape[1], x.shape[0], -1).transpose(0, 1),
    ],
)
def test_examples_that_reach_each_other_are_found(
    mix: Callable[[nn.Linear, Tensor], Tensor],
) -> None:
    """A softmax over the batch, its mean, its norm, a position in it, axes in the wrong order."""
    assert found(lambda: Function(mix)) == {"mixed_examples"}


def test_batch_statistics_in_evaluation_are_found() -> None:
    """Only without running statistics: training may normalise by its batch."""

    def normalised(tracked: bool) -> Callable[[], nn.Module]:
        return lambda: nn.BatchNorm1d(TOKENS, track_running_stats=tracked)

    assert found(normalised(False)) == {"mixed_examples"}
    assert found(normalised(True)) == set()


def test_padding_to_the_longest_of_the_batch_is_found() -> None:
    """The mean over tokens is one over as many as the longest text of the batch has."""

    class Longest(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table, self.head = nn.Embedding(9, 8), nn.Linear(8, 3)

        def forward(self, ids: Tensor) -> Tensor:
            longest = int((ids > 0).sum(1).max())
            return self.head(self.table(ids[:, :longest]).mean(1))

    data = make_trial_data(input_shape=(12,))
    ids = np.random.default_rng(0).integers(1, 9, size=(len(data.targets), 12))
    for row, text in enumerate(ids):
        text[1 + row % 11 :] = 0
    job = make_job(replace(data, inputs=(ids,)), build=lambda **_: Longest())
    assert probe(job).findings == ("mixed_examples",)


# ---- tokens


def causal() -> Tensor:
    return torch.ones(TOKENS, TOKENS).triu(1).bool()


def strided() -> Tensor:
    place = torch.arange(TOKENS)
    return (place[:, None] - place) % 2 == 1


@pytest.mark.parametrize(
    "layer",
    [
        lambda: encoder(batch_first=True),
        lambda: TokensFirst(encoder(batch_first=False)),
        lambda: SelfAttention(batch_first=True),
        lambda: SelfAttention(batch_first=True, attn_mask=causal()),
        lambda: SelfAttention(batch_first=True, attn_mask=strided()),
        lambda: TokenAttention(WIDTH, 2),
        lambda: Functional(Core()),
        lambda: Function(lambda dense, x: (dense(x) @ x.mT).softmax(-1) @ x),
    ],
)
def test_attention_that_mixes_tokens_is_right(layer: Callable[[], nn.Module]) -> None:
    """torch's layers, either axis first, masked; torch's function; plain products."""
    assert found(layer) == set()


@pytest.mark.parametrize(
    "layer",
    [
        lambda: PublishedAttention(WIDTH, 2),
        lambda: SelfAttention(batch_first=True, attn_mask=~torch.eye(TOKENS).bool()),
    ],
)
def test_attention_that_does_not_mix_tokens_is_found(layer: Callable[[], nn.Module]) -> None:
    """Heads that attend to heads of one token; a mask that leaves each token itself alone."""
    assert found(layer) == {"unmixed_tokens"}


def test_attention_over_one_token_is_found() -> None:
    """There is no other to attend to."""
    assert found(lambda: SelfAttention(batch_first=True), n_tokens=1) == {"unmixed_tokens"}


def test_gates_are_no_attention() -> None:
    """A softmax that weighs each token by itself passes nothing on, and does not claim to."""
    assert found(lambda: Function(lambda dense, x: x * dense(x).softmax(-1))) == set()
    assert found(lambda: Function(lambda dense, x: x * dense(x).softmax(1))) == set()


def test_an_attention_that_starts_at_zero_is_right() -> None:
    """Its output layer is zero before the first step, so that nothing passes yet."""

    class Zero(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attend = SelfAttention(batch_first=True)
            nn.init.zeros_(self.attend.attend.out_proj.weight)

        def forward(self, x: Tensor) -> Tensor:
            return x + self.attend(x)

    assert found(Zero) == set()


def test_a_models_own_weights_are_read() -> None:
    """One token that sees another, somewhere, is enough."""
    weights = torch.eye(3).expand(2, 1, 2, 3, 3).clone()
    assert not weights_mix_tokens(weights)
    weights[0, 0, 1, 2] = torch.tensor([0.5, 0.0, 0.5])
    assert weights_mix_tokens(weights)
    assert not weights_mix_tokens(torch.ones(2, 1, 1, 1, 1))
