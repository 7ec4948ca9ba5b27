"""A dataset's card without a benchmark: its examples, and folds that suit it or are asked for."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from data_prep.examples import DataError, Description
from harness.config.sections import CrossValidation, DatasetSection
from harness.data.card import data_card
from harness.data.fingerprint import data_fingerprint, fingerprint_memory
from harness.data.loading import load_dataset
from harness.data.prepare import prepare_loaded
from harness.data.previews import previews
from harness.errors import BenchError
from harness.plugins import catalog

N_SPLITS = 5


def show_dataset(
    entry: catalog.Entry,
    *,
    section: DatasetSection,
    cross_validation: CrossValidation | None,
    root: Path,
    cache_dir: Path,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The data card and the previews, see `harness.data.card` and `harness.data.previews`.

    cross_validation: None takes what `suitable` says. Raises BenchError for data that is missing
    or damaged, and for folds that can't be.
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
    """The cross-validation section that a dataset's own parts and groups suggest."""
    parts = description.parts
    if {"train", "validation"} <= set(parts):
        return {"strategy": "official"}
    if "test" in parts:
        return {"strategy": "stratified", "n_splits": N_SPLITS, "test_fold": "official"}
    if parts:
        return {"strategy": "predefined", "test_fold": "rotate" if len(parts) > 2 else "none"}
    return {"strategy": "group" if description.has_groups else "stratified", "n_splits": N_SPLITS}
