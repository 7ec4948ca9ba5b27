"""From a dataset file to a trial's data: everything learned from train examples alone."""

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from data_prep import digits
from data_prep.examples import DataError, Description, Examples, Fitted
from harness.data import memory
from harness.data.prepare import data_card, prepare_data
from harness.data.values import TrialData
from harness.errors import BenchError
from harness.spec.sections import CrossValidation, DatasetSection

N = 60
PARTS = np.tile(np.arange(1, 6), N // 5)


def _noise(**changes: Any) -> Examples:
    """60 examples (2, 3) in five parts, three classes and groups of two."""
    fields: dict[str, Any] = {
        "inputs": np.random.default_rng(0).normal(size=(N, 2, 3)).astype(np.float32),
        "targets": np.arange(N) % 3,
        "example_ids": np.array([f"noise-{index:02d}" for index in range(N)]),
        "class_names": ("a", "b", "c"),
        "parts": PARTS,
    }
    return Examples(**{**fields, **changes})


def _describe(examples: Examples, **changes: Any) -> Description:
    fields: dict[str, Any] = {
        "title": "noise",
        "input_shape": examples.inputs.shape[1:],
        "class_names": examples.class_names,
        "n_examples": len(examples.targets),
        "source": "here",
        "licence": "none",
        "parts": (1, 2, 3, 4, 5) if examples.parts is PARTS else (),
        "has_groups": examples.groups is not None,
    }
    return Description(**{**fields, **changes})


def _module(examples: Examples, *, fit: Any = None, **described: Any) -> ModuleType:
    """A dataset file, as if it had been loaded; counts its loads."""
    module = ModuleType("noise")
    module.__file__ = "data_prep/noise.py"
    module.loads = []  # type: ignore[attr-defined]

    def load(root: Path, *, level: int = 1) -> Examples:
        module.loads.append(level)  # type: ignore[attr-defined]
        return examples

    def describe(*, level: int = 1) -> Description:
        return _describe(examples, **described)

    module.load, module.describe = load, describe  # type: ignore[attr-defined]
    if fit is not None:
        module.fit = fit  # type: ignore[attr-defined]
    return module


def _prepare(
    module: ModuleType,
    folder: Path,
    *,
    strategy: str = "predefined",
    seed: int = 0,
    repeats: int = 1,
    data: str = "data",
    code: str = "code",
    cross_validation: dict[str, Any] | None = None,
    **section: Any,
) -> TrialData:
    return prepare_data(
        module,
        section=DatasetSection.model_validate({"name": "noise", **section}),
        cross_validation=CrossValidation.model_validate(
            {"strategy": strategy, **(cross_validation or {})}
        ),
        seed=seed,
        repeats=repeats,
        root=folder / "raw",
        cache_dir=folder / "cache",
        data_fingerprint=data,
        code_fingerprint=code,
    )


def test_everything_arrives_unchanged(tmp_path: Path) -> None:
    """Inputs, labels and folds of a dataset that learns nothing."""
    examples = _noise()
    data = _prepare(_module(examples), tmp_path)
    assert np.array_equal(data.inputs[0], examples.inputs)
    assert np.array_equal(data.targets, examples.targets)
    assert data.example_ids.tolist() == examples.example_ids.tolist()
    assert data.input_shape == (2, 3)
    assert [fold.fold for fold in data.folds] == [1, 2, 3, 4, 5]
    assert len(data.fold_inputs) == len(data.folds)
    assert all(one.mean is None and one.inputs == 0 for one in data.fold_inputs)
    assert data.findings == ()


def test_arrays_can_be_shared_as_they_are(tmp_path: Path) -> None:
    """Plain contiguous numpy, with or without a limit, from the cache or not."""
    for limit in (None, 30):
        data = _prepare(_module(_noise()), tmp_path, limit=limit)
        for array in (*data.inputs, data.targets, data.example_ids):
            assert type(array) is np.ndarray
            assert array.flags.c_contiguous


def test_data_is_read_once_for_equal_identity(tmp_path: Path) -> None:
    """Folds and limits don't read again; options, data and code do."""
    module = _module(_noise())
    _prepare(module, tmp_path)
    _prepare(module, tmp_path, level=1, limit=30, seed=5)  # level 1 is the default
    assert module.loads == [1]
    _prepare(module, tmp_path, level=2)
    _prepare(module, tmp_path, data="other")
    _prepare(module, tmp_path, code="other")
    assert module.loads == [1, 2, 1, 1]


def test_the_fingerprint_names_all_that_went_in(tmp_path: Path) -> None:
    """Each change gives another; the same gives the same."""
    module = _module(_noise())
    changes: list[dict[str, Any]] = [
        {}, {"level": 2}, {"limit": 30}, {"normalize": "standard"}, {"seed": 1}, {"repeats": 2},
        {"data": "other"}, {"code": "other"}, {"cross_validation": {"test_fold": 1}},
        {"strategy": "kfold"},
    ]  # fmt: skip
    found = [_prepare(module, tmp_path, **change).fingerprint for change in changes]
    assert len(set(found)) == len(changes)
    assert _prepare(module, tmp_path).fingerprint == found[0]


def test_standard_uses_each_folds_train_examples(tmp_path: Path) -> None:
    """Mean and deviation per channel, equal to numpy's over the train indices."""
    data = _prepare(_module(_noise()), tmp_path, normalize="standard")
    for fold, own in zip(data.folds, data.fold_inputs, strict=True):
        train = data.inputs[0][fold.train]
        assert np.allclose(own.mean, train.mean(axis=(0, 2)), atol=1e-6)
        assert np.allclose(own.std, train.std(axis=(0, 2)), atol=1e-6)


def test_standard_after_the_scale_of_bytes(tmp_path: Path) -> None:
    """The digits' pixels, as the model receives them."""
    data = prepare_data(
        digits,
        section=DatasetSection(name="digits", normalize="standard"),
        cross_validation=CrossValidation(strategy="stratified", n_splits=4),
        seed=0,
        repeats=1,
        root=tmp_path,
        cache_dir=tmp_path,
        data_fingerprint="",
        code_fingerprint="",
    )
    pixels = data.inputs[0][data.folds[0].train] / 16
    assert np.allclose(data.fold_inputs[0].mean, pixels.mean(), atol=1e-6)
    assert np.allclose(data.fold_inputs[0].std, pixels.std(), atol=1e-6)


def test_token_ids_are_not_normalised(tmp_path: Path) -> None:
    """An id has no mean."""
    ids = _noise(inputs=np.ones((N, 4), dtype=np.int64))
    with pytest.raises(BenchError, match=r"dataset\.normalize: standard is for numbers"):
        _prepare(_module(ids, input_dtype="int64"), tmp_path, normalize="standard")


def _fit(examples: Examples, train: np.ndarray, *, seed: int, level: int = 1) -> Fitted:
    """Stands for word vectors: the train mean is taken away, the seed becomes an argument."""
    centred = examples.inputs - examples.inputs[train].mean()
    arguments = {"table": np.full(3, seed % 7), "level": level}
    return Fitted(centred, arguments, token_names=("x", "y"))


def test_what_is_fitted_belongs_to_its_fold(tmp_path: Path) -> None:
    """One array per fold, centred on that fold's train examples; options are passed on."""
    examples = _noise()
    data = _prepare(_module(examples, fit=_fit), tmp_path, level=3)
    assert [own.inputs for own in data.fold_inputs] == [0, 1, 2, 3, 4]
    for fold, own in zip(data.folds, data.fold_inputs, strict=True):
        expected = examples.inputs - examples.inputs[fold.train].mean()
        assert np.array_equal(data.inputs[own.inputs], expected)
        assert own.model_arguments["level"] == 3
        assert own.token_names == ("x", "y")


def test_fit_never_depends_on_held_out_examples(tmp_path: Path) -> None:
    """Other validation and test values leave what a fold learned as it was."""
    examples = _noise()
    first = _prepare(_module(examples, fit=_fit), tmp_path / "a", normalize="standard")
    fold = first.folds[0]
    changed = examples.inputs.copy()
    changed[np.concatenate([fold.validation, fold.test])] += 100
    second = _prepare(
        _module(_noise(inputs=changed), fit=_fit), tmp_path / "b", normalize="standard"
    )
    assert np.array_equal(first.inputs[0][fold.train], second.inputs[0][fold.train])
    assert np.array_equal(first.fold_inputs[0].mean, second.fold_inputs[0].mean)


def test_fits_have_seeds_of_their_own(tmp_path: Path) -> None:
    """By fold and repeat, the same in every call."""
    seeds: list[int] = []

    def fit(examples: Examples, train: np.ndarray, *, seed: int) -> Fitted:
        seeds.append(seed)
        return Fitted()

    for _ in range(2):
        data = _prepare(_module(_noise(), fit=fit), tmp_path, repeats=2)
    assert len(set(seeds[:10])) == 10
    assert seeds[:10] == seeds[10:]
    assert len(data.inputs) == 1


def test_unequal_fits_are_refused(tmp_path: Path) -> None:
    """A vocabulary whose size depends on the fold can't be trained in lock-step."""

    def fit(examples: Examples, train: np.ndarray, *, seed: int) -> Fitted:
        return Fitted(model_arguments={"vocabulary_size": int(train[0])})

    with pytest.raises(BenchError, match=r"noise\.py: fit: argument vocabulary_size differs"):
        _prepare(_module(_noise(), fit=fit), tmp_path)


def test_duplicates_across_roles_are_found(tmp_path: Path) -> None:
    """Example 1 (part 2) is example 0 (part 1) again; the card names both."""
    inputs = _noise().inputs.copy()
    inputs[1] = inputs[0]
    data = _prepare(_module(_noise(inputs=inputs)), tmp_path)
    assert data.findings == ("shared_examples",)
    assert data_card(data)["duplicates"] == [["noise-00", "noise-01"]]


def test_duplicates_within_a_part_are_no_finding(tmp_path: Path) -> None:
    """Examples 0 and 5 are both of part 1."""
    inputs = _noise().inputs.copy()
    inputs[5] = inputs[0]
    data = _prepare(_module(_noise(inputs=inputs)), tmp_path)
    assert data.findings == ()
    assert data_card(data)["n_duplicates"] == 1


def test_a_group_in_two_predefined_parts_is_found(tmp_path: Path) -> None:
    """Neighbours share a recording, but not a part; cut by groups they stay together."""
    grouped = _noise(groups=np.array([f"recording-{index // 2}" for index in range(N)]))
    data = _prepare(_module(grouped), tmp_path)
    assert data.findings == ("shared_examples",)
    assert "recording-0" in data_card(data)["groups_in_two_roles"]
    assert _prepare(_module(grouped), tmp_path, strategy="group").findings == ()


def test_a_limit_keeps_parts_and_classes(tmp_path: Path) -> None:
    """15 of 60: one of each part and class."""
    data = _prepare(_module(_noise()), tmp_path, limit=15)
    assert len(data.targets) == 15
    assert {(len(f.train), len(f.validation), len(f.test)) for f in data.folds} == {(9, 3, 3)}


def test_a_limit_too_small_for_the_folds_is_named(tmp_path: Path) -> None:
    """The message of the folds alone would puzzle."""
    with pytest.raises(BenchError, match=r"smallest class.*\(with dataset\.limit: 12\)"):
        _prepare(_module(_noise()), tmp_path, strategy="stratified", limit=12)


def test_a_wrong_description_names_the_file(tmp_path: Path) -> None:
    """What `bench check` trusted isn't so."""
    with pytest.raises(BenchError, match=r"data_prep/noise\.py: examples: load gives 60"):
        _prepare(_module(_noise(), n_examples=61), tmp_path)


def test_values_that_are_not_finite_name_their_examples(tmp_path: Path) -> None:
    """A NaN in the data would only show as a diverged loss."""
    inputs = _noise().inputs.copy()
    inputs[7, 1, 2] = np.nan
    with pytest.raises(BenchError, match="not finite: noise-07"):
        _prepare(_module(_noise(inputs=inputs)), tmp_path)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (DataError("clip.wav: empty file"), "^clip.wav: empty file$"),
        (KeyError("label"), "noise.py: load: KeyError: 'label'"),
        (MemoryError(), "more memory than this machine has"),
    ],
)
def test_what_goes_wrong_while_loading_is_an_answer(
    tmp_path: Path, error: Exception, words: str
) -> None:
    """Missing data, a mistake in the file, too little memory: never a traceback."""
    module = _module(_noise())

    def load(root: Path) -> Examples:
        raise error

    module.load = load  # type: ignore[attr-defined]
    with pytest.raises(BenchError, match=words):
        _prepare(module, tmp_path)


