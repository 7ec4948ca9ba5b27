"""Where a configuration's training starts: random weights, a file's, or pretrained ones."""

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from data_prep.examples import Description
from harness.config.benchmark import BenchmarkSpec
from harness.config.checks import weights_file
from harness.config.sections import PRETRAINED, RANDOM
from harness.data.fingerprint import Stamp, stamp
from harness.plugins import catalog
from harness.plugins.signature import defines

FILE_HASH = "initial_weights_sha256"
PRETRAINING_FILE_HASH = "pretraining_initial_weights_sha256"


def started(training: Mapping[str, Any], spec: BenchmarkSpec) -> dict[str, Any]:
    """`training` with its start resolved, `pretraining`, and the hash of a file of weights.

    Without a `pretraining` section and a file, `training` alone and as it is.
    """
    value = training.get("initial_weights")
    if spec.pretraining is None:
        return {"training": {**training}, **_file_hash(value)}
    return {
        "training": {**training, "initial_weights": value or PRETRAINED},
        "pretraining": spec.pretraining.model_dump(mode="json"),
        **_file_hash(value),
        **_file_hash(spec.pretraining.initial_weights, PRETRAINING_FILE_HASH),
    }


def is_file(value: str | None) -> bool:
    """Whether a value of `training.initial_weights` is the path of a file."""
    return value not in (None, PRETRAINED, RANDOM)


def why_no_rotation(dataset: catalog.Entry, description: Description) -> str | None:
    """Why the examples of a dataset can't be turned by 90 degrees, or None."""
    shape = tuple(description.input_shape)
    if description.input_dtype != "float32" or len(shape) != 3 or shape[1] != shape[2]:
        size = f"{description.input_dtype} inputs of shape {shape}"
        return f"rotation needs square images (channels, size, size); {dataset.name} has {size}"
    if defines(dataset.file, "fit"):
        return f"rotation needs images as they are; {dataset.label} learns its inputs (`fit`)"
    return None


def _file_hash(value: str | None, key: str = FILE_HASH) -> dict[str, str]:
    if value is None or not is_file(value):
        return {}
    return {key: _hash(weights_file(value), stamp(weights_file(value)))}


@cache
def _hash(file: Path, now: Stamp) -> str:
    with file.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()[:16]
