"""ResNet-18: torchvision's network, and the stem for small images."""

import pytest
import torch

from models.resnet18 import build


def n_parameters(**arguments):
    with torch.device("meta"):
        model = build(**{"input_shape": (3, 32, 32), **arguments})
    return sum(parameter.numel() for parameter in model.parameters())


def test_the_published_parameter_counts():
    """torchvision's 11,689,512 for ImageNet; with 4 and 10 classes 996 and 990 rows of 513 less."""
    assert n_parameters(num_classes=1000) == 11_689_512
    assert n_parameters(num_classes=4) == 11_689_512 - 996 * 513 == 11_178_564
    assert n_parameters(num_classes=10) == 11_689_512 - 990 * 513 == 11_181_642


def test_the_cifar_stem_has_a_smaller_first_convolution():
    """3 x 3 in place of 7 x 7 pixels, 3 channels to 64: 40 * 3 * 64 weights less."""
    assert n_parameters(num_classes=4, stem="cifar") == 11_178_564 - 40 * 3 * 64 == 11_170_884
    assert n_parameters(num_classes=10, stem="cifar") == 11_173_962


def test_other_channels_change_the_first_convolution_alone():
    """One channel: two thirds of 7 * 7 * 3 * 64 weights less."""
    counts = [n_parameters(num_classes=10, input_shape=(n, 32, 32)) for n in (1, 3)]
    assert counts[1] - counts[0] == 7 * 7 * 2 * 64


def test_only_images_are_taken():
    with pytest.raises(ValueError, match="takes images"):
        build(input_shape=(1, 100), num_classes=2)


def test_names_are_those_of_torchvision():
    """So that its files of weights can be started from."""
    from torchvision.models import resnet18

    with torch.device("meta"):
        own = build(input_shape=(3, 32, 32), num_classes=1000).state_dict()
        theirs = resnet18().state_dict()
    assert {name: entry.shape for name, entry in own.items()} == {
        name: entry.shape for name, entry in theirs.items()
    }
