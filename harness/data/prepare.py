"""From a dataset's examples to all that a trial needs to know of its data."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from data_prep.examples import Examples, Fitted
from harness.config.sections import CrossValidation, DatasetSection, Pretraining
from harness.data.dataset_checks import (
    content_codes,
    group_codes,
    refuse_bad_inputs,
    refuse_undescribed,
    refuse_unequal_fits,
    shared_codes,
)
from harness.data.example_subsets import (
    Assignment,
    assign,
    limited,
    pretraining_examples,
    without_labels,
)
from harness.data.front_end import through_front_end
from harness.data.loading import Loaded, accepted, as_json, call
from harness.data.normalise import fold_scales
from harness.data.types import Array, Fold, FoldInputs, TrialData
from harness.errors import BenchError
from harness.random_state import derive_32

SHARED_EXAMPLES = "shared_examples"


def prepare_loaded(
    loaded: Loaded,
    *,
    cross_validation: CrossValidation,
    seed: int,
    repeats: int,
    cache_dir: Path,
    pretraining: Pretraining | None = None,
) -> TrialData:
    """Prepare the folds and fold inputs of examples that are loaded.

    Args:
        loaded: The dataset.
        cross_validation: How folds are cut.
        seed: The benchmark's; everything random follows from it.
        repeats: How often folds are cut.
        cache_dir: The folder of prepared arrays.
        pretraining: None where nothing is set aside.

    Raises:
        BenchError: The examples are not as described, or such folds can't be.
    """
    examples, description, key = loaded.examples, loaded.description, loaded.key
    section, file = loaded.section, loaded.file
    if section.front_end is not None:
        refuse_bad_inputs(examples.inputs, examples, description, file=file)
        examples, description, key = through_front_end(
            examples, description, section.front_end, key=key, cache_dir=cache_dir
        )
    refuse_undescribed(examples, description, file=file)
    examples = limited(examples, section.limit)
    folds, aside = _assigned(
        cross_validation, examples, section, pretraining=pretraining, seed=seed, repeats=repeats
    )
    fits = _fits(loaded.module, examples, folds, options=loaded.options, seed=seed)
    inputs, numbers = _distinct_inputs(examples, fits)
    for array in inputs:
        refuse_bad_inputs(array, examples, description, file=file)
    own = [inputs[number] for number in numbers]
    scales = fold_scales(section.normalize, own, folds, input_scale=examples.input_scale)
    cutting = cross_validation.model_dump(mode="json")
    identity = [key, section.limit, section.normalize, cutting, seed, repeats]
    if pretraining is not None or section.train_per_class is not None:
        asked = None if pretraining is None else pretraining.model_dump(mode="json")
        identity = [*identity, section.train_per_class, asked]
    return TrialData(
        inputs=inputs,
        targets=without_labels(_plain(examples.targets), aside),
        example_ids=_plain(examples.example_ids),
        class_names=tuple(examples.class_names),
        folds=folds,
        fold_inputs=_fold_inputs(numbers, fits, scales),
        groups=None if examples.groups is None else _plain(examples.groups),
        input_scale=examples.input_scale,
        findings=_findings(examples, folds),
        fingerprint=hashlib.sha256(as_json(identity).encode()).hexdigest()[:16],
        pretraining=None
        if pretraining is None
        else pretraining_examples(
            aside,
            folds,
            inputs[0],
            pretraining=pretraining,
            normalize=section.normalize,
            input_scale=examples.input_scale,
            seed=seed,
        ),
    )


def _assigned(
    cross_validation: CrossValidation,
    examples: Examples,
    section: DatasetSection,
    *,
    pretraining: Pretraining | None,
    seed: int,
    repeats: int,
) -> Assignment:
    try:
        return assign(
            examples,
            cross_validation,
            pretraining=pretraining,
            train_per_class=section.train_per_class,
            seed=seed,
            repeats=repeats,
        )
    except BenchError as error:
        said = []
        if pretraining is not None:
            said.append(f"pretraining.share: {pretraining.share:g}")
        if section.limit is not None:
            said.append(f"dataset.limit: {section.limit}")
        if not said:
            raise
        raise BenchError(f"{error} (with {', '.join(said)})") from error


def _fits(
    module: ModuleType,
    examples: Examples,
    folds: Sequence[Fold],
    *,
    options: Mapping[str, Any],
    seed: int,
) -> tuple[Fitted, ...]:
    """Return what the dataset's `fit` learns from each fold's train examples, if it has one."""
    fit = getattr(module, "fit", None)
    if fit is None:
        return (Fitted(),) * len(folds)
    fits = tuple(
        call(
            module,
            "fit",
            examples,
            fold.train,
            seed=derive_32(seed, fold.repeat, fold.fold, "fit"),
            **accepted(fit, options),
        )
        for fold in folds
    )
    refuse_unequal_fits(fits, file=str(module.__file__))
    return fits


def _distinct_inputs(
    examples: Examples, fits: Sequence[Fitted]
) -> tuple[tuple[Array, ...], list[int]]:
    """Return the arrays in use, and for each fold the index of its own."""
    arrays: dict[int, Array] = {}
    chosen = [examples.inputs if fitted.inputs is None else fitted.inputs for fitted in fits]
    for array in chosen:
        arrays.setdefault(id(array), array)
    order = list(arrays)
    return tuple(map(_plain, arrays.values())), [order.index(id(array)) for array in chosen]


def _fold_inputs(
    numbers: Sequence[int],
    fits: Sequence[Fitted],
    scales: Sequence[tuple[Array, Array]] | None,
) -> tuple[FoldInputs, ...]:
    return tuple(
        FoldInputs(
            inputs=number,
            mean=scales[index][0] if scales else None,
            std=scales[index][1] if scales else None,
            model_arguments=fitted.model_arguments,
            token_names=fitted.token_names,
        )
        for index, (number, fitted) in enumerate(zip(numbers, fits, strict=True))
    )


def _findings(examples: Examples, folds: Sequence[Fold]) -> tuple[str, ...]:
    shared = shared_codes(content_codes(examples.inputs), folds)
    if not len(shared) and examples.groups is not None:
        shared = shared_codes(group_codes(examples.groups), folds)
    return (SHARED_EXAMPLES,) if len(shared) else ()


def _plain(array: Array) -> Array:
    """Return it contiguous, and never of the memmap subclass, so that it can be shared as it is."""
    return np.ascontiguousarray(np.asarray(array))
