"""A made-up dataset file: visible arguments, noise for inputs."""

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from data_prep.examples import Description, Examples
from harness.config.sections import CrossValidation, DatasetSection
from harness.data.loading import load_dataset
from harness.data.prepare import prepare_loaded
from harness.data.types import TrialData

N = 60
PARTS = np.tile(np.arange(1, 6), N // 5)


def noise_examples(**changes: Any) -> Examples:
    """60 examples (2, 3) in five parts, three classes and groups of two."""
    fields: dict[str, Any] = {
        "inputs": np.random.default_rng(0).normal(size=(N, 2, 3)).astype(np.float32),
        "targets": np.arange(N) % 3,
        "example_ids": np.array([f"noise-{index:02d}" for index in range(N)]),
        "class_names": ("a", "b", "c"),
        "parts": PARTS,
    }
    return Examples(**{**fields, **changes})


def describe_noise(examples: Examples, **changes: Any) -> Description:
    """What a file of these examples would say of itself."""
    fields: dict[str, Any] = {
        "title": "noise",
        "input_shape": examples.inputs.shape[1:],
        "class_names": examples.class_names,
        "n_examples": len(examples.targets),
        "source": "here",
        "licence": "none",
        "parts": (1, 2, 3, 4, 5) if examples.parts is PARTS else (),
        "has_groups": examples.groups is not None,
    }
    return Description(**{**fields, **changes})


def noise_module(examples: Examples, *, fit: Any = None, **described: Any) -> ModuleType:
    """A dataset file, as if it had been loaded; counts its loads."""
    module = ModuleType("noise")
    module.__file__ = "data_prep/noise.py"
    module.loads = []  # type: ignore[attr-defined]

    def load(root: Path, *, level: int = 1) -> Examples:
        module.loads.append(level)  # type: ignore[attr-defined]
        return examples

    def describe(*, level: int = 1) -> Description:
        return describe_noise(examples, **described)

    module.load, module.describe = load, describe  # type: ignore[attr-defined]
    if fit is not None:
        module.fit = fit  # type: ignore[attr-defined]
    return module


def prepare_data(
    module: ModuleType,
    *,
    section: DatasetSection,
    cross_validation: CrossValidation,
    seed: int,
    repeats: int,
    cache_dir: Path,
    **loading: Any,
) -> TrialData:
    """What a trial gets of a dataset; the keywords are those of loading and preparing it."""
    loaded = load_dataset(module, section=section, cache_dir=cache_dir, **loading)
    return prepare_loaded(
        loaded, cross_validation=cross_validation, seed=seed, repeats=repeats, cache_dir=cache_dir
    )


def prepare_noise(
    module: ModuleType,
    folder: Path,
    *,
    strategy: str = "predefined",
    seed: int = 0,
    repeats: int = 1,
    data: str = "data",
    code: str = "code",
    cross_validation: dict[str, Any] | None = None,
    **section: Any,
) -> TrialData:
    """The trial data of such a file; other keywords are keys of the dataset section."""
    return prepare_data(
        module,
        section=DatasetSection.model_validate({"name": "noise", **section}),
        cross_validation=CrossValidation.model_validate(
            {"strategy": strategy, **(cross_validation or {})}
        ),
        seed=seed,
        repeats=repeats,
        root=folder / "raw",
        cache_dir=folder / "cache",
        data_fingerprint=data,
        code_fingerprint=code,
    )