def test_a_load_that_returns_something_else_is_told(tmp_path: Path) -> None:
    """Say what was found."""
    module = _module(_noise())
    module.load = lambda root: {"inputs": []}  # type: ignore[attr-defined]
    with pytest.raises(BenchError, match="load must return Examples, not dict"):
        _prepare(module, tmp_path)


def test_data_larger_than_memory_is_refused_before_loading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """60 x 6 floats are 1,440 bytes; 1,000 are available."""
    monkeypatch.setattr(memory, "available_memory_bytes", lambda: 1000)
    module = _module(_noise())
    with pytest.raises(BenchError, match="memory"):
        _prepare(module, tmp_path)
    assert module.loads == []


def test_the_data_folder_is_never_written_to(tmp_path: Path) -> None:
    """Only the cache folder appears."""
    _prepare(_module(_noise()), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]


def test_the_card_is_plain_json_that_adds_up(tmp_path: Path) -> None:
    """Counts by class, by fold and role; a few ids of each class."""
    data = _prepare(_module(_noise()), tmp_path)
    card = json.loads(json.dumps(data_card(data)))
    assert card["n_examples"] == N
    assert card["counts"] == {"a": 20, "b": 20, "c": 20}
    assert card["examples"]["b"] == ["noise-01", "noise-04", "noise-07"]
    assert card["n_groups"] is None
    for fold in card["folds"]:
        assert fold["counts"]["train"] == {"a": 12, "b": 12, "c": 12}
        assert fold["counts"]["test"] == {"a": 4, "b": 4, "c": 4}
    assert card["fingerprint"] == data.fingerprint


def test_light_commands_can_import_it_without_heavy_libraries() -> None:
    """The module is read by commands that never touch torch or scikit-learn."""
    import subprocess

    code = (
        "import sys, harness.data.prepare\n"
        "print({'torch', 'sklearn', 'pandas', 'ray', 'soundfile'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"
