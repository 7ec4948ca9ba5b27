"""Configurations checked against the files they name, every default written out."""

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data_prep.examples import DataError, Description
from harness.config.benchmark import BenchmarkSpec
from harness.config.expand import RawConfiguration, configuration_at, configurations
from harness.data.folds import impossible
from harness.data.paths import default_data_root
from harness.engine.argument_checks import COMMON_DATASET_KEYS, Checker
from harness.engine.trained_inputs import trained_description
from harness.engine.weight_hashes import started, why_no_rotation
from harness.errors import Problem, SpecError
from harness.failures import USER_CODE_ERRORS, named
from harness.plugins import catalog


@dataclass(frozen=True)
class Resolved:
    """One configuration with every value resolved, and the files it needs.

    params: searched path -> value, for the paths that exist in this configuration.
    config: `dataset, model, training, cross_validation, seed, objective` as plain data, and
    `pretraining` and the hash of a file of initial weights where there is one.
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
    """Every configuration of the file, checked against the models and datasets that it names.

    folder: whose `models/` and `data_prep/` come first; the working directory by default.
    root: of raw data, for datasets that are described by what lies there.
    Raises SpecError with all problems at once.
    """
    checker = _checker(spec, folder, root)
    raws = configurations(spec)
    searched = _searched_paths(raws)
    resolved = [_resolve_one(checker, raw, searched[raw.variant]) for raw in raws]
    complete = [one for one in resolved if one is not None]
    problems = checker.problems or [
        problem for one in _distinct_datasets(complete) for problem in _fold_problems(spec, one)
    ]
    if problems:
        raise SpecError(problems)
    return complete


def resolver(
    spec: BenchmarkSpec, *, folder: Path | None = None, root: Path | None = None
) -> Callable[[Mapping[str, Any]], Resolved]:
    """From points of the file's one space, path -> value, to configurations, as `resolve` would.

    The function raises SpecError for a point that the model or the dataset can't take.
    """
    (variant,) = spec.variants
    checker = _checker(spec, folder, root)
    configuration = configuration_at(variant)
    searched = _searched_paths(configurations(spec)).get(variant.name, set())

    def at(point: Mapping[str, Any]) -> Resolved:
        checker.problems.clear()
        one = _resolve_one(checker, configuration(point), searched)
        if one is None or checker.problems:
            raise SpecError(checker.problems)
        return one

    return at


def file_defaults(configurations: Sequence[Resolved]) -> dict[str, dict[str, Any]]:
    """Defaults of the model's and the dataset's own options, for the resolved file.

    A searched path is left out, and so is an option that differs between configurations.
    """
    found: dict[str, dict[str, Any]] = {}
    for section in ("model", "dataset"):
        shared: dict[str, Any] = dict(configurations[0].config[section])
        for one in configurations[1:]:
            other = one.config[section]
            shared = {k: v for k, v in shared.items() if k in other and other[k] == v}
        searched = {path for one in configurations for path in one.params}
        found[f"{section}_defaults"] = {
            key: value for key, value in shared.items() if f"{section}.{key}" not in searched
        }
    return found


def _checker(spec: BenchmarkSpec, folder: Path | None, root: Path | None) -> Checker:
    return Checker(spec, (folder or Path.cwd()).resolve(), root or default_data_root(None))


def _searched_paths(raws: Sequence[RawConfiguration]) -> dict[str | None, set[str]]:
    paths: dict[str | None, set[str]] = {}
    for raw in raws:
        paths.setdefault(raw.variant, set()).update(raw.params)
    return paths


def _resolve_one(checker: Checker, raw: RawConfiguration, searched: set[str]) -> Resolved | None:
    checker.variant = raw.variant
    model = checker.entry("model", raw.sections["model"]["name"])
    dataset = checker.entry("dataset", raw.sections["dataset"]["name"])
    if model is None or dataset is None:
        return None
    absent = searched - set(raw.params)
    dataset_section = _filled(checker, dataset, raw.sections["dataset"], absent)
    if _lacks(checker, dataset, dataset_section):
        return None
    description = _description(checker, dataset, dataset_section)
    if description is not None:
        known, problems = checker.known, checker.problems
        description = trained_description(
            checker.spec, raw, description, known=known, problems=problems
        )
    if description is None:
        return None
    model_section = _filled(checker, model, raw.sections["model"], absent)
    for name in description.model_arguments:
        model_section.pop(name, None)  # supplied by the data, fold by fold
    _lacks(checker, model, {**model_section, **description.model_arguments})
    spec = checker.spec
    config = {
        "dataset": dataset_section,
        "model": model_section,
        **started(raw.sections["training"], spec),
        "cross_validation": spec.cross_validation.model_dump(mode="json"),
        "seed": spec.seed,
        "objective": {"metric": spec.objective.metric},
    }
    return Resolved(raw.variant, raw.params, config, model, dataset, description)


def _filled(
    checker: Checker, entry: catalog.Entry, section: Mapping[str, Any], absent: set[str]
) -> dict[str, Any]:
    """The section with the file's defaults, its values as the annotations' types."""
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


def _lacks(checker: Checker, entry: catalog.Entry, given: Mapping[str, Any]) -> bool:
    """Whether an argument without a default is missing; each is told once."""
    needed = [arg.name for arg in checker.signature(entry).arguments.values() if arg.required]
    missing = [name for name in needed if name not in given]
    for name in missing:
        key = ("missing", entry.kind, entry.name, name, checker.variant)
        if key not in checker.known:
            checker.known[key] = True
            text = f"{entry.label} needs it and has no default"
            checker.add(f"{entry.kind}.{name}", text)
    return bool(missing)


def _description(
    checker: Checker, entry: catalog.Entry, section: Mapping[str, Any]
) -> Description | None:
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


def _distinct_datasets(resolved: Sequence[Resolved]) -> list[Resolved]:
    return list({id(one.description): one for one in resolved}.values())


def _fold_problems(spec: BenchmarkSpec, one: Resolved) -> list[Problem]:
    """What the dataset can't give to the folds that the file asks for."""
    has = one.description
    if spec.pretraining is not None and (why := why_no_rotation(one.dataset, has)):
        return [spec.problem("pretraining.task", why)]
    reason = impossible(spec.cross_validation, parts=has.parts, has_groups=has.has_groups)
    if reason is None:
        return []
    path, separator, text = reason.partition(": ")
    if not separator or not path.startswith("cross_validation."):
        path, text = "cross_validation.strategy", reason
    return [spec.problem(path, f"{text} (dataset {one.dataset.name})")]
