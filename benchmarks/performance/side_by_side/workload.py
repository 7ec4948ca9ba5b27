"""What every competitor trains: one benchmark file, written out as plain arrays and JSON.

The folds and values are those that `bench run` uses. A competitor reads them ready-made and so
pays for no file, no fold and no normalisation of its own.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

UNKNOWN = (  # keys of `training` that would change the numbers, and that no plain loop has
    "augmentation",
    "gradient_clip",
    "early_stopping",
    "warmup_epochs",
    "label_smoothing",
    "precision",
    "compile",
    "initial_weights",
)


@dataclass(frozen=True)
class Workload:
    """A benchmark file with overrides, as `bench run` takes them. cuda: meant for a GPU."""

    benchmark: str
    overrides: tuple[str, ...] = ()
    cuda: bool = False


WORKLOADS = {
    "quickstart": Workload("quickstart", ("training.epochs=12",)),
    "esc10_cnn": Workload("esc50_cnn", ("training.epochs=2", "dataset.limit=40")),
    "esc10_transformer": Workload("esc50_transformer", ("training.epochs=3",), cuda=True),
    "cifar10_vit": Workload(
        "cifar10_vit_heads", ("training.epochs=2", "repeats=1", "dataset.limit=20000"), cuda=True
    ),
    # seconds, to see that everything runs; its ratios say nothing
    "tiny": Workload("quickstart", ("training.epochs=1", "search.space.model.patch_size=[4]")),
}


@dataclass(frozen=True)
class Prepared:
    """A benchmark file read: its configurations, and the data and folds they share."""

    spec: Any
    resolved: tuple[Any, ...]
    data: Any


def prepare(benchmark: str, overrides: Sequence[str], *, data: Path | None) -> Prepared:
    """Reads the file as `bench run` does; data: where the raw datasets lie."""
    from harness.config.read import find_benchmark
    from harness.config.sections import DatasetSection
    from harness.data.fingerprint import data_fingerprint
    from harness.data.loading import load_dataset
    from harness.data.paths import cache_dir, default_data_root
    from harness.data.prepare import prepare_loaded
    from harness.engine.checks import read_checked
    from harness.engine.resolve import resolve
    from harness.plugins import catalog

    root = default_data_root(data)
    file = find_benchmark(benchmark, shipped=catalog.SHIPPED_BENCHMARKS)
    spec = read_checked(file, overrides)
    resolved = tuple(resolve(spec, root=root))
    first = resolved[0]
    module = catalog.load(first.dataset)
    arguments = catalog.arguments_of(first.dataset, first.config["dataset"])
    files = module.files(root, **arguments)
    loaded = load_dataset(
        module,
        section=DatasetSection.model_validate(first.config["dataset"]),
        root=root,
        cache_dir=cache_dir(),
        data_fingerprint=data_fingerprint(
            files, root=root, memory=cache_dir() / "fingerprints.json"
        ),
        code_fingerprint=catalog.file_fingerprint(first.dataset),
    )
    prepared = prepare_loaded(
        loaded,
        cross_validation=spec.cross_validation,
        seed=spec.seed,
        repeats=spec.repeats,
        cache_dir=cache_dir(),
    )
    return Prepared(spec, resolved, prepared)


def export(workload: Workload, folder: Path, *, data: Path | None) -> None:
    """Writes `workload.json` and `arrays.npz`; data: where the raw datasets lie.

    Raises ValueError for what the competitors don't know, such as augmentation.
    """
    prepared = prepare(workload.benchmark, workload.overrides, data=data)
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "arrays.npz", **_arrays(prepared.data))
    described = {
        "configurations": [_configuration(one.config) for one in prepared.resolved],
        "input_shape": prepared.data.input_shape,
        "num_classes": len(prepared.data.class_names),
        "n_folds": len(prepared.data.folds),
        "seed": prepared.spec.seed,
    }
    (folder / "workload.json").write_text(json.dumps(described, indent=1))


def _configuration(config: dict) -> dict:
    """model: name and arguments of `build`; training: what a plain loop knows of it."""
    training = dict(config["training"])
    unknown = [key for key in UNKNOWN if training.get(key) not in (None, 0, False, "random")]
    if unknown or training["schedule"] not in ("constant", "cosine"):
        raise ValueError(f"the plain loops know no {unknown or training['schedule']}")
    model = dict(config["model"])
    return {"model": model.pop("name"), "arguments": model, "training": training}


def _arrays(prepared) -> dict[str, np.ndarray]:
    """inputs float32 as the model receives them but for a fold's normalisation; index sets."""
    if len(prepared.inputs) != 1:
        raise ValueError("the plain loops know one set of inputs for all folds")
    inputs = prepared.inputs[0].astype(np.float32)
    if prepared.input_scale is not None:
        inputs *= np.float32(prepared.input_scale)
    arrays = {"inputs": inputs, "targets": prepared.targets}
    for number, (fold, given) in enumerate(zip(prepared.folds, prepared.fold_inputs, strict=True)):
        arrays |= {
            f"train{number}": fold.train,
            f"validation{number}": fold.validation,
            f"test{number}": fold.test,
        }
        if given.mean is not None:
            arrays |= {f"mean{number}": given.mean, f"std{number}": given.std}
    return arrays
