"""The vision transformer: published sizes, and what its options mean."""

import pytest
import torch
from torch import nn

from models import vit


def build(**arguments) -> nn.Module:
    """A small one on (1, 8, 8): four patches of 4, in float64 and evaluation mode."""
    torch.manual_seed(0)
    sizes = {"width": 8, "depth": 3, "hidden_dim": 16, "num_heads": 2}
    model = vit.build(input_shape=(1, 8, 8), num_classes=5, **{**sizes, **arguments})
    return model.double().eval()


def images(n: int = 2) -> torch.Tensor:
    return torch.randn(n, 1, 8, 8, generator=torch.Generator().manual_seed(1)).double()


@pytest.mark.parametrize(
    ("arguments", "published"),
    [
        ({}, 3_082_426),
        ({"num_heads": 12}, 3_082_426),
        ({"patch_size": 8, "width": 192}, 13_361_866),
        ({"patch_size": 16, "width": 768}, 71_483_146),
        ({"patch_stride": 2}, 3_082_426 + 48 * (15**2 - 8**2)),
        ({"patch_size": 8, "patch_stride": 4, "width": 192}, 13_361_866 + 192 * (7**2 - 4**2)),
        ({"patch_size": 16, "patch_stride": 8, "width": 768}, 71_483_146 + 768 * (3**2 - 2**2)),
        ({"cls_layer": 1}, 3_082_426 - 9 * 307_632),
        ({"cls_position": "after_encoder"}, 3_082_426 - 48),
        ({"width": 120, "num_heads": 10}, 8_005_570),
    ],
)
def test_parameters_of_report_004(arguments, published):
    """Width 3 * patch^2, ten layers of hidden 3072; overlap adds a position for every patch more.

    One layer at width 48 holds 307,632; a CLS token after the encoder needs no position.
    """
    with torch.device("meta"):
        model = vit.build(input_shape=(3, 32, 32), num_classes=10, **arguments)
    assert sum(parameter.numel() for parameter in model.parameters()) == published


@pytest.mark.parametrize(
    ("arguments", "tokens"),
    [({}, 4 + 1), ({"patch_stride": 2}, 9 + 1), ({"patch_size": 2}, 16 + 1),
     ({"cls_position": "none"}, 4), ({"cls_position": "after_encoder"}, 4)],
)  # fmt: skip
def test_tokens_are_patches_and_cls(arguments, tokens):
    """(side - patch) / stride + 1 patches a side; CLS only where it passes through the encoder."""
    model = build(**arguments)
    assert model.embed(images()).shape == (2, tokens, 8)
    assert vit.attention(model, images()).shape == (2, 3, 2, tokens, tokens)


def test_patches_are_a_convolution():
    """The dense layer on unfolded patches equals a convolution with the same weights."""
    model = build(patch_stride=2)
    weight = model.patches.project.weight.view(8, 1, 4, 4)
    convolved = nn.functional.conv2d(images(), weight, model.patches.project.bias, stride=2)
    expected = convolved.flatten(start_dim=2).transpose(1, 2)  # (batch, 9, width)
    torch.testing.assert_close(model.patches(images()), expected)


def test_attention_is_the_one_that_forward_uses():
    """Reported weights times the values give the output of the memory-saving kernel."""
    model, x = build(), build().embed(images())
    layer = model.blocks[0].attention
    values = layer.qkv(x).unflatten(-1, (3, 2, 4))[:, :, 2].transpose(1, 2)  # (batch, 2, T, 4)
    expected = layer.out((layer.weights(x) @ values).transpose(1, 2).flatten(start_dim=2))
    torch.testing.assert_close(layer(x), expected)


@pytest.mark.parametrize("arguments", [{}, {"cls_position": "none"}, {"cls_layer": 1}])
def test_every_patch_reaches_the_logits(arguments):
    """The logits have a gradient to every token of every image."""
    assert (gradient_to_patches(build(**arguments)).abs() > 1e-8).any(dim=-1).all()


def test_cls_after_the_encoder_is_blind():
    """The control of experiment 4-II: no gradient to any patch, the same logits for any image."""
    model = build(cls_position="after_encoder")
    assert not gradient_to_patches(model).any()
    logits = model(images(4))
    assert torch.equal(logits, logits[:1].expand(4, -1))


def gradient_to_patches(model: nn.Module) -> torch.Tensor:
    """Of a random mix of the logits: (batch, patches, width)."""
    embedded = []

    def keep(module, args, output):
        output = output.detach().requires_grad_()
        embedded.append(output)
        return output

    with_hook = model.patches.register_forward_hook(keep)
    logits = model(images())
    with_hook.remove()
    (logits * torch.arange(1.0, 6.0)).sum().backward()
    return embedded[0].grad


def test_a_cls_layer_is_an_encoder_that_ends_there():
    """The CLS token of layer 2 of 3 gives the logits of the same weights cut to two layers."""
    deep, cut = build(depth=3), build(depth=3, cls_layer=2)
    missing, unexpected = cut.load_state_dict(deep.state_dict(), strict=False)
    assert (missing, {name.split(".")[1] for name in unexpected}) == ([], {"2"})
    expected = deep.embed(images())
    for block in deep.blocks[:2]:
        expected = block(expected)
    torch.testing.assert_close(cut(images()), deep.head(deep.norm(expected[:, 0])))


def test_mean_pooling_without_cls():
    """With cls_position none the head reads the mean of the normalised patch tokens."""
    model = build(cls_position="none")
    x = model.embed(images())
    for block in model.blocks:
        x = block(x)
    torch.testing.assert_close(model(images()), model.head(model.norm(x).mean(dim=1)))
    assert not hasattr(model, "cls_token")
