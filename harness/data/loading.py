"""Calling a dataset's file: its description, and its examples, which the cache keeps."""

import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from data_prep.examples import DataError, Description, Examples
from harness.config.sections import DatasetSection
from harness.data.cache import cached_examples
from harness.data.memory import refuse_too_large
from harness.errors import BenchError
from harness.user_code_errors import USER_CODE_ERRORS, named


@dataclass(frozen=True)
class Loaded:
    """All examples as the dataset's file gives them: before a front end, a limit and folds.

    options: of the file's functions, defaults included. key: names all that decides the arrays.
    """

    module: ModuleType
    section: DatasetSection
    options: Mapping[str, Any]
    description: Description
    examples: Examples
    key: str

    @property
    def file(self) -> str:
        """Return the dataset's file, as errors name it."""
        return self.module.__file__ or self.section.name


def load_dataset(
    module: ModuleType,
    *,
    section: DatasetSection,
    root: Path,
    cache_dir: Path,
    data_fingerprint: str,
    code_fingerprint: str,
    verify: Callable[[], None] | None = None,
) -> Loaded:
    """Load the examples of a dataset, from the cache where they are there.

    Args:
        module: An imported dataset file.
        section: Its options.
        root: The folder of raw data, only read.
        cache_dir: The folder of prepared arrays.
        data_fingerprint: Of the raw files.
        code_fingerprint: Of the dataset's file alone, so that arrays prepared before are found
            whatever model is trained.
        verify: Called after raw files were read, before anything of them is kept; raises where they
            are not those of `data_fingerprint` any more.

    Raises:
        BenchError: The data is missing, damaged or too large.
    """
    options = {**_defaults(module.load), **section.options}
    description = call(module, "describe", **accepted(module.describe, {**options, "root": root}))
    refuse_too_large(description, name=section.name)
    key = as_json([section.name, options, data_fingerprint, code_fingerprint])
    examples = _load(module, root, options, key=key, cache_dir=cache_dir, verify=verify)
    return Loaded(module, section, options, description, examples, key)


def call(module: ModuleType, function: str, *args: Any, **kwargs: Any) -> Any:
    """Call a function of the dataset's file.

    Raises:
        BenchError: What went wrong there, with the file's name.
    """
    try:
        return getattr(module, function)(*args, **kwargs)
    except DataError as error:
        raise BenchError(str(error)) from error
    except MemoryError:
        raise
    except USER_CODE_ERRORS as error:
        text = f"{module.__file__}: {function}: {named(error)}"
        raise BenchError(text) from error


def accepted(function: Callable[..., Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of the options that the function takes."""
    known = inspect.signature(function).parameters
    return {name: value for name, value in options.items() if name in known}


def as_json(value: Any) -> str:
    """Return one text for equal values."""
    return json.dumps(value, sort_keys=True, default=str)


def _load(
    module: ModuleType,
    root: Path,
    options: Mapping[str, Any],
    *,
    key: str,
    cache_dir: Path,
    verify: Callable[[], None] | None,
) -> Examples:
    def made() -> Examples:
        loaded = call(module, "load", root, **options)
        if not isinstance(loaded, Examples):
            kind = type(loaded).__name__
            raise BenchError(f"{module.__file__}: load must return Examples, not {kind}")
        if verify is not None:
            verify()
        return loaded

    try:
        return cached_examples(key, made, cache_dir)
    except MemoryError as error:
        raise BenchError(
            f"{module.__file__}: load needs more memory than this machine has; "
            "data larger than memory isn't supported"
        ) from error


def _defaults(function: Callable[..., Any]) -> dict[str, Any]:
    parameters = inspect.signature(function).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not p.empty}
