"""The convolutional network of report 002 on raw audio (ESC-10), pooled to a fixed length."""

from typing import Literal

from torch import nn

POOLED_LENGTH = 128  # samples that the adaptive pooling leaves of any signal
MIN_SAMPLES = 33  # the shortest signal of which the convolutions leave a sample


def build(
    *,
    input_shape: tuple[int, ...],
    num_classes: int,
    hidden_dim: int = 128,
    dropout: float = 0.4,
    output: Literal["logits", "softmax"] = "logits",
) -> nn.Module:
    """Four convolutions, pooling to 128 samples, two dense layers.

    Shapes: (batch, channels, samples) to logits (batch, num_classes). The defaults have the
    published size: 1,066,650 parameters for (1, 144000) and 10 classes; 2,116,634 at hidden_dim
    256. All convolutions run over the whole signal: 144,000 samples need 0.3 GB an example.

    hidden_dim: width of the dense layer before the last (report 002: fc_size).
    dropout: share of whole channels that are dropped, after the first and the last convolution.
    output: softmax is how report 002 ends the network, before a loss that takes a softmax again:
        for 10 classes the loss can't fall below 1.461, and gradients are small.
    Raises ValueError where input_shape is not (channels, samples) or has too few samples.
    """
    _check(input_shape, hidden_dim)
    return nn.Sequential(
        nn.Conv1d(input_shape[0], 16, kernel_size=7),
        nn.ReLU(),
        nn.Dropout1d(dropout),
        nn.Conv1d(16, 32, kernel_size=5),
        nn.ReLU(),
        nn.MaxPool1d(16, stride=1),
        nn.BatchNorm1d(32, affine=False),
        nn.Conv1d(32, 48, kernel_size=3),
        nn.ReLU(),
        nn.MaxPool1d(4, stride=1),
        nn.Conv1d(48, 64, kernel_size=3),
        nn.AdaptiveAvgPool1d(POOLED_LENGTH),
        nn.BatchNorm1d(64, affine=False),
        nn.Dropout1d(dropout),
        nn.Flatten(),
        nn.Linear(64 * POOLED_LENGTH, hidden_dim),
        nn.ReLU(),
        nn.Linear(hidden_dim, num_classes),
        *([nn.Softmax(dim=1)] if output == "softmax" else []),
    )


def _check(input_shape: tuple[int, ...], hidden_dim: int) -> None:
    if len(input_shape) != 2:
        raise ValueError(
            f"conv1d_adaptive takes inputs (channels, samples), not {tuple(input_shape)}"
        )
    if input_shape[1] < MIN_SAMPLES:
        raise ValueError(f"{input_shape[1]} samples are too few: use {MIN_SAMPLES} or more")
    if hidden_dim < 1:
        raise ValueError(f"hidden_dim must be at least 1, not {hidden_dim}")
