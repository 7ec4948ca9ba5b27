"""The convolutional network of reports 000 and 001 on raw audio (ESC-10)."""

from torch import Tensor, nn

# channels, kernel, stride, padding of each block; a max pool of 2 follows every convolution
CONVOLUTIONS = ((64, 7, 2, 2), (32, 5, 2, 2), (16, 3, 2, 2))


def build(
    *,
    input_shape: tuple[int, ...],
    num_classes: int,
    hidden_dim: int = 128,
    dropout: float = 0.5,
    unused_batch_norm: bool = True,
) -> nn.Module:
    """Three convolution blocks and two dense layers: (batch, channels, samples) to logits.

    The defaults are the published network: 4,621,978 parameters for (1, 144000) and 10 classes.
    It registers a batch normalisation in every block and never calls it; its 224 parameters get
    no gradient. `unused_batch_norm=False` leaves them out and changes nothing else.

    hidden_dim: width of the dense layer before the last.
    Raises ValueError where input_shape is not (channels, samples) or has too few samples.
    """
    _check(input_shape, hidden_dim)
    return Conv1dNet(input_shape, num_classes, hidden_dim, dropout, unused_batch_norm)


class Conv1dNet(nn.Module):
    """Letters in shapes: C channels, L samples."""

    def __init__(
        self,
        input_shape: tuple[int, ...],
        num_classes: int,
        hidden_dim: int,
        dropout: float,
        unused_batch_norm: bool,
    ) -> None:
        super().__init__()
        in_channels, length = input_shape
        layers: list[nn.Module] = []
        for channels, kernel, stride, padding in CONVOLUTIONS:
            block = ConvBlock(in_channels, channels, kernel, stride, padding, unused_batch_norm)
            layers += [block, nn.Dropout(dropout)]
            in_channels = channels
        self.blocks = nn.Sequential(*layers)
        self.dense = nn.Linear(in_channels * output_length(length), hidden_dim)
        self.head = nn.Linear(hidden_dim, num_classes)

    def forward(self, inputs: Tensor) -> Tensor:
        """(batch, C, L) to logits (batch, num_classes)."""
        x = self.blocks(inputs)  # (batch, 16, output_length(L))
        x = self.dense(x.flatten(start_dim=1)).relu()  # (batch, hidden_dim)
        return self.head(x)


class ConvBlock(nn.Module):
    """Convolution, ReLU, max pool; the batch normalisation is registered and idle, as published."""

    def __init__(
        self,
        in_channels: int,
        channels: int,
        kernel: int,
        stride: int,
        padding: int,
        unused_batch_norm: bool,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv1d(in_channels, channels, kernel, stride=stride, padding=padding)
        self.pool = nn.MaxPool1d(2)
        if unused_batch_norm:
            self.batch_norm = nn.BatchNorm1d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, in_channels, L) to (batch, channels, about L / 4)."""
        return self.pool(self.conv(x)).relu()  # relu(pool) is pool(relu), at half the work


def output_length(length: int) -> int:
    """Samples left of `length` after all blocks; 2250 of 144,000, 0 where they are too few."""
    for _, kernel, stride, padding in CONVOLUTIONS:
        length = max(0, (length + 2 * padding - kernel) // stride + 1) // 2
    return length


def _check(input_shape: tuple[int, ...], hidden_dim: int) -> None:
    if len(input_shape) != 2:
        raise ValueError(f"conv1d takes inputs (channels, samples), not {tuple(input_shape)}")
    if output_length(input_shape[1]) < 1:
        shortest = next(length for length in range(1, 1000) if output_length(length) >= 1)
        raise ValueError(f"{input_shape[1]} samples are too few: use {shortest} or more")
    if hidden_dim < 1:
        raise ValueError(f"hidden_dim must be at least 1, not {hidden_dim}")
