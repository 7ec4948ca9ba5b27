"""Configurations checked against the files they name, every default written out."""

import hashlib
import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from data_prep.examples import DataError, Description
from harness.config.benchmark import BenchmarkSpec
from harness.config.checks import weights_file
from harness.config.expand import RawConfiguration, configuration_at, configurations
from harness.config.sections import PRETRAINED, RANDOM, Augmentation, FrontEnd, misfits
from harness.data.fingerprint import Stamp, stamp
from harness.data.folds import impossible
from harness.data.front_end import described
from harness.data.paths import default_data_root
from harness.engine.checks import COMMON_DATASET_KEYS, Checker
from harness.errors import Problem, SpecError
from harness.plugins import catalog
from harness.plugins.signature import defines
from harness.user_code_errors import USER_CODE_ERRORS, named

# Keys of `Resolved.config` beside the file's sections: the content of files of weights.
FILE_HASH = "initial_weights_sha256"
PRETRAINING_FILE_HASH = "pretraining_initial_weights_sha256"


@dataclass(frozen=True)
class Resolved:
    """One configuration with every value resolved, and the files it needs.

    Attributes:
        variant: The file's variant that it belongs to.
        params: Searched path -> value, for the paths that exist in this configuration.
        config: `dataset, model, training, cross_validation, seed, objective` as plain data, and
            `pretraining` and the hashes of files of initial weights where there are any.
        model: The model's file.
        dataset: The dataset's file.
        description: Of what the model is given: the dataset's, behind its front end.
    """

    variant: str | None
    params: Mapping[str, Any]
    config: Mapping[str, Any]
    model: catalog.Entry
    dataset: catalog.Entry
    description: Description


def resolve(
    spec: BenchmarkSpec, *, folder: Path | None = None, root: Path | None = None
) -> list[Resolved]:
    """Resolve every configuration of a file, checked against the models and datasets it names.

    Args:
        spec: The benchmark.
        folder: Whose `models/` and `data_prep/` come first; the working directory by default.
        root: Of raw data, for datasets that are described by what lies there.

    Raises:
        SpecError: The file asks for what these can't give; with all problems at once.
    """
    checker = _checker(spec, folder, root)
    raws = configurations(spec)
    searched = _searched_paths(raws)
    attempts = [_resolve_one(checker, raw, searched[raw.variant]) for raw in raws]
    complete = [resolved for resolved in attempts if resolved is not None]
    by_description = {id(resolved.description): resolved for resolved in complete}
    problems = checker.problems or [
        problem
        for resolved in by_description.values()
        for problem in _fold_problems(spec, resolved)
    ]
    if problems:
        raise SpecError(problems)
    return complete


def resolver(
    spec: BenchmarkSpec, *, folder: Path | None = None, root: Path | None = None
) -> Callable[[Mapping[str, Any]], Resolved]:
    """Return a function from points of the file's one space to configurations.

    A point is path -> value; its configuration is what `resolve` would make of it. The function
    raises SpecError for a point that the model or the dataset can't take.
    """
    (variant,) = spec.variants
    checker = _checker(spec, folder, root)
    configuration = configuration_at(variant)
    searched = _searched_paths(configurations(spec)).get(variant.name, set())

    def at(point: Mapping[str, Any]) -> Resolved:
        checker.problems.clear()
        resolved = _resolve_one(checker, configuration(point), searched)
        if resolved is None or checker.problems:
            raise SpecError(checker.problems)
        return resolved

    return at


def file_defaults(configurations: Sequence[Resolved]) -> dict[str, dict[str, Any]]:
    """Return the defaults of the model's and the dataset's own options, for the resolved file.

    A searched path is left out, and so is an option that differs between configurations.
    """
    defaults: dict[str, dict[str, Any]] = {}
    searched = {path for resolved in configurations for path in resolved.params}
    for section in ("model", "dataset"):
        shared: dict[str, Any] = dict(configurations[0].config[section])
        for resolved in configurations[1:]:
            other = resolved.config[section]
            shared = {k: v for k, v in shared.items() if k in other and other[k] == v}
        defaults[f"{section}_defaults"] = {
            key: value for key, value in shared.items() if f"{section}.{key}" not in searched
        }
    return defaults


