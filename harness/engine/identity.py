"""What makes a trial the same trial: everything that decides its numbers, and nothing else."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

# of `training`, other than null
_LATER_DEFAULTS = {"trainable": "all", "compile": False, "fast_operators": False}


def canonical_json(value: Any) -> str:
    """One text for equal values: keys sorted, no spaces, tuples as lists."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def trial_id(config: Mapping[str, Any], *, data_fingerprint: str, code_fingerprint: str) -> str:
    """First 16 hex digits of sha256 over the resolved configuration, its data and its code.

    config: `dataset, model, training, pretraining, cross_validation, seed, objective` as resolved.
    `training.fold_execution` is left out, since both executions give the same numbers. So are
    nulls and what `_LATER_DEFAULTS` names: a key that a later version adds renames no trial. A
    file of initial weights counts by its content, not by its path.
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
    """16 hex digits of all that decides pretrained weights; None where training starts elsewhere.

    How many labelled examples train later, and how, is no part of it.
    """
    if "pretraining" not in config or config["training"].get("initial_weights") != "pretrained":
        return None
    dataset = {k: v for k, v in config["dataset"].items() if k != "train_per_class"}
    shared = ("model", "pretraining", "pretraining_initial_weights_sha256", "cross_validation",
              "seed")  # fmt: skip
    identity = {
        **{key: value for key, value in _without_paths(config).items() if key in shared},
        "dataset": dataset,
        "data_fingerprint": data_fingerprint,
        "code_fingerprint": code_fingerprint,
    }
    if config["training"].get("fast_operators"):
        identity["fast_operators"] = True
    return _digest(identity)


def comparable(config: Mapping[str, Any]) -> str:
    """Equal for configurations that differ in nothing that decides numbers."""
    return canonical_json(_without_nulls({**_without_paths(config), "training": _deciding(config)}))


def _without_paths(config: Mapping[str, Any]) -> dict[str, Any]:
    """Without the path of the file that pretraining begins with: its content's hash counts."""
    section = config.get("pretraining")
    if section is None:
        return {**config}
    kept = {key: value for key, value in section.items() if key != "initial_weights"}
    return {**config, "pretraining": kept}


def _deciding(config: Mapping[str, Any]) -> dict[str, Any]:
    """The training section without what leaves its numbers as they are."""
    training = {k: v for k, v in config.get("training", {}).items() if k != "fold_execution"}
    if "initial_weights_sha256" in config:
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
