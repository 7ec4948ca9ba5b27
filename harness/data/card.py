"""The data card: what a person wants to know of the data, as plain JSON values.

Of a benchmark's data, or of a dataset alone with folds that suit it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from data_prep.examples import DataError, Description
from harness.config.sections import CrossValidation, DatasetSection
from harness.data.dataset_checks import (
    content_codes,
    group_codes,
    repeated_codes,
    shared_codes,
)
from harness.data.fingerprint import data_fingerprint, fingerprint_memory
from harness.data.loading import load_dataset
from harness.data.prepare import prepare_loaded
from harness.data.previews import previews
from harness.data.types import Array, Fold, TrialData
from harness.errors import BenchError
from harness.plugins import catalog

CARD_EXAMPLES = 3  # ids shown per class
CARD_DUPLICATES = 20
N_SPLITS = 5


def data_card(
    data: TrialData,
    *,
    description: Description | None = None,
    dataset: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return what a person wants to know of the data, as plain JSON values.

    Counts by class, and by class in each role of each fold; groups; examples of equal content
    (of the first fold's inputs where `fit` made them); a few ids per class.

    Args:
        data: Of a trial.
        description: Adds title, source, licence, rate and how files were read.
        dataset: The section as resolved, which says how the data was prepared.
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


def show_dataset(
    entry: catalog.Entry,
    *,
    section: DatasetSection,
    cross_validation: CrossValidation | None,
    root: Path,
    cache_dir: Path,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the data card and the previews of a dataset without a benchmark.

    Args:
        entry: The dataset.
        section: Its options and those of every dataset.
        cross_validation: None takes what `suitable` returns.
        root: The folder of raw data.
        cache_dir: The folder of prepared arrays.

    Raises:
        BenchError: The data is missing or damaged, or such folds can't be.
    """
    arguments = catalog.arguments_of(entry, section.options)
    module = catalog.load(entry)
    try:
        files = list(module.files(root, **arguments))
        fingerprint = data_fingerprint(files, root=root, memory=fingerprint_memory(cache_dir))
    except (DataError, OSError) as error:
        raise BenchError(f"dataset {entry.name}: {error}") from error
    loaded = load_dataset(
        module,
        section=section,
        root=root,
        cache_dir=cache_dir,
        data_fingerprint=fingerprint,
        code_fingerprint=catalog.file_fingerprint(entry),
    )
    cutting = cross_validation or CrossValidation.model_validate(suitable(loaded.description))
    data = prepare_loaded(loaded, cross_validation=cutting, seed=0, repeats=1, cache_dir=cache_dir)
    card = data_card(
        data,
        description=loaded.description,
        dataset={**section.model_dump(mode="json", exclude_none=True), **loaded.options},
    )
    card["cross_validation"] = cutting.model_dump(mode="json", exclude_none=True)
    return card, previews(loaded, data)


def suitable(description: Description) -> Mapping[str, Any]:
    """Return the cross-validation section that a dataset's own parts and groups suggest."""
    parts = description.parts
    if {"train", "validation"} <= set(parts):
        return {"strategy": "official"}
    if "test" in parts:
        return {"strategy": "stratified", "n_splits": N_SPLITS, "test_fold": "official"}
    if parts:
        return {"strategy": "predefined", "test_fold": "rotate" if len(parts) > 2 else "none"}
    return {"strategy": "group" if description.has_groups else "stratified", "n_splits": N_SPLITS}


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