def names_file(initial_weights: str | None) -> bool:
    """Return whether a value of `training.initial_weights` is the path of a file."""
    return initial_weights not in (None, PRETRAINED, RANDOM)


def _checker(spec: BenchmarkSpec, folder: Path | None, root: Path | None) -> Checker:
    return Checker(spec, (folder or Path.cwd()).resolve(), root or default_data_root(None))


def _searched_paths(raws: Sequence[RawConfiguration]) -> dict[str | None, set[str]]:
    paths: dict[str | None, set[str]] = {}
    for raw in raws:
        paths.setdefault(raw.variant, set()).update(raw.params)
    return paths


def _resolve_one(checker: Checker, raw: RawConfiguration, searched: set[str]) -> Resolved | None:
    """Resolve one configuration; None where the checker has a problem that ends it."""
    checker.variant = raw.variant
    model = checker.entry("model", raw.sections["model"]["name"])
    dataset = checker.entry("dataset", raw.sections["dataset"]["name"])
    if model is None or dataset is None:
        return None
    absent = searched - set(raw.params)
    dataset_section = _with_defaults(checker, dataset, raw.sections["dataset"], absent)
    if checker.lacks(dataset, dataset_section):
        return None
    description = _description(checker, dataset, dataset_section)
    if description is not None:
        description = _trained_description(checker, raw, description)
    if description is None:
        return None
    model_section = _with_defaults(checker, model, raw.sections["model"], absent)
    for name in description.model_arguments:
        model_section.pop(name, None)  # supplied by the data, fold by fold
    checker.lacks(model, {**model_section, **description.model_arguments})
    spec = checker.spec
    config = {
        "dataset": dataset_section,
        "model": model_section,
        **_start_of_training(raw.sections["training"], spec),
        "cross_validation": spec.cross_validation.model_dump(mode="json"),
        "seed": spec.seed,
        "objective": {"metric": spec.objective.metric},
    }
    return Resolved(raw.variant, raw.params, config, model, dataset, description)


def _with_defaults(
    checker: Checker, entry: catalog.Entry, section: Mapping[str, Any], absent: set[str]
) -> dict[str, Any]:
    """Return the section with the file's defaults, its values as the annotations' types."""
    signature = checker.signature(entry)
    common = COMMON_DATASET_KEYS if entry.kind == "dataset" else ("name",)
    filled = {key: value for key, value in section.items() if key in common}
    for name, value in section.items():
        if name in signature.arguments:
            filled[name] = checker.value(entry.kind, signature.arguments[name], value)
        elif name not in common:
            checker.unknown(entry.kind, name, entry=entry)
    for name, default in signature.defaults().items():
        if f"{entry.kind}.{name}" not in absent:
            filled.setdefault(name, default)
    return filled


def _description(
    checker: Checker, entry: catalog.Entry, section: Mapping[str, Any]
) -> Description | None:
    """Return what the dataset says of itself, asked once for the same options."""
    options = {k: v for k, v in section.items() if k not in COMMON_DATASET_KEYS}
    key = ("description", entry.name, json.dumps(options, sort_keys=True, default=str))
    refused = (*key, checker.variant)  # a mistake is noted once for every variant that makes it
    if key not in checker.known and refused not in checker.known:
        description = _described(checker, entry, options)
        checker.known[key if description is not None else refused] = description
    return checker.known.get(key)


def _described(
    checker: Checker, entry: catalog.Entry, options: Mapping[str, Any]
) -> Description | None:
    try:
        describe = catalog.load(entry).describe
        if "root" in inspect.signature(describe).parameters:
            options = {**options, "root": checker.root}
        description: Description = describe(**options)
        if len(description.class_names) < 2:
            raise ValueError("a classification needs at least 2 class_names")
        return description
    except DataError as error:  # the user's own files
        checker.add(f"dataset.{getattr(error, 'option', 'name')}", str(error))
        return None
    except USER_CODE_ERRORS as error:
        if not checker.problems:
            text = f"{entry.label}: describe: {named(error)}"
            checker.add("dataset.name", text)
        return None


