"""Frozen values about data that cross layers: a fold, and all that a trial needs to know."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True)
class Fold:
    """One train/validation/test assignment, named by the part that validates.

    train, validation, test: sorted int64 indices into the examples; test is empty without a test.
    split_hash: 16 hex digits over the three index sets.
    """

    repeat: int
    fold: int
    test_part: int | None
    train: Array
    validation: Array
    test: Array
    split_hash: str


@dataclass(frozen=True)
class FoldInputs:
    """What one fold's train examples decided about its inputs.

    inputs: index into `TrialData.inputs`.
    mean, std: (channels,) float32 for `normalize: standard` and `unit`, else None.
    model_arguments: joins the arguments of the model's `build`.
    """

    inputs: int = 0
    mean: Array | None = None
    std: Array | None = None
    model_arguments: Mapping[str, Any] = field(default_factory=dict)
    token_names: tuple[str, ...] | None = None


@dataclass(frozen=True)
class PretrainingExamples:
    """Who takes part in pretraining, as sorted indices into the examples.

    train, validation: the examples set aside, which no fold holds and whose targets are -1.
    test: those that are test in a fold of the first repeat. inputs: what `train` decided.
    """

    train: Array
    validation: Array
    test: Array
    inputs: FoldInputs


@dataclass(frozen=True)
class TrialData:
    """The data of a trial: plain numpy, shared by every trial of a node, never written to.

    inputs: arrays (n, *input_shape), one for all folds or one per fold where `fit` made them.
    targets: (n,) int64; example_ids, groups: (n,) text.
    folds, fold_inputs: of equal length, repeat by repeat.
    input_scale: see data_prep.examples.Examples.
    findings: probe codes found in the data itself, such as `shared_examples`.
    pretraining: None where nothing is set aside for it.
    fingerprint: names this value; equal fingerprints mean equal data and folds.
    """

    inputs: tuple[Array, ...]
    targets: Array
    example_ids: Array
    class_names: tuple[str, ...]
    folds: tuple[Fold, ...]
    fold_inputs: tuple[FoldInputs, ...]
    groups: Array | None = None
    input_scale: float | None = None
    findings: tuple[str, ...] = ()
    fingerprint: str = ""
    pretraining: PretrainingExamples | None = None

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Return the shape of one example, without the batch."""
        return tuple(self.inputs[0].shape[1:])
