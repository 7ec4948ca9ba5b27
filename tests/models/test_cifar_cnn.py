"""The networks of report 003: sizes solved from its text, and an initialiser that never ran."""

import pytest
import torch
from torch import nn

from harness.training.probes import probe
from models import cifar_cnn
from tests.builders import make_job, make_trial_data

IMAGE = (3, 32, 32)


def n_parameters(**arguments) -> int:
    with torch.device("meta"):
        model = cifar_cnn.build(input_shape=IMAGE, num_classes=10, **arguments)
    return sum(parameter.numel() for parameter in model.parameters())


def small(**arguments) -> nn.Module:
    torch.manual_seed(0)
    return cifar_cnn.build(input_shape=(3, 8, 8), num_classes=4, **arguments)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, 5_851_338),
        ({"activation": "sigmoid"}, 5_851_338),
        ({"extra_conv": True}, 6_441_418),
        ({"extra_conv": True, "activation": "sigmoid"}, 6_441_418),
        ({"batch_norm": True, "activation": "sigmoid"}, 5_854_410),
        ({"batch_norm": True, "activation": "sigmoid", "extra_conv": True}, 6_444_490),
        ({"batch_norm": True, "activation": "sigmoid", "dropout": 0.5}, 5_854_410),
    ],
)
def test_parameters_of_report_003(arguments, expected):
    """The extra convolution has 256 x (9 x 256 + 1) = 590,080, the normalisations 2 x 1,536."""
    assert n_parameters(**arguments) == expected


def test_the_feature_map_is_the_printed_one():
    """256 x 4 x 4 before the dense layers, with and without the extra convolution."""
    for extra in (False, True):
        with torch.device("meta"):
            model = cifar_cnn.build(input_shape=IMAGE, num_classes=10, extra_conv=extra)
        images = torch.zeros(2, *IMAGE, device="meta")
        assert model.features(images).shape == (2, 256, 4, 4)


def test_the_order_of_the_dense_part_is_the_printed_one():
    """Linear, BatchNorm1d, Sigmoid, Dropout, twice; then the output."""
    model = small(activation="sigmoid", batch_norm=True, dropout=0.5)
    block = ["Linear", "BatchNorm1d", "Sigmoid", "Dropout"]
    names = [type(layer).__name__ for layer in model.classifier]
    assert names == ["Flatten", *block, *block, "Linear"]


def test_xavier_reaches_the_three_dense_layers():
    """Biases are zero and weights lie within sqrt(6 / (in + out)), which torch's own are not."""
    dense = [
        layer for layer in small(initialisation="xavier").modules() if type(layer) is nn.Linear
    ]
    assert len(dense) == 3
    for layer in dense:
        bound = (6 / (layer.in_features + layer.out_features)) ** 0.5
        assert not layer.bias.any()
        assert 0.98 * bound < layer.weight.abs().max() <= bound


def test_the_published_loop_changes_nothing():
    """xavier_noop has, weight for weight, torch's own initialisation."""
    default, noop = small().state_dict(), small(initialisation="xavier_noop").state_dict()
    assert all(torch.equal(default[name], noop[name]) for name in default)


@pytest.mark.parametrize(
    ("initialisation", "found"), [("default", False), ("xavier", False), ("xavier_noop", True)]
)
def test_the_probe_sees_the_initialiser_that_never_ran(initialisation, found):
    """`untouched_initialiser` is a finding of the published loop alone."""
    data = make_trial_data(n=24, input_shape=(3, 8, 8))
    job = make_job(data, build=cifar_cnn.build, model={"initialisation": initialisation})
    assert ("untouched_initialiser" in probe(job).findings) == found