def _trained_description(
    checker: Checker, raw: RawConfiguration, description: Description
) -> Description | None:
    """Return the description behind `dataset.front_end`; None where that can't take the inputs.

    What does not fit, of the front end and of the augmentation, becomes a problem. Many
    configurations of a variant share their inputs, which are looked at once.
    """
    known = checker.known
    front_end = raw.sections["dataset"].get("front_end")
    key = ("inputs", str(id(description)), json.dumps(front_end, sort_keys=True), raw.variant)
    if key not in known:
        known[key] = _behind_front_end(checker, raw, description, front_end)
    trained: Description | None = known[key]
    augmentation = raw.sections["training"].get("augmentation")
    pair = (*key, json.dumps(augmentation, sort_keys=True))
    if trained is not None and augmentation is not None and pair not in known:
        known[pair] = True
        is_spectrogram = front_end is not None
        _check_augmentation(checker, raw, trained, augmentation, is_spectrogram=is_spectrogram)
    return trained


def _behind_front_end(
    checker: Checker,
    raw: RawConfiguration,
    description: Description,
    front_end: Mapping[str, Any] | None,
) -> Description | None:
    if front_end is None:
        return description
    try:
        return described(description, FrontEnd.model_validate(front_end))
    except ValueError as error:
        checker.add("dataset.front_end", f"{error} (dataset {raw.sections['dataset']['name']})")
        return None


def _check_augmentation(
    checker: Checker,
    raw: RawConfiguration,
    description: Description,
    augmentation: Mapping[str, Any],
    *,
    is_spectrogram: bool,
) -> None:
    shape = tuple(description.input_shape)
    reasons = misfits(
        Augmentation.model_validate(augmentation),
        shape,
        input_dtype=description.input_dtype,
        is_spectrogram=is_spectrogram,
    )
    dataset = raw.sections["dataset"]["name"]
    for name, reason in reasons:
        checker.add(
            "training.augmentation",
            f"{name} does not fit these inputs: {reason}",
            found=f"inputs {shape} of {description.input_dtype} (dataset {dataset})",
        )


def _fold_problems(spec: BenchmarkSpec, resolved: Resolved) -> list[Problem]:
    """List what the dataset can't give to the folds that the file asks for."""
    description, dataset = resolved.description, resolved.dataset
    if spec.pretraining is not None and (why := _why_no_rotation(dataset, description)):
        return [spec.problem("pretraining.task", why)]
    parts, has_groups = description.parts, description.has_groups
    reason = impossible(spec.cross_validation, parts=parts, has_groups=has_groups)
    if reason is None:
        return []
    path, separator, text = reason.partition(": ")
    if not separator or not path.startswith("cross_validation."):
        path, text = "cross_validation.strategy", reason
    return [spec.problem(path, f"{text} (dataset {dataset.name})")]


def _why_no_rotation(dataset: catalog.Entry, description: Description) -> str | None:
    """Say why the examples of a dataset can't be turned by 90 degrees; None where they can."""
    shape = tuple(description.input_shape)
    if description.input_dtype != "float32" or len(shape) != 3 or shape[1] != shape[2]:
        size = f"{description.input_dtype} inputs of shape {shape}"
        return f"rotation needs square images (channels, size, size); {dataset.name} has {size}"
    if defines(dataset.file, "fit"):
        return f"rotation needs images as they are; {dataset.label} learns its inputs (`fit`)"
    return None


def _start_of_training(training: Mapping[str, Any], spec: BenchmarkSpec) -> dict[str, Any]:
    """Return `training` with its start resolved, `pretraining`, and hashes of files of weights.

    Without a `pretraining` section and a file, `training` alone and as it is.
    """
    initial_weights = training.get("initial_weights")
    if spec.pretraining is None:
        return {"training": {**training}, **_file_hash(FILE_HASH, initial_weights)}
    return {
        "training": {**training, "initial_weights": initial_weights or PRETRAINED},
        "pretraining": spec.pretraining.model_dump(mode="json"),
        **_file_hash(FILE_HASH, initial_weights),
        **_file_hash(PRETRAINING_FILE_HASH, spec.pretraining.initial_weights),
    }


def _file_hash(key: str, initial_weights: str | None) -> dict[str, str]:
    if initial_weights is None or not names_file(initial_weights):
        return {}
    file = weights_file(initial_weights)
    return {key: _hash_of_content(file, stamp(file))}


@cache
def _hash_of_content(file: Path, unchanged_since: Stamp) -> str:
    """Hash a file of weights; many configurations start from the same one."""
    with file.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()[:16]
