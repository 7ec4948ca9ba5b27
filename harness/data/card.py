"""The data card: what a person wants to know of the data, as plain JSON values."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from data_prep.examples import Description
from harness.data.duplicates import (
    content_codes,
    group_codes,
    repeated_codes,
    shared_codes,
)
from harness.data.types import Array, Fold, TrialData

CARD_EXAMPLES = 3  # ids shown per class
CARD_DUPLICATES = 20


def data_card(
    data: TrialData,
    *,
    description: Description | None = None,
    dataset: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """What a person wants to know of the data, as plain JSON values.

    Counts by class, and by class in each role of each fold; groups; examples of equal content
    (of the first fold's inputs where `fit` made them); a few ids per class.
    description: adds title, source, licence, rate and how files were read. dataset: the section
    as resolved, which says how the data was prepared.
    """
    ids, names = data.example_ids, data.class_names
    codes = content_codes(data.inputs[0])
    duplicates = [ids[codes == code].tolist() for code in repeated_codes(codes)]
    card: dict[str, Any] = {
        **_origin(description),
        "dataset": None if dataset is None else dict(dataset),
        "n_examples": len(ids),
        "input_shape": list(data.input_shape),
        "counts": _counts(data.targets, names),
        "folds": [_fold_card(fold, data) for fold in data.folds],
        "n_groups": None if data.groups is None else len(np.unique(data.groups)),
        "groups_in_two_roles": [],
        "n_duplicates": len(duplicates),
        "duplicates": duplicates[:CARD_DUPLICATES],
        "findings": list(data.findings),
        "examples": {
            name: ids[data.targets == number][:CARD_EXAMPLES].tolist()
            for number, name in enumerate(names)
        },
        "fingerprint": data.fingerprint,
    }
    if data.pretraining is not None:
        sizes = {"train": data.pretraining.train, "validation": data.pretraining.validation}
        card["set_aside"] = {role: len(indices) for role, indices in sizes.items()}
    if data.groups is not None:
        shared = shared_codes(group_codes(data.groups), data.folds)
        card["groups_in_two_roles"] = np.unique(data.groups)[shared].tolist()
    return card


def _origin(description: Description | None) -> dict[str, Any]:
    if description is None:
        return {}
    return {
        "title": description.title,
        "source": description.source,
        "licence": description.licence,
        "sample_rate_hz": description.sample_rate_hz,
        "preprocessing": description.preprocessing,
    }


def _fold_card(fold: Fold, data: TrialData) -> dict[str, Any]:
    return {
        "repeat": fold.repeat,
        "fold": fold.fold,
        "test_part": fold.test_part,
        "split_hash": fold.split_hash,
        "counts": {
            "train": _counts(data.targets[fold.train], data.class_names),
            "validation": _counts(data.targets[fold.validation], data.class_names),
            "test": _counts(data.targets[fold.test], data.class_names),
        },
    }


def _counts(targets: Array, class_names: Sequence[str]) -> dict[str, int]:
    labelled = targets[targets >= 0]
    counts = np.bincount(labelled, minlength=len(class_names)).tolist()
    return dict(zip(class_names, counts, strict=True))
