"""Small values to test with, made from what a test wants to say about them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import nn

from harness.config.sections import Training
from harness.data.types import Fold, FoldInputs, TrialData
from harness.plugins import catalog
from harness.results.rows import TrialRows, to_tables
from harness.results.tables import table_schemas
from harness.training.trainer import train_folds
from harness.training.trial import TrialResult, run_trial
from harness.training.trial_rows import TrialJob
from harness.training.types import EpochResult, FoldOutcome, TrainedFolds, TrainingJob

CPU = torch.device("cpu")


class Linear(nn.Module):
    """Flatten, dropout, one dense layer."""

    def __init__(self, n_inputs: int, num_classes: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(n_inputs, num_classes)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.head(self.dropout(inputs.flatten(1)))


def build_linear(
    *, input_shape: tuple[int, ...], num_classes: int, dropout: float = 0.0
) -> nn.Module:
    """A linear classifier, the smallest model that learns."""
    return Linear(int(np.prod(input_shape)), num_classes, dropout)


def make_trial_data(
    *,
    n: int = 60,
    num_classes: int = 3,
    input_shape: tuple[int, ...] = (5,),
    n_folds: int = 2,
    repeats: int = 1,
    n_train: Sequence[int] | None = None,
    noise: float = 0.3,
    test: bool = True,
    seed: int = 0,
    **changes: Any,
) -> TrialData:
    """Noisy copies of one pattern per class, read-only as in Ray's store.

    A third of the examples is test in every fold (unless `test` is False); of the others, every
    n_folds-th validates. n_train: cuts the train role of each fold to so many examples.
    """
    random = np.random.default_rng(seed)
    targets = np.arange(n, dtype=np.int64) % num_classes
    patterns = random.normal(size=(num_classes, *input_shape))
    inputs = (patterns[targets] + noise * random.normal(size=(n, *input_shape))).astype(np.float32)
    folds = tuple(
        _fold(n, repeat=repeat, fold=fold, n_folds=n_folds, test=test, n_train=n_train)
        for repeat in range(1, repeats + 1)
        for fold in range(1, n_folds + 1)
    )
    data = TrialData(
        inputs=(_read_only(inputs),),
        targets=_read_only(targets),
        example_ids=np.array([f"example-{i:03d}" for i in range(n)]),
        class_names=tuple("abcdefghij"[:num_classes]),
        folds=folds,
        fold_inputs=(FoldInputs(),) * len(folds),
    )
    return replace(data, **changes)


def make_training(**changes: Any) -> Training:
    """Two epochs of Adam unless told otherwise."""
    given = {"epochs": 2, "batch_size": 8, "optimizer": "adam", "lr": 0.05}
    return Training.model_validate(given | changes)


def make_job(
    data: TrialData | None = None,
    *,
    build: Callable[..., nn.Module] = build_linear,
    model: Mapping[str, Any] | None = None,
    objective: str = "accuracy",
    seed: int = 0,
    **training: Any,
) -> TrainingJob:
    """A training job over all folds of the data; other keywords go into `training`."""
    data = data or make_trial_data()
    return TrainingJob(
        training=make_training(**training),
        data=data,
        folds=tuple(range(len(data.folds))),
        build=build,
        model_arguments=model or {},
        objective=objective,
        seed=seed,
        device=CPU,
    )


def trained(job: TrainingJob) -> tuple[list[EpochResult], tuple[FoldOutcome, ...]]:
    """All epochs, and what is left in the end."""
    return ended(train_folds(job))


def ended(
    steps: Iterable[EpochResult | TrainedFolds],
) -> tuple[list[EpochResult], tuple[FoldOutcome, ...]]:
    """The epochs of a training, and what is left in the end."""
    *epochs, last = steps
    assert isinstance(last, TrainedFolds)
    return epochs, last.outcomes


def make_trial_job(
    *,
    training: Mapping[str, Any] | None = None,
    model: Mapping[str, Any] | None = None,
    **changes: Any,
) -> TrialJob:
    """A trial of the linear model on all folds of the first repeat."""
    objective = changes.get("objective", "accuracy")
    config = {
        "dataset": {"name": "patterns"},
        "model": {"name": "linear", **(model or {})},
        "training": make_training(**(training or {})).model_dump(),
        "cross_validation": {"strategy": "kfold", "n_splits": 2},
        "seed": 0,
        "objective": {"metric": objective},
    }
    job = TrialJob(
        benchmark="bench",
        run_id="run-1",
        trial_id="0123456789abcdef",
        variant=None,
        params={"training.lr": config["training"]["lr"]},
        config=config,
        model=catalog.find("model", "linear"),
        data_key="d",
        metrics=("accuracy", "macro_f1"),
        objective="accuracy",
        mode="max",
        repeats=(1,),
        previous_folds=(),
        resources_cpu=1,
        device="cpu",
        keep_predictions=True,
        data_fingerprint="d" * 16,
        code_fingerprint="",
        git_commit="abc1234",
        versions="{}",
    )
    return replace(job, **changes)


def _fold(
    n: int, *, repeat: int, fold: int, n_folds: int, test: bool, n_train: Sequence[int] | None
) -> Fold:
    indices = np.random.default_rng(repeat).permutation(n)
    n_test = n // 3 if test else 0
    rest = indices[n_test:]
    validates = np.arange(len(rest)) % n_folds == fold - 1
    train = np.sort(rest[~validates])
    return Fold(
        repeat=repeat,
        fold=fold,
        test_part=None,
        train=_read_only(train if n_train is None else train[: n_train[fold - 1]]),
        validation=_read_only(np.sort(rest[validates])),
        test=_read_only(np.sort(indices[:n_test])),
        split_hash=f"{repeat:08d}{fold:08d}",
    )


def _read_only(array: np.ndarray) -> np.ndarray:
    array.setflags(write=False)
    return array


def run_unwatched(
    job: TrialJob | None = None, data: TrialData | None = None, build: Any = build_linear
) -> TrialResult:
    """A trial that no one watches."""
    return run_trial(
        job or make_trial_job(),
        data or make_trial_data(),
        build=build,
        on_epoch=lambda rows, objective: None,
    )


def tables_of(rows: TrialRows, job: TrialJob) -> dict[str, pa.Table]:
    """The rows in the job's schemas; raises for unknown columns and wrong types."""
    params = dict.fromkeys(job.params, pa.float64())
    return to_tables(
        rows, table_schemas(metrics=job.metrics, objective=job.objective, params=params)
    )
