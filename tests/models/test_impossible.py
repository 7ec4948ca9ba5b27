"""Configurations that a model can't have: said at once, with what would work."""

from importlib import import_module
from typing import Any

import pytest
import torch

NUM_CLASSES = 10
IMPOSSIBLE: list[tuple[str, tuple[int, ...], dict[str, Any], str]] = [
    ("text_transformer", (64,), {"num_heads": 3}, "num_heads 3 does not divide width 128"),
    ("text_transformer", (64,), {"depth": 0}, "depth must be at least 1, not 0"),
    ("text_transformer", (3, 32, 32), {}, "takes token ids (tokens,), not (3, 32, 32)"),
    ("bag_of_tokens", (1, 500), {}, "takes token ids (tokens,), not (1, 500)"),
    ("vit", (3, 32, 32), {"num_heads": 10}, "num_heads 10 does not divide width 48"),
    ("vit", (3, 32, 32), {"num_heads": 10}, "that do: 1, 2, 3, 4, 6, 8, 12, 16, 24, 48"),
    ("vit", (3, 32, 32), {"patch_size": 5}, "patch_size that does: 1, 2, 4, 8, 16, 32"),
    ("vit", (1, 28, 20), {"patch_size": 8}, "28 x 20 image; patch_size that does: 1, 2, 4"),
    ("vit", (3, 32, 32), {"patch_size": 64}, "patch_size 64 does not divide"),
    ("vit", (3, 32, 32), {"patch_size": 8, "patch_stride": 5}, "does: 1, 2, 3, 4, 6, 8, 12, 24"),
    ("vit", (1, 144000), {}, "(channels, height, width), not (1, 144000)"),
    ("vit", (3, 32, 32), {"cls_layer": 11}, "cls_layer 11 is no layer; allowed: 1 to 10"),
    ("vit", (3, 32, 32), {"cls_layer": 0}, "allowed: 1 to 10"),
    ("vit", (3, 32, 32), {"cls_layer": 2, "cls_position": "none"}, "needs cls_position first"),
    ("vit", (3, 32, 32), {"depth": 0}, "depth must be at least 1, not 0"),
    ("vit", (3, 32, 32), {"dropout": 1.5}, "dropout probability"),
    ("cifar_cnn", (1, 144000), {}, "(channels, height, width), not (1, 144000)"),
    ("cifar_cnn", (3, 7, 32), {}, "7 x 32 pixels are too few: use 8 x 8"),
    ("conv1d", (1, 12), {}, "12 samples are too few: use 13 or more"),
    ("conv1d", (3, 32, 32), {}, "(channels, samples), not (3, 32, 32)"),
    ("conv1d", (1, 500), {"hidden_dim": 0}, "hidden_dim must be at least 1, not 0"),
    ("conv1d_adaptive", (1, 32), {}, "32 samples are too few: use 33 or more"),
    ("conv1d_adaptive", (3, 32, 32), {}, "(channels, samples), not (3, 32, 32)"),
    ("conv1d_adaptive", (1, 500), {"hidden_dim": 0}, "hidden_dim must be at least 1, not 0"),
    ("conv1d_channel_transformer", (1, 40), {}, "use 41 or more"),
    ("conv1d_channel_transformer", (1, 500), {"width": 15}, "width 15 is odd"),
    ("conv1d_channel_transformer", (3, 32, 32), {}, "(channels, samples), not (3, 32, 32)"),
    ("conv1d_channel_transformer", (1, 500), {"key_dim": 0}, "key_dim must be at least 1, not 0"),
    ("conv1d_transformer", (1, 500), {"num_heads": 3}, "num_heads that do: 1, 2, 4, 8, 16"),
    ("conv1d_transformer", (1, 12), {}, "use 13 or more"),
    ("conv1d_transformer", (1, 500), {"width": 15}, "width 15 is odd"),
    ("conv1d_transformer", (3, 32, 32), {}, "(channels, samples), not (3, 32, 32)"),
    ("conv1d_transformer", (1, 500), {"num_heads": 0}, "num_heads must be at least 1, not 0"),
]


@pytest.mark.parametrize(("name", "shape", "arguments", "text"), IMPOSSIBLE)
def test_an_impossible_configuration_says_what_works(name, shape, arguments, text):
    """ValueError from build names what does not fit and which values do."""
    with pytest.raises(ValueError) as error:
        import_module(f"models.{name}").build(
            input_shape=shape, num_classes=NUM_CLASSES, **arguments
        )
    assert text in str(error.value)


@pytest.mark.parametrize(
    ("name", "length"),
    [("conv1d", 13), ("conv1d_transformer", 13), ("conv1d_adaptive", 33),
     ("conv1d_channel_transformer", 41)],
)  # fmt: skip
def test_the_shortest_signal_that_is_named_works(name, length):
    """The length that the error proposes is accepted, by build and by forward."""
    model = (
        import_module(f"models.{name}")
        .build(input_shape=(1, length), num_classes=NUM_CLASSES)
        .eval()
    )
    assert model(torch.randn(2, 1, length)).shape == (2, NUM_CLASSES)
