"""What a fold learns from its data, it learns from its train examples alone."""

from pathlib import Path

import numpy as np
import pytest

from data_prep import digits
from data_prep.examples import Examples, Fitted
from harness.config.sections import CrossValidation, DatasetSection
from harness.errors import BenchError
from tests.dataset_builders import N, noise_examples, noise_module, prepare_data, prepare_noise


def test_standard_uses_each_folds_train_examples(tmp_path: Path) -> None:
    """Mean and deviation per channel, equal to numpy's over the train indices."""
    data = prepare_noise(noise_module(noise_examples()), tmp_path, normalize="standard")
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


def test_unit_takes_0_to_1_to_minus_1_to_1(tmp_path: Path) -> None:
    """(x - 0.5) / 0.5 in every channel and fold, whatever the train examples are."""
    data = prepare_noise(noise_module(noise_examples()), tmp_path, normalize="unit")
    for own in data.fold_inputs:
        assert (own.mean.tolist(), own.std.tolist()) == ([0.5, 0.5], [0.5, 0.5])


@pytest.mark.parametrize("normalize", ["standard", "unit"])
def test_token_ids_are_not_normalised(tmp_path: Path, normalize: str) -> None:
    """An id has no mean."""
    ids = noise_examples(inputs=np.ones((N, 4), dtype=np.int64))
    with pytest.raises(BenchError, match=rf"dataset\.normalize: {normalize} is for numbers"):
        prepare_noise(noise_module(ids, input_dtype="int64"), tmp_path, normalize=normalize)


def _fit(examples: Examples, train: np.ndarray, *, seed: int, level: int = 1) -> Fitted:
    """Stands for word vectors: the train mean is taken away, the seed becomes an argument."""
    centred = examples.inputs - examples.inputs[train].mean()
    arguments = {"table": np.full(3, seed % 7), "level": level}
    return Fitted(centred, arguments, token_names=("x", "y"))


def test_what_is_fitted_belongs_to_its_fold(tmp_path: Path) -> None:
    """One array per fold, centred on that fold's train examples; options are passed on."""
    examples = noise_examples()
    data = prepare_noise(noise_module(examples, fit=_fit), tmp_path, level=3)
    assert [own.inputs for own in data.fold_inputs] == [0, 1, 2, 3, 4]
    for fold, own in zip(data.folds, data.fold_inputs, strict=True):
        expected = examples.inputs - examples.inputs[fold.train].mean()
        assert np.array_equal(data.inputs[own.inputs], expected)
        assert own.model_arguments["level"] == 3
        assert own.token_names == ("x", "y")


def test_fit_never_depends_on_held_out_examples(tmp_path: Path) -> None:
    """Other validation and test values leave what a fold learned as it was."""
    examples = noise_examples()
    first = prepare_noise(noise_module(examples, fit=_fit), tmp_path / "a", normalize="standard")
    fold = first.folds[0]
    changed = examples.inputs.copy()
    changed[np.concatenate([fold.validation, fold.test])] += 100
    second = prepare_noise(
        noise_module(noise_examples(inputs=changed), fit=_fit), tmp_path / "b", normalize="standard"
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
        data = prepare_noise(noise_module(noise_examples(), fit=fit), tmp_path, repeats=2)
    assert len(set(seeds[:10])) == 10
    assert seeds[:10] == seeds[10:]
    assert len(data.inputs) == 1


def test_unequal_fits_are_refused(tmp_path: Path) -> None:
    """A vocabulary whose size depends on the fold can't be trained in lock-step."""

    def fit(examples: Examples, train: np.ndarray, *, seed: int) -> Fitted:
        return Fitted(model_arguments={"vocabulary_size": int(train[0])})

    with pytest.raises(BenchError, match=r"noise\.py: fit: argument vocabulary_size differs"):
        prepare_noise(noise_module(noise_examples(), fit=fit), tmp_path)
