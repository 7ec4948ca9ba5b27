"""What makes a trial the same trial: everything that decides its numbers, and nothing else."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def canonical_json(value: Any) -> str:
    """One text for equal values: keys sorted, no spaces, tuples as lists."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def trial_id(config: Mapping[str, Any], *, data_fingerprint: str, code_fingerprint: str) -> str:
    """First 16 hex digits of sha256 over the resolved configuration, its data and its code.

    config: `dataset, model, training, pretraining, cross_validation, seed, objective` as resolved.
    `training.fold_execution` is left out, since both executions give the same numbers. So are
    nulls: a key that a later version adds, null by default, renames no trial.
    """
    training = {k: v for k, v in config["training"].items() if k != "fold_execution"}
    identity = {
        **config,
        "training": training,
        "data_fingerprint": data_fingerprint,
        "code_fingerprint": code_fingerprint,
    }
    return hashlib.sha256(canonical_json(_without_nulls(identity)).encode()).hexdigest()[:16]


def _without_nulls(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return value
