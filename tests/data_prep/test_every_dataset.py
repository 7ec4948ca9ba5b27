"""What every dataset file promises, for each file of data_prep and each choice of its options."""

import inspect
import os
import tempfile
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from data_prep.examples import DataError, Description, Examples, Fitted
from harness.data.dataset_checks import refuse_bad_inputs, refuse_undescribed
from harness.plugins import catalog
from tests.own_data import write_images, write_sounds, write_texts

FUNCTIONS = ("describe", "prepare", "files", "load")
OWN = tempfile.TemporaryDirectory(prefix="bench-own-data-")  # removed with the process


def _cases() -> Iterator[tuple[str, tuple[tuple[str, Any], ...]]]:
    """Each dataset with its defaults, then with each other value of one Literal option."""
    for name, entry in catalog.entries("dataset", folder=catalog.SHIPPED).items():
        yield name, ()
        for option in inspect.signature(catalog.load(entry).load).parameters.values():
            for value in get_args(option.annotation):
                if isinstance(value, str | int) and value != option.default:
                    yield name, ((option.name, value),)


@lru_cache(maxsize=4)
def _load(name: str, options: tuple[tuple[str, Any], ...]) -> Examples:
    """The examples; skips where the raw data isn't on this machine."""
    module, root = _module(name), Path(os.environ.get("BENCH_DATA", "no-data"))
    try:
        files = module.files(root, **_given(name, options))
    except DataError as error:
        cure = "" if "BENCH_DATA" in os.environ else "set BENCH_DATA to the data folder: "
        pytest.skip(f"{cure}{str(error).splitlines()[0]}")
    assert files
    assert all(file.is_file() for file in files)
    return module.load(root, **_given(name, options))


def _module(name: str) -> Any:
    return catalog.load(catalog.find("dataset", name, folder=catalog.SHIPPED))


def _describe(name: str, options: tuple[tuple[str, Any], ...]) -> Description:
    return _module(name).describe(**_given(name, options))


@lru_cache(maxsize=1)
def _own_paths() -> Mapping[str, Path]:
    """Where the datasets that describe a user's own files find some."""
    folder = Path(OWN.name)
    return {
        "image_folder": write_images(folder / "images"),
        "audio_folder": write_sounds(folder / "sounds"),
        "text_csv": write_texts(folder / "texts.csv"),
    }


def _given(name: str, options: tuple[tuple[str, Any], ...]) -> dict[str, Any]:
    """The options, and the path that some datasets can't do without."""
    own = _own_paths().get(name)
    return dict(options) if own is None else {"path": str(own), **dict(options)}


every_dataset = pytest.mark.parametrize(
    ("name", "options"),
    [
        pytest.param(*case, id="-".join([case[0], *(str(v) for _, v in case[1])]))
        for case in _cases()
    ],
)


def _options_of(function: Any) -> Mapping[str, Any]:
    parameters = inspect.signature(function).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}


@every_dataset
def test_all_functions_take_the_same_options(name: str, options: tuple[Any, ...]) -> None:
    """`prepare` may take `progress` beside them; `fit` takes a seed and some of them."""
    module = _module(name)
    expected = _options_of(module.load)
    for function in FUNCTIONS:
        found = dict(_options_of(getattr(module, function)))
        if function == "prepare":
            found.pop("progress", None)
        assert found == expected


@every_dataset
def test_the_description_needs_no_data(name: str, options: tuple[Any, ...]) -> None:
    """Or its listing alone. Title, source and licence are said; classes are distinct."""
    description = _describe(name, options)
    assert description.title
    assert description.source
    assert description.licence
    assert len(set(description.class_names)) == len(description.class_names) >= 2


@every_dataset
def test_the_description_is_what_load_gives(name: str, options: tuple[Any, ...]) -> None:
    """Shape, type, number, classes, parts and groups."""
    examples, description = _load(name, options), _describe(name, options)
    refuse_undescribed(examples, description, file=name)
    if not hasattr(_module(name), "fit"):
        refuse_bad_inputs(examples.inputs, examples, description, file=name)
        stored = description.storage_dtype or description.input_dtype
        assert examples.inputs.dtype == np.dtype(stored)


@every_dataset
def test_every_part_holds_every_class(name: str, options: tuple[Any, ...]) -> None:
    """No fold can lack a class because of how the publisher cut."""
    examples = _load(name, options)
    parts = np.zeros(len(examples.targets)) if examples.parts is None else examples.parts
    n_classes = len(examples.class_names)
    for part in np.unique(parts):
        assert len(np.unique(examples.targets[parts == part])) == n_classes


@every_dataset
def test_loading_twice_gives_the_same(name: str, options: tuple[Any, ...]) -> None:
    """Bytes, order and ids."""
    first = _load(name, options)
    second = _load.__wrapped__(name, options)
    for field in ("inputs", "targets", "example_ids", "parts", "groups"):
        one, other = getattr(first, field), getattr(second, field)
        assert (one is None and other is None) or np.array_equal(one, other)


@every_dataset
def test_what_is_fitted_depends_on_train_examples_alone(
    name: str, options: tuple[Any, ...]
) -> None:
    """The same train examples and seed give the same inputs, of the described shape."""
    fit = getattr(_module(name), "fit", None)
    if fit is None:
        pytest.skip(f"{name} learns nothing from its examples")
    examples, description = _load(name, options), _describe(name, options)
    chosen = {key: value for key, value in dict(options).items() if key in _options_of(fit)}
    train = np.arange(0, len(examples.targets), 2)
    one, other = (fit(examples, train, seed=1, **chosen) for _ in range(2))
    assert isinstance(one, Fitted)
    inputs = examples.inputs if one.inputs is None else one.inputs
    assert tuple(inputs.shape[1:]) == tuple(description.input_shape)
    assert one.inputs is None or np.array_equal(one.inputs, other.inputs)
    assert set(one.model_arguments) == set(description.model_arguments)


@every_dataset
def test_new_inputs_are_read_with_options_of_the_dataset(
    name: str, options: tuple[Any, ...]
) -> None:
    """From a path or a text; where `fit` learns token names, with these."""
    module = _module(name)
    if not hasattr(module, "read_input"):
        pytest.skip(f"{name} reads no new inputs")
    first, *others = inspect.signature(module.read_input).parameters
    assert first in ("path", "text")
    assert set(others) - {"token_names"} <= set(_options_of(module.load))
    assert ("token_names" in others) == hasattr(module, "fit")
