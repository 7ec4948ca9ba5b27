"""The transformer on a convolutional base: published sizes, and both kinds of attention."""

from math import cos, sin, sqrt

import pytest
import torch

from models import conv1d_transformer
from models.conv1d_transformer import PublishedAttention, PublishedNorm, TokenAttention

AUDIO = (1, 144_000)


def published(**arguments) -> torch.nn.Module:
    """The model on full clips, without memory."""
    with torch.device("meta"):
        return conv1d_transformer.build(input_shape=AUDIO, num_classes=10, **arguments)


@pytest.mark.parametrize("attention", ["token", "published"])
@pytest.mark.parametrize("num_heads", [1, 2, 4])
@pytest.mark.parametrize(
    ("hidden_dim", "expected"),
    # hidden 512: the feed-forward block, 33 per hidden unit + 48, is 512 * 33 = 16,896 smaller
    [(1024, 50_842), (512, 50_842 - 16_896)],
)
def test_parameters_of_reports_000_and_001(attention, num_heads, hidden_dim, expected):
    """Heads and the kind of attention leave the count as it is; hidden 512 has 33,946."""
    model = published(attention=attention, num_heads=num_heads, hidden_dim=hidden_dim)
    assert sum(parameter.numel() for parameter in model.parameters()) == expected


def test_parameters_of_each_block():
    """1,120 in an attention block, 33,840 in the feed-forward block, 12,336 before them."""
    model = published()
    sizes = [sum(p.numel() for p in layer.parameters()) for layer in model.encoder]
    assert sizes == [1_120] * 4 + [33_840]
    assert sum(p.numel() for p in model.blocks.parameters()) == 12_336


def test_tokens_of_reports_000_and_001():
    """2,250 tokens of the convolutions and CLS, of width 16."""
    assert published().embed(torch.zeros(2, *AUDIO, device="meta")).shape == (2, 2_251, 16)


def test_depth_adds_encoder_blocks():
    """Every encoder block brings four attention blocks and a feed-forward block."""
    model = published(depth=3)
    added = sum(p.numel() for p in model.parameters()) - 50_842
    assert added == 2 * (4 * 1_120 + 33_840)


def test_position_code():
    """Sine and cosine of position / 10000^(2i / width), hand-derived for width 4."""
    code = conv1d_transformer.sinusoidal_code(3, 4)
    expected = [[sin(p), cos(p), sin(p / 100), cos(p / 100)] for p in range(3)]
    torch.testing.assert_close(code, torch.tensor(expected))


def test_published_norm():
    """(1, 3) has mean 2 and unbiased deviation sqrt 2; the shift starts at 1."""
    step = 1 / (sqrt(2) + 1e-5)
    found = PublishedNorm(2)(torch.tensor([1.0, 3.0]))
    torch.testing.assert_close(found, torch.tensor([1 - step, 1 + step]))


def test_published_attention_step_by_step():
    """Scores between the heads of one token, a softmax over tokens, a sum over heads."""
    torch.manual_seed(0)
    layer, x = PublishedAttention(4, 2).double(), torch.randn(1, 3, 4).double()
    q, k, v = layer.qkv(x)[0].detach().unflatten(-1, (3, 2, 2)).unbind(1)  # each (token, head, 2)
    scores = torch.tensor(
        [
            [[float(q[t, i] @ k[t, j]) / sqrt(2) for j in range(2)] for i in range(2)]
            for t in range(3)
        ]
    ).double()
    weights = scores.exp() / scores.exp().sum(dim=0)
    mixed = torch.stack(
        [torch.cat([sum(weights[t, i, j] * v[t, j] for j in range(2)) for i in range(2)])
         for t in range(3)]
    )  # fmt: skip
    torch.testing.assert_close(layer(x)[0], layer.out(mixed), rtol=1e-6, atol=1e-6)


def jacobian_of_cls(layer: torch.nn.Module, tokens: int = 12, width: int = 16) -> torch.Tensor:
    """Of the CLS token after the layer to all other tokens before it, in float64."""
    torch.manual_seed(1)
    x = torch.randn(1, tokens, width).double()
    full = torch.autograd.functional.jacobian(lambda x: layer(x)[0, 0], x)  # (width, 1, T, width)
    return full[:, 0, 1:].flatten(start_dim=1)


@pytest.mark.parametrize("num_heads", [1, 2, 4])
def test_token_attention_mixes_tokens(num_heads):
    """The CLS token hears every other token, in all of its 16 directions."""
    jacobian = jacobian_of_cls(TokenAttention(16, num_heads).double())
    assert torch.linalg.matrix_rank(jacobian) == 16
    assert (jacobian.view(16, 11, 16).abs().amax(dim=(0, 2)) > 1e-6).all()


@pytest.mark.parametrize(("num_heads", "scalars"), [(1, 1), (2, 4)])
def test_published_attention_passes_a_few_scalars(num_heads, scalars):
    """Other tokens reach CLS only through the softmax denominators: heads^2 numbers, no more."""
    jacobian = jacobian_of_cls(PublishedAttention(16, num_heads).double())
    assert 0 < torch.linalg.matrix_rank(jacobian) <= scalars


def test_published_attention_never_looks_at_another_token():
    """With the softmax denominator held fixed, no gradient reaches another token."""
    torch.manual_seed(0)
    layer, x = PublishedAttention(16, 4).double(), torch.randn(1, 6, 16).double()
    x.requires_grad_()
    q, k, v = layer.qkv(x).unflatten(-1, (3, 4, -1)).unbind(2)
    powers = (q @ k.transpose(-2, -1) / 2).exp()
    held = layer.out((powers / powers.sum(dim=1, keepdim=True).detach() @ v).flatten(start_dim=2))
    torch.testing.assert_close(held, layer(x))
    held[0, 0].sum().backward()
    assert x.grad[0, 0].any()
    assert not x.grad[0, 1:].any()


@pytest.mark.parametrize("num_heads", [1, 2, 4])
def test_token_attention_is_the_textbook_one(num_heads):
    """The memory-saving kernel gives softmax(Q K^T / sqrt(head width)) V."""
    torch.manual_seed(0)
    layer, x = TokenAttention(16, num_heads).double(), torch.randn(2, 7, 16).double()
    heads = layer.qkv(x).unflatten(-1, (3, num_heads, -1)).permute(2, 0, 3, 1, 4)
    q, k, v = heads  # each (batch, heads, T, head)
    weights = (q @ k.transpose(-2, -1) / sqrt(16 / num_heads)).softmax(dim=-1)
    expected = layer.out((weights @ v).transpose(1, 2).flatten(start_dim=2))
    torch.testing.assert_close(layer(x), expected)


def test_only_the_published_kind_has_the_last_relu():
    """The feed-forward block of the published kind ends in a ReLU and the other norm."""
    kinds = {kind: published(attention=kind).encoder[-1] for kind in ("token", "published")}
    assert [type(layer).__name__ for layer in kinds["token"].layer] == ["Linear", "ReLU", "Linear"]
    assert type(kinds["published"].layer[-1]).__name__ == "ReLU"
    assert isinstance(kinds["token"].norm, torch.nn.LayerNorm)
    assert isinstance(kinds["published"].norm, PublishedNorm)
