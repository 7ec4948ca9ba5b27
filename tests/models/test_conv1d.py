"""The convolutional network of reports 000 and 001: published sizes."""

import torch

from models import conv1d

AUDIO = (1, 144_000)


def published(**arguments) -> torch.nn.Module:
    """The network on full clips, without memory."""
    with torch.device("meta"):
        return conv1d.build(input_shape=AUDIO, num_classes=10, **arguments)


def n_parameters(model: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def test_parameters_of_reports_000_and_001():
    """4,621,978 with the idle batch normalisation, 2 x (64 + 32 + 16) = 224 fewer without."""
    assert n_parameters(published()) == 4_621_978
    assert n_parameters(published(unused_batch_norm=False)) == 4_621_978 - 224


def test_shapes_of_reports_000_and_001():
    """The layer table of the reports, for a batch of 32."""
    x, shapes = torch.zeros(32, *AUDIO, device="meta"), []
    for block in published().blocks[::2]:
        shapes += [tuple(block.conv(x).shape[1:]), tuple(block(x).shape[1:])]
        x = block(x)
    assert shapes == [
        (64, 71_999),
        (64, 35_999),
        (32, 18_000),
        (32, 9_000),
        (16, 4_501),
        (16, 2_250),
    ]
    assert conv1d.output_length(144_000) == 2_250


def test_the_idle_batch_norm_changes_nothing():
    """With the same other weights the logits are equal with and without it."""
    with_it = conv1d.build(input_shape=(1, 500), num_classes=4).eval()
    without = conv1d.build(input_shape=(1, 500), num_classes=4, unused_batch_norm=False).eval()
    without.load_state_dict(with_it.state_dict(), strict=False)
    inputs = torch.randn(3, 1, 500)
    assert torch.equal(with_it(inputs), without(inputs))


def test_the_pool_may_come_before_the_relu():
    """A block gives what the published order, ReLU then pool, gives."""
    block = conv1d.build(input_shape=(1, 500), num_classes=4).blocks[0]
    inputs = torch.randn(3, 1, 500)
    assert torch.equal(block(inputs), block.pool(block.conv(inputs).relu()))
