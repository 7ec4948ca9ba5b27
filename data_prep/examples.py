"""The values that every dataset file hands over. Plain numpy, frozen."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np


class DataError(Exception):
    """Data that is missing, damaged or of the wrong kind; the text names the file and the cure."""


@dataclass(frozen=True)
class Examples:
    """All examples of a dataset, in an order that is the same on every machine.

    inputs: (n, *input_shape); floats reach the model as float32. Integers reach it as int64 ids,
        or, where `input_scale` is set, as float32 times `input_scale` (images kept as uint8).
    targets: (n,) int64, 0 .. num_classes - 1.
    example_ids: (n,) text, the same on every machine.
    parts: (n,) int64 numbered from 1, or text roles `train`, `validation`, `test`; None without.
    groups: (n,) text, examples that must stay on one side of every split; None without.

    Raises ValueError where lengths, types or targets do not agree.
    """

    inputs: "np.ndarray"
    targets: "np.ndarray"
    example_ids: "np.ndarray"
    class_names: tuple[str, ...]
    parts: "np.ndarray | None" = None
    groups: "np.ndarray | None" = None
    input_scale: float | None = None

    def __post_init__(self) -> None:
        n = len(self.inputs)
        for name in ("targets", "example_ids", "parts", "groups"):
            values = getattr(self, name)
            if values is not None and len(values) != n:
                raise ValueError(f"{name} has {len(values)} entries for {n} inputs")
        if n == 0:
            raise ValueError("no examples")
        if self.targets.dtype.kind != "i":
            raise ValueError(f"targets must be int64, not {self.targets.dtype}")
        if self.targets.min() < 0 or self.targets.max() >= len(self.class_names):
            raise ValueError(f"targets must lie in 0..{len(self.class_names) - 1}")
        if len(set(self.example_ids.tolist())) != n:
            raise ValueError("example_ids must be distinct")


@dataclass(frozen=True)
class Fitted:
    """What a dataset learned from the train examples of one fold.

    inputs: (n, *input_shape) replaces the inputs of all examples; None keeps them.
    model_arguments: joins the arguments of the model's `build`.
    token_names: the text of each id in `inputs`, where ids are tokens; id 0 is padding, names in
        angle brackets (`<unknown>`) are no words of a text.
    """

    inputs: "np.ndarray | None" = None
    model_arguments: Mapping[str, Any] = field(default_factory=dict)
    token_names: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Description:
    """What is known of a dataset before any data is read.

    parts: part numbers from 1, or role names; empty where the dataset has none of its own.
    input_dtype: what the model receives, `float32` or `int64`.
    storage_dtype: dtype of `Examples.inputs` where it is another one, such as `uint8` for images.
    model_arguments: stand-ins, of the right type and size, for what `fit` will supply.
    sample_rate_hz: of waveforms (channels, samples); None for anything else.
    preprocessing: in words, what reading does to a file beyond its options; empty for nothing.
    """

    title: str
    input_shape: tuple[int, ...]
    class_names: tuple[str, ...]
    n_examples: int
    source: str
    licence: str
    parts: tuple[int, ...] | tuple[str, ...] = ()
    has_groups: bool = False
    input_dtype: str = "float32"
    storage_dtype: str | None = None
    model_arguments: Mapping[str, Any] = field(default_factory=dict)
    sample_rate_hz: int | None = None
    preprocessing: str = ""
