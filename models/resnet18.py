"""ResNet-18 (He et al. 2016) as torchvision builds it, with the stem of ImageNet or of CIFAR."""

from typing import Literal

from torch import nn


def build(
    *,
    input_shape: tuple[int, ...],
    num_classes: int,
    stem: Literal["imagenet", "cifar"] = "imagenet",
) -> nn.Module:
    """Images (batch, channels, height, width) to logits (batch, num_classes).

    The default is the published network of report 004, on images of 32 x 32 as they are. Names of
    the weights are torchvision's, so its ImageNet file (resnet18-f37072fd.pth) can be started from.

    stem: imagenet halves the image twice, by a 7 x 7 convolution and a max pool: 11,689,512
        parameters for 3 channels and 1,000 classes. cifar keeps its size by a 3 x 3 convolution:
        at 32 x 32 fifteen times the work, and the usual choice for small images.
    Raises ValueError where input_shape is not (channels, height, width).
    """
    from torchvision.models import resnet18

    if len(input_shape) != 3:
        shape = tuple(input_shape)
        raise ValueError(f"resnet18 takes images (channels, height, width), not {shape}")
    model = resnet18(weights=None, num_classes=num_classes)
    channels = input_shape[0]
    if stem == "cifar":
        model.conv1 = _conv(channels, kernel_size=3, stride=1)
        model.maxpool = nn.Identity()
    elif channels != 3:
        model.conv1 = _conv(channels, kernel_size=7, stride=2)
    return model


def _conv(channels: int, *, kernel_size: int, stride: int) -> nn.Conv2d:
    """The first convolution, initialised as torchvision initialises the others."""
    padding = kernel_size // 2
    conv = nn.Conv2d(channels, 64, kernel_size, stride=stride, padding=padding, bias=False)
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    return conv
