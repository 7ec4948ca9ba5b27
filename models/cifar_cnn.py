"""The convolutional networks of report 003 on CIFAR-10: four architectures and Task 4."""

from typing import Literal

from torch import Tensor, nn

# channels of each block's two convolutions; a max pool of 2 follows every block
BLOCKS = ((32, 64), (128, 128), (256, 256))
DENSE = (1024, 512)
SHORTEST_SIDE = 2 ** len(BLOCKS)  # pixels


def build(
    *,
    input_shape: tuple[int, ...],
    num_classes: int,
    activation: Literal["relu", "sigmoid"] = "relu",
    extra_conv: bool = False,
    batch_norm: bool = False,
    dropout: float = 0.0,
    initialisation: Literal["default", "xavier", "xavier_noop"] = "default",
) -> nn.Module:
    """Six 3 x 3 convolutions with ReLU, then three dense layers.

    Shapes: images (batch, channels, height, width) to logits (batch, num_classes). The defaults
    are architecture 1: 5,851,338 parameters for (3, 32, 32) and 10 classes. Architecture 2 has
    activation sigmoid; 3 an extra_conv, with relu (a change of architecture 1) or sigmoid
    (changes add up); 4 has batch_norm and sigmoid, with or without the extra_conv. Task 4 is
    architecture 4 with dropout 0.5 and Xavier.

    activation: after the two hidden dense layers; batch_norm: before it; dropout: after it.
    extra_conv: one more convolution after the last pool, 256 to 256 channels.
    initialisation: default: torch's own; xavier: uniform, biases zero, on every dense layer;
        xavier_noop: as published, a loop over `children()` that finds no dense layer, so that
        torch's own initialisation stays.
    Raises ValueError where input_shape is not (channels, height, width) or a side is too short.
    """
    _check(input_shape)
    features = _features(input_shape[0], extra_conv)
    n_features = BLOCKS[-1][-1] * _n_pixels(input_shape)
    classifier = _classifier(
        n_features, num_classes, activation=activation, batch_norm=batch_norm, dropout=dropout
    )
    return CifarCnn(features, classifier, initialisation)


class CifarCnn(nn.Module):
    """Convolutions, then dense layers."""

    def __init__(
        self, features: nn.Sequential, classifier: nn.Sequential, initialisation: str
    ) -> None:
        super().__init__()
        self.features = features
        self.classifier = classifier
        self.initialisation = initialisation
        if initialisation != "default":
            self.initialize_weights()

    def initialize_weights(self) -> None:
        """Xavier on the dense layers that are found; among the children there are none."""
        noop = self.initialisation == "xavier_noop"
        for layer in self.children() if noop else self.modules():
            if isinstance(layer, nn.Linear):
                nn.init.xavier_uniform_(layer.weight)
                nn.init.zeros_(layer.bias)

    def forward(self, inputs: Tensor) -> Tensor:
        """(batch, channels, height, width) to logits (batch, num_classes)."""
        return self.classifier(self.features(inputs))


def _features(in_channels: int, extra_conv: bool) -> nn.Sequential:
    """(batch, in_channels, height, width) to (batch, 256, height // 8, width // 8)."""
    layers: list[nn.Module] = []
    for block in BLOCKS:
        for channels in block:
            layers += [nn.Conv2d(in_channels, channels, 3, padding=1), nn.ReLU()]
            in_channels = channels
        layers.append(nn.MaxPool2d(2))
    if extra_conv:
        layers += [nn.Conv2d(in_channels, in_channels, 3, padding=1), nn.ReLU()]
    return nn.Sequential(*layers)


def _classifier(
    n_features: int, num_classes: int, *, activation: str, batch_norm: bool, dropout: float
) -> nn.Sequential:
    """Flattened features to logits; what is off is left out, not passed through."""
    layers: list[nn.Module] = [nn.Flatten()]
    for width in DENSE:
        layers.append(nn.Linear(n_features, width))
        if batch_norm:
            layers.append(nn.BatchNorm1d(width))
        layers.append(nn.ReLU() if activation == "relu" else nn.Sigmoid())
        if dropout:
            layers.append(nn.Dropout(dropout))
        n_features = width
    return nn.Sequential(*layers, nn.Linear(n_features, num_classes))


def _n_pixels(input_shape: tuple[int, ...]) -> int:
    """Of the last feature map."""
    return (input_shape[1] // SHORTEST_SIDE) * (input_shape[2] // SHORTEST_SIDE)


def _check(input_shape: tuple[int, ...]) -> None:
    if len(input_shape) != 3:
        raise ValueError(
            f"cifar_cnn takes images (channels, height, width), not {tuple(input_shape)}"
        )
    if min(input_shape[1:]) < SHORTEST_SIDE:
        size = " x ".join(map(str, input_shape[1:]))
        raise ValueError(f"{size} pixels are too few: use {SHORTEST_SIDE} x {SHORTEST_SIDE}")
