"""The log-mel network: its size by hand, any number of frames, impossible shapes."""

import pytest
import torch

from models.logmel_cnn import build


def test_parameters_by_hand():
    """Convolutions 9 * in * out without bias, two numbers a normalised channel, a dense head."""
    model = build(input_shape=(1, 64, 108), num_classes=10)
    convolutions = 9 * (1 * 16 + 16 * 32 + 32 * 64 + 64 * 128)
    norms = 2 * (16 + 32 + 64 + 128)
    assert sum(p.numel() for p in model.parameters()) == convolutions + norms + 128 * 10 + 10


def test_blocks_stop_growing():
    """The fifth block is as wide as the fourth, eight times the first."""
    model = build(input_shape=(1, 64, 64), num_classes=10, width=4, depth=6)
    assert [block.conv.out_channels for block in model.blocks] == [4, 8, 16, 32, 32, 32]


def test_a_longer_sound_is_the_same_network():
    """Weights of one length give logits for another."""
    model = build(input_shape=(1, 32, 40), num_classes=3, width=4, depth=3).eval()
    assert model(torch.zeros(2, 1, 32, 100)).shape == (2, 3)


def test_both_means_of_what_is_left():
    """Mean over frames plus maximum over frames, of the mean over mel bands."""
    model = build(input_shape=(1, 4, 6), num_classes=2, width=1, depth=1).eval()
    model.blocks = torch.nn.Identity()
    model.head = torch.nn.Identity()
    x = torch.tensor([[[[1.0, 2.0, 6.0], [3.0, 4.0, 8.0]]]])  # means over bands: 2, 3, 7
    assert model(x).item() == pytest.approx(4 + 7)


@pytest.mark.parametrize(
    ("shape", "arguments", "text"),
    [
        ((1, 80000), {}, "mel bands, frames"),
        ((1, 64, 12), {}, "halves 64 mel bands x 12 frames to nothing"),
        ((1, 64, 64), {"width": 0}, "at least 1"),
    ],
)
def test_impossible_configurations(shape, arguments, text):
    """ValueError, which is a mistake of the file."""
    with pytest.raises(ValueError, match=text):
        build(input_shape=shape, num_classes=10, **arguments)
