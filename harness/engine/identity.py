"""What makes a trial the same trial: everything that decides its numbers, and nothing else."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from data_prep.examples import DataError
from harness.data.fingerprint import fingerprint_of
from harness.engine.resolve import FILE_HASH, PRETRAINING_FILE_HASH, Resolved
from harness.errors import BenchError
from harness.events import OnEvent, StepStarted
from harness.plugins import catalog

# Defaults, other than null, of keys that `training` got after trials had been stored.
_LATER_DEFAULTS = {"trainable": "all", "compile": False, "fast_operators": False}
_DECIDES_PRETRAINING = (
    "model",
    "pretraining",
    PRETRAINING_FILE_HASH,
    "cross_validation",
    "seed",
)


def canonical_json(value: Any) -> str:
    """Return one text for equal values: keys sorted, no spaces, tuples as lists."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def trial_id(config: Mapping[str, Any], *, data_fingerprint: str, code_fingerprint: str) -> str:
    """Return the first 16 hex digits of sha256 over a configuration, its data and its code.

    `training.fold_execution` is left out, since both executions give the same numbers. So are
    nulls and the values of `_LATER_DEFAULTS`: a key that a later version adds renames no trial. A
    file of initial weights counts by its content, not by its path.

    Args:
        config: `dataset, model, training, pretraining, cross_validation, seed, objective` as
            resolved.
        data_fingerprint: Of the raw files.
        code_fingerprint: Of the model's and the dataset's file.
    """
    identity = {
        **_without_paths(config),
        "training": _deciding(config),
        "data_fingerprint": data_fingerprint,
        "code_fingerprint": code_fingerprint,
    }
    return _digest(identity)


def pretraining_id(
    config: Mapping[str, Any], *, data_fingerprint: str, code_fingerprint: str
) -> str | None:
    """Return 16 hex digits of all that decides pretrained weights.

    How many labelled examples train later, and how, is no part of it. None where training starts
    elsewhere; the arguments are those of `trial_id`.
    """
    if "pretraining" not in config or config["training"].get("initial_weights") != "pretrained":
        return None
    kept = _without_paths(config)
    identity = {
        **{key: value for key, value in kept.items() if key in _DECIDES_PRETRAINING},
        "dataset": {k: v for k, v in config["dataset"].items() if k != "train_per_class"},
        "data_fingerprint": data_fingerprint,
        "code_fingerprint": code_fingerprint,
    }
    if config["training"].get("fast_operators"):
        identity["fast_operators"] = True
    return _digest(identity)


def comparable(config: Mapping[str, Any]) -> str:
    """Return equal texts for configurations that differ in nothing that decides numbers."""
    return canonical_json(_without_nulls({**_without_paths(config), "training": _deciding(config)}))


class DataFingerprints:
    """Fingerprints of the datasets of configurations, made once per dataset.

    What `bench` itself keeps is downloaded first where it is missing.
    """

    def __init__(
        self, root: Path, *, may_prepare: bool, on_event: OnEvent, anew: bool = False
    ) -> None:
        """Take where the datasets are.

        Args:
            root: Of the raw data.
            may_prepare: Download a dataset that is missing; else the folder is the user's to fill.
            on_event: Receives that a dataset is being prepared.
            anew: Read every file, however much it looks like one that was read before.
        """
        self._root, self._may_prepare, self._on_event = root, may_prepare, on_event
        self._anew = anew
        self._known: dict[str, str] = {}

    def __call__(self, resolved: Resolved) -> str:
        """Return 16 hex digits.

        Raises:
            BenchError: The data can't be read.
        """
        key = canonical_json(resolved.config["dataset"])
        if key not in self._known:
            try:
                self._known[key] = self._fingerprint(resolved)
            except (DataError, OSError) as error:
                raise BenchError(f"dataset {resolved.dataset.name}: {error}") from error
        return self._known[key]

    def _fingerprint(self, resolved: Resolved) -> str:
        dataset = resolved.dataset
        arguments = catalog.arguments_of(dataset, resolved.config["dataset"])
        try:
            return fingerprint_of(dataset, arguments, root=self._root, anew=self._anew)
        except DataError:
            if not self._may_prepare:
                raise
        self._on_event(StepStarted(f"preparing {dataset.name} in {self._root}"))
        catalog.load(dataset).prepare(self._root, **arguments)
        return fingerprint_of(dataset, arguments, root=self._root, anew=self._anew)


def refuse_changed(resolved: Resolved, fingerprint: str, *, root: Path) -> None:
    """Check that the raw files are still those of a fingerprint.

    Asked after they were read, so that no prepared array is kept under other files' name.

    Raises:
        BenchError: They changed.
    """
    arguments = catalog.arguments_of(resolved.dataset, resolved.config["dataset"])
    if fingerprint_of(resolved.dataset, arguments, root=root) != fingerprint:
        raise BenchError(
            f"dataset {resolved.dataset.name}: its raw files in {root} changed while they were "
            "read; start again once they stay"
        )


def _without_paths(config: Mapping[str, Any]) -> dict[str, Any]:
    """Drop the path of the file that pretraining begins with: its content's hash counts."""
    section = config.get("pretraining")
    if section is None:
        return {**config}
    kept = {key: value for key, value in section.items() if key != "initial_weights"}
    return {**config, "pretraining": kept}


def _deciding(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the training section without what leaves its numbers as they are."""
    training = {k: v for k, v in config.get("training", {}).items() if k != "fold_execution"}
    if FILE_HASH in config:
        training.pop("initial_weights", None)
    later = dict(_LATER_DEFAULTS)
    if "pretraining" not in config:
        later["initial_weights"] = "random"
    return {key: v for key, v in training.items() if not (key in later and later[key] == v)}


def _digest(identity: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical_json(_without_nulls(identity)).encode()).hexdigest()[:16]


def _without_nulls(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return value
