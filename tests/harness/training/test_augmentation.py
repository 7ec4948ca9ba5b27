"""Train batches change, as the seed says; labels, shapes and torch's own random state stay."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.config.sections import Augmentation
from harness.data.types import FoldInputs
from harness.training.augmentation import agreement, augmented
from harness.training.batches import fold_source
from tests.builders import CPU, build_linear, make_job, make_trial_data, trained

IMAGES = {
    "crop": {"padding": 2},
    "flip": {},
    "rotation": {"degrees": 20},
}
SOUNDS = {
    "time_shift": {"fraction": 0.5},
    "gain": {"db": 6},
}
SPECTROGRAMS = {**SOUNDS, "spec_augment": {"time_fraction": 0.5, "mel_fraction": 0.5}}
SINGLE = [
    *(((3, 8, 6), {name: numbers}) for name, numbers in IMAGES.items()),
    *(((1, 40), {name: numbers}) for name, numbers in SOUNDS.items()),
    *(((1, 8, 12), {name: numbers}) for name, numbers in SPECTROGRAMS.items()),
    ((3, 8, 6), IMAGES),
    ((1, 8, 12), {**SPECTROGRAMS, "mixup": {"alpha": 0.4}}),
]
each_transform = pytest.mark.parametrize(
    ("shape", "transforms"), SINGLE, ids=["-".join(transforms) for _, transforms in SINGLE]
)


def batches_of(shape, transforms, *, seed=0, batch_sizes=(7, 7)):
    """(before, after) of a few batches of three classes."""
    source = fold_source(make_trial_data(n=30, input_shape=shape), 0, CPU)
    generator = torch.Generator().manual_seed(3)
    before = [
        (torch.randn(n, *shape, generator=generator), torch.arange(n) % 3) for n in batch_sizes
    ]
    kept = [(inputs.clone(), targets.clone()) for inputs, targets in before]
    after = augmented(
        before,
        Augmentation.model_validate(transforms),
        source=source,
        num_classes=3,
        seed=seed,
    )
    return kept, list(after), before


@each_transform
def test_inputs_change_and_nothing_else(shape, transforms):
    """Same shapes and types, the given batch untouched, targets as they were but for mixup."""
    kept, after, before = batches_of(shape, transforms)
    for (inputs, targets), (changed, expected), (given_inputs, _) in zip(
        kept, after, before, strict=True
    ):
        assert changed.shape == inputs.shape
        assert changed.dtype == inputs.dtype
        assert torch.isfinite(changed).all()
        assert not torch.equal(changed, inputs)
        assert torch.equal(given_inputs, inputs)
        assert "mixup" in transforms or torch.equal(expected, targets)


@each_transform
def test_the_seed_decides(shape, transforms):
    """The same rows for the same seed, others for another, whatever torch has drawn before."""
    _, first, _ = batches_of(shape, transforms, seed=1)
    torch.rand(5)
    _, same, _ = batches_of(shape, transforms, seed=1)
    _, other, _ = batches_of(shape, transforms, seed=2)
    assert all(torch.equal(a, b) for (a, _), (b, _) in zip(first, same, strict=True))
    assert not any(torch.equal(a, b) for (a, _), (b, _) in zip(first, other, strict=True))


@each_transform
def test_the_random_state_of_torch_is_left_alone(shape, transforms):
    """So that dropout is the same with and without augmentation."""
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    batches_of(shape, transforms)
    assert torch.equal(torch.rand(3), expected)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**62), alpha=st.floats(0.05, 4), sizes=st.lists(st.integers(1, 9)))
def test_mixed_targets_are_weights(seed, alpha, sizes):
    """They sum to one, are never negative, and keep the batch's class counts in sum."""
    kept, after, _ = batches_of((1, 6), {"mixup": {"alpha": alpha}}, seed=seed, batch_sizes=sizes)
    for (inputs, targets), (changed, weights) in zip(kept, after, strict=True):
        assert weights.shape == (len(targets), 3)
        assert torch.allclose(weights.sum(1), torch.ones(len(targets)))
        assert (weights >= 0).all()
        lowest, highest = inputs.min(0).values, inputs.max(0).values
        assert ((changed >= lowest - 1e-5) & (changed <= highest + 1e-5)).all()


def test_agreement_counts_the_weight_of_the_predicted_class():
    """Of classes it counts the right ones; of mixtures it adds up what the prediction is worth."""
    predicted = torch.tensor([0, 1, 1])
    assert agreement(predicted, torch.tensor([0, 1, 2])).item() == 2
    weights = torch.tensor([[0.7, 0.3, 0.0], [0.9, 0.1, 0.0], [0.0, 0.0, 1.0]])
    assert agreement(predicted, weights).item() == pytest.approx(0.8)


def test_training_repeats_itself():
    """Two trainings with augmentation give the same weights; without it, others."""
    data = make_trial_data(input_shape=(1, 8, 8))
    job = make_job(data, augmentation={**IMAGES, "mixup": {"alpha": 0.3}})
    (first, same), (plain,) = [trained(job)[1] for _ in range(2)], [trained(make_job(data))[1]]
    assert torch.equal(first[0].state["head.weight"], same[0].state["head.weight"])
    assert not torch.equal(first[0].state["head.weight"], plain[0].state["head.weight"])


def test_the_loss_of_mixtures_is_that_of_their_weights():
    """With weights of zero, logits are zero: ln 3 whatever the mixture; accuracy lies in 0..1."""

    def build(*, input_shape, num_classes):
        model = build_linear(input_shape=input_shape, num_classes=num_classes)
        for parameter in model.parameters():
            torch.nn.init.zeros_(parameter)
        return model

    job = make_job(
        make_trial_data(input_shape=(1, 9)),
        build=build,
        lr=1e-9,
        epochs=1,
        augmentation={"mixup": {"alpha": 1.0}},
    )
    [epoch], _ = trained(job)
    for fold in epoch.folds:
        assert fold.train_loss == pytest.approx(np.log(3), abs=1e-5)
        assert 0 < fold.train_accuracy < 1


def test_validation_is_never_augmented():
    """Only train batches go through: the first epoch's weights decide all that validation says."""
    data = make_trial_data(input_shape=(1, 8, 8), n=30)
    tiny = {"lr": 1e-12, "epochs": 1}
    plain, _ = trained(make_job(data, **tiny))
    changed, _ = trained(make_job(data, augmentation=IMAGES, **tiny))
    for one, other in zip(plain[0].folds, changed[0].folds, strict=True):
        assert one.val_loss == pytest.approx(other.val_loss)
        assert one.train_loss != pytest.approx(other.train_loss, abs=1e-4)


def test_gain_knows_the_normalisation():
    """6 dB on a spectrogram that was divided by 12 are at most half a unit."""
    data = make_trial_data(n=30, input_shape=(1, 4, 4))
    fold = FoldInputs(mean=np.array([1.0], np.float32), std=np.array([12.0], np.float32))
    source = fold_source(replace(data, fold_inputs=(fold,) * len(data.folds)), 0, CPU)
    inputs = torch.zeros(200, 1, 4, 4)
    asked = Augmentation.model_validate({"gain": {"db": 6}})
    [(changed, _)] = augmented(
        [(inputs, torch.zeros(200, dtype=torch.long))],
        asked,
        source=source,
        num_classes=3,
        seed=0,
    )
    assert 0.4 < changed.abs().max().item() <= 0.5
