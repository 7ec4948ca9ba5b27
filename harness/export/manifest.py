"""`export.json`: all that a loader needs to know beside weights and code."""

import inspect
from collections.abc import Mapping
from importlib import metadata
from typing import Any

import numpy as np

from harness.data.types import Array
from harness.export.refit import Learned
from harness.export.trial_selection import Trained
from harness.results.provenance import utc_now, versions

FORMAT = 2  # raised when loaders written before can't read the folder any more
PACKAGES = ("python", "numpy", "torch", "torchvision", "torchaudio")
READERS = ("pillow", "soundfile")


def facts_of(trained: Trained, learned: Learned) -> dict[str, Any]:
    """Plain values; files are named relative to the folder."""
    trial = trained.candidate.trial
    return {
        "format": FORMAT,
        "benchmark": trained.source.name,
        "trial_id": trial.trial_id,
        "run_id": trial.run_id,
        "params": dict(trained.candidate.params),
        "score": {
            "metric": f"validation {trained.source.objective}, mean over single folds",
            "mean": trial.objective_mean,
            "std": trial.objective_std,
        },
        "class_names": list(learned.data.class_names),
        "model": {"name": trained.model.name, "arguments": _without_name(trained.config["model"])},
        "inputs": _inputs(trained, learned),
        "folds": [_fold(trained, learned, key) for key in trained.weights],
        "data_fingerprint": trial.data_fingerprint,
        "code_fingerprint": trial.code_fingerprint,
        "versions": _versions(),
        "exported_at": utc_now().isoformat(timespec="seconds"),
        "config": dict(trained.config),
    }


def _inputs(trained: Trained, learned: Learned) -> dict[str, Any]:
    """How one input is read, and what the model receives of it."""
    reader = getattr(learned.loaded.module, "read_input", None)
    known = [] if reader is None else list(inspect.signature(reader).parameters)
    learns = hasattr(learned.loaded.module, "fit")
    usable = known[:1] in (["path"], ["text"]) and ("token_names" in known) == learns
    data, options = learned.data, learned.loaded.options
    return {
        "dataset": trained.dataset.name,
        "takes": known[0] if usable else None,
        "options": {name: options[name] for name in known[1:] if name in options},
        "learned": learns,
        "front_end": learned.front_end,
        "shape": list(data.input_shape),
        "stored_dtype": str(data.inputs[0].dtype),
        "scale": data.input_scale,
    }


def _fold(trained: Trained, learned: Learned, key: tuple[int, int]) -> dict[str, Any]:
    repeat, fold = key
    index = learned.index(repeat, fold)
    inputs, name = learned.data.fold_inputs[index], f"{repeat}-{fold}"
    arrays = {k for k, v in inputs.model_arguments.items() if isinstance(v, np.ndarray)}
    return {
        "repeat": repeat,
        "fold": fold,
        "split_hash": learned.data.folds[index].split_hash,
        "weights": f"weights/{name}.pt",
        "attributes": f"weights/{name}.attributes.pt" if key in trained.attributes else None,
        "mean": _numbers(inputs.mean),
        "std": _numbers(inputs.std),
        "token_names": f"learned/{name}.json" if inputs.token_names is not None else None,
        "arguments": {k: v for k, v in inputs.model_arguments.items() if k not in arrays},
        "arrays": f"learned/{name}.npz" if arrays else None,
    }


def _numbers(values: Array | None) -> list[float] | None:
    return None if values is None else [float(value) for value in values]


def _without_name(section: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in section.items() if key != "name"}


def _versions() -> dict[str, str]:
    """Of what the loader may import, as installed where the export was checked."""
    found = {name: version for name, version in versions().items() if name in PACKAGES}
    for name in READERS:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
