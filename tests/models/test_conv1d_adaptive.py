"""The convolutional network of report 002: published sizes, and the softmax before the loss."""

from math import exp, log

import pytest
import torch
from torch.nn import functional as F

from models import conv1d_adaptive

AUDIO = (1, 144_000)


def published(**arguments) -> torch.nn.Module:
    """The network on full clips, without memory."""
    with torch.device("meta"):
        return conv1d_adaptive.build(input_shape=AUDIO, num_classes=10, **arguments)


@pytest.mark.parametrize(("hidden_dim", "n"), [(128, 1_066_650), (256, 2_116_634)])
def test_parameters_of_report_002(hidden_dim, n):
    """The two published counts; 8,192 * 128 + 128 + 128 * 10 more separate them."""
    model = published(hidden_dim=hidden_dim)
    assert sum(parameter.numel() for parameter in model.parameters()) == n


def test_shapes_of_report_002():
    """Each convolution takes kernel - 1 samples, each pool too; 64 x 128 features are left."""
    x, shapes = torch.zeros(2, *AUDIO, device="meta"), []
    for layer in published():
        x = layer(x)
        if isinstance(layer, torch.nn.Conv1d | torch.nn.MaxPool1d | torch.nn.AdaptiveAvgPool1d):
            shapes.append(tuple(x.shape[1:]))
    assert shapes == [
        (16, 143_994),
        (32, 143_990),
        (32, 143_975),
        (48, 143_973),
        (48, 143_970),
        (64, 143_968),
        (64, 128),
    ]
    assert x.shape == (2, 10)


def test_dropout_takes_whole_channels():
    """In training mode a channel is dropped as a whole or scaled by 1 / (1 - dropout)."""
    first = conv1d_adaptive.build(input_shape=(1, 100), num_classes=4, dropout=0.5)[2].train()
    channels = first(torch.ones(8, 16, 5)).unique(dim=-1)  # (8, 16, distinct values)
    assert channels.shape[-1] == 1
    assert set(channels.flatten().tolist()) == {0.0, 2.0}


def test_softmax_output_has_a_loss_floor():
    """A sure and right answer of the published network costs log(e + 9) - 1 = 1.461 nats."""
    model = conv1d_adaptive.build(input_shape=(1, 100), num_classes=10, output="softmax").eval()
    outputs = model(torch.randn(3, 1, 100))
    torch.testing.assert_close(outputs.sum(dim=1), torch.ones(3))
    sure = F.one_hot(torch.tensor([4]), 10).float()
    floor = F.cross_entropy(sure, torch.tensor([4])).item()
    assert floor == pytest.approx(log(exp(1) + 9) - 1) == pytest.approx(1.461, abs=5e-4)


def test_softmax_output_is_the_softmax_of_the_logits():
    """Only the last layer differs; the parameters are the same."""
    arguments = {"input_shape": (1, 100), "num_classes": 4}
    plain = conv1d_adaptive.build(**arguments).eval()
    squashed = conv1d_adaptive.build(**arguments, output="softmax").eval()
    squashed.load_state_dict(plain.state_dict())
    inputs = torch.randn(3, 1, 100)
    torch.testing.assert_close(squashed(inputs), plain(inputs).softmax(dim=1))
