"""The transformer of report 002: the six published sizes, and what its heads are."""

import pytest
import torch

from models import conv1d_channel_transformer

AUDIO = (1, 144_000)


def build(**arguments) -> torch.nn.Module:
    """On a short signal, in float64 and evaluation mode."""
    torch.manual_seed(0)
    sizes = {"width": 6, "num_tokens": 4, "key_dim": 5, "depth": 1}
    model = conv1d_channel_transformer.build(
        input_shape=(1, 100), num_classes=3, **{**sizes, **arguments}
    )
    return model.double().eval()


@pytest.mark.parametrize(
    ("num_heads", "key_dim", "width", "num_tokens", "depth", "n"),
    [
        (1, 64, 32, 16, 2, 29_658),
        (1, 64, 32, 32, 3, 38_730),  # printed as 38,370: two digits swapped
        (2, 32, 64, 16, 2, 73_562),
        (2, 64, 64, 32, 3, 129_386),
        (4, 64, 64, 16, 3, 227_290),
        (4, 32, 64, 32, 3, 178_922),
    ],
)
def test_parameters_and_shapes_of_report_002(num_heads, key_dim, width, num_tokens, depth, n):
    """Every row of table 2; the tokens are channels, with CLS one more."""
    with torch.device("meta"):
        model = conv1d_channel_transformer.build(
            input_shape=AUDIO, num_classes=10, num_heads=num_heads, key_dim=key_dim,
            width=width, num_tokens=num_tokens, depth=depth,
        )  # fmt: skip
        inputs = torch.zeros(2, *AUDIO)
    assert sum(parameter.numel() for parameter in model.parameters()) == n
    assert model.features[:-2](inputs).shape == (2, num_tokens, 143_960)
    assert model.features(inputs).shape == (2, num_tokens, width)
    assert model.blocks[0].code.shape == (num_tokens + 1, width)
    assert model(inputs).shape == (2, 10)


def test_heads_are_separate_projections():
    """Concatenated outputs of heads with matrices of their own give the fused product."""
    layer, x = build(num_heads=3).blocks[0].attention, torch.randn(2, 5, 6).double()
    heads = []
    for weight, bias in zip(layer.qkv.weight.chunk(3), layer.qkv.bias.chunk(3), strict=True):
        q, k, v = (x @ weight.T + bias).split([5, 5, 6], dim=-1)
        heads.append((q @ k.transpose(1, 2) / 5**0.5).softmax(dim=-1) @ v)
    torch.testing.assert_close(layer(x), layer.out(torch.cat(heads, dim=-1)))


def test_cls_starts_at_zero_and_reads_every_token():
    """CLS is what the position code says, and the logits have a gradient to every channel."""
    model, tokens = build(), torch.randn(2, 4, 6, dtype=torch.float64, requires_grad=True)
    model.features = torch.nn.Identity()
    seen = []
    model.blocks[0].attention.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    (model(tokens) * torch.arange(1.0, 4.0)).sum().backward()
    assert seen[0][:, 0].tolist() == [[0, 1, 0, 1, 0, 1]] * 2
    assert tokens.grad is not None
    assert (tokens.grad.abs() > 1e-8).any(dim=-1).all()


def test_the_position_code_is_added_in_every_block():
    """A block gives norm(y + dense(y)) of y = norm(x + attention(x)), x shifted by the code."""
    block, tokens = build(depth=2).blocks[1], torch.randn(2, 5, 6).double()
    x = tokens + block.code
    y = block.norm1(x + block.attention(x))
    torch.testing.assert_close(block(tokens), block.norm2(y + block.dense(y)))
    assert block.code.any()


def test_softmax_output_is_the_softmax_of_the_logits():
    """Only the last layer differs; the parameters are the same."""
    plain, squashed = build(), build(output="softmax")
    inputs = torch.randn(3, 1, 100).double()
    torch.testing.assert_close(squashed(inputs), plain(inputs).softmax(dim=1))
