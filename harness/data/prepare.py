"""From a dataset's file to all that a trial needs to know of its data."""

import hashlib
import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from data_prep.examples import DataError, Examples, Fitted
from harness.data.cache import cached_examples
from harness.data.checks import refuse_bad_inputs, refuse_undescribed, refuse_unequal_fits
from harness.data.front_end import through_front_end
from harness.data.limit import limited
from harness.data.memory import refuse_too_large
from harness.data.normalise import fold_scales
from harness.data.seeds import derive_32
from harness.data.set_aside import (
    Assignment,
    assign,
    pretraining_examples,
    without_labels,
)
from harness.data.shared import content_codes, group_codes, repeated_codes, shared_codes
from harness.data.values import Array, Fold, FoldInputs, TrialData
from harness.errors import BenchError
from harness.spec.pretraining import Pretraining
from harness.spec.sections import CrossValidation, DatasetSection

SHARED_EXAMPLES = "shared_examples"
CARD_EXAMPLES = 3  # ids shown per class
CARD_DUPLICATES = 20


def prepare_data(
    module: ModuleType,
    *,
    section: DatasetSection,
    cross_validation: CrossValidation,
    seed: int,
    repeats: int,
    root: Path,
    cache_dir: Path,
    data_fingerprint: str,
    code_fingerprint: str,
    pretraining: Pretraining | None = None,
) -> TrialData:
    """The examples, folds and fold inputs of a benchmark's trials.

    module: an imported dataset file; root: of the raw data, only read. data_fingerprint: of the
    raw files; code_fingerprint: of the dataset's file alone, so that arrays prepared before are
    found whatever model is trained. Raises BenchError for data that is missing, damaged, not as
    described or too large, and for folds that can't be.
    """
    options = {**_defaults(module.load), **section.options}
    file = module.__file__ or section.name
    description = _call(module, "describe", **_accepted(module.describe, {**options, "root": root}))
    refuse_too_large(description, name=section.name)
    key = _json([section.name, options, data_fingerprint, code_fingerprint])
    examples = _load(module, root, options, key=key, cache_dir=cache_dir)
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
    fits = _fits(module, examples, folds, options=options, seed=seed)
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
        fingerprint=hashlib.sha256(_json(identity).encode()).hexdigest()[:16],
        pretraining=None
        if pretraining is None
        else pretraining_examples(
            aside, folds, inputs[0], pretraining=pretraining, normalize=section.normalize,
            input_scale=examples.input_scale, seed=seed,
        ),
    )  # fmt: skip


def data_card(data: TrialData) -> dict[str, Any]:
    """What a person wants to know of the data, as plain JSON values.

    Counts by class, and by class in each role of each fold; groups; examples of equal content
    (of the first fold's inputs where `fit` made them); a few ids per class.
    """
    ids, names = data.example_ids, data.class_names
    codes = content_codes(data.inputs[0])
    duplicates = [ids[codes == code].tolist() for code in repeated_codes(codes)]
    card: dict[str, Any] = {
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


def _load(
    module: ModuleType, root: Path, options: Mapping[str, Any], *, key: str, cache_dir: Path
) -> Examples:
    def made() -> Examples:
        loaded = _call(module, "load", root, **options)
        if not isinstance(loaded, Examples):
            kind = type(loaded).__name__
            raise BenchError(f"{module.__file__}: load must return Examples, not {kind}")
        return loaded

    try:
        return cached_examples(key, made, cache_dir)
    except MemoryError as error:
        raise BenchError(
            f"{module.__file__}: load needs more memory than this machine has; "
            "data larger than memory isn't supported"
        ) from error


def _call(module: ModuleType, function: str, *args: Any, **kwargs: Any) -> Any:
    """A function of the dataset's file; what goes wrong there is said with the file's name."""
    try:
        return getattr(module, function)(*args, **kwargs)
    except DataError as error:
        raise BenchError(str(error)) from error
    except MemoryError:
        raise
    except Exception as error:
        text = f"{module.__file__}: {function}: {type(error).__name__}: {error}"
        raise BenchError(text) from error


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
    """What the dataset learns from each fold's train examples; nothing where it has no `fit`."""
    fit = getattr(module, "fit", None)
    if fit is None:
        return (Fitted(),) * len(folds)
    fits = tuple(
        _call(
            module,
            "fit",
            examples,
            fold.train,
            seed=derive_32(seed, fold.repeat, fold.fold, "fit"),
            **_accepted(fit, options),
        )
        for fold in folds
    )
    refuse_unequal_fits(fits, file=str(module.__file__))
    return fits


def _distinct_inputs(
    examples: Examples, fits: Sequence[Fitted]
) -> tuple[tuple[Array, ...], list[int]]:
    """The arrays in use, and for each fold the index of its own."""
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


def _plain(array: Array) -> Array:
    """Contiguous, and never the memmap subclass, so that it can be shared as it is."""
    return np.ascontiguousarray(np.asarray(array))


def _defaults(function: Callable[..., Any]) -> dict[str, Any]:
    parameters = inspect.signature(function).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not p.empty}


def _accepted(function: Callable[..., Any], options: Mapping[str, Any]) -> dict[str, Any]:
    known = inspect.signature(function).parameters
    return {name: value for name, value in options.items() if name in known}


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)
