"""Augmentation: what is drawn for a batch, and what each change makes of it."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.config.sections import Augmentation
from harness.data.types import FoldInputs
from harness.training.augmentation import (
    agreement,
    augmented,
    cropped,
    flipped,
    louder,
    masked,
    mixed,
    rotated,
    shifted,
)
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


IMAGE = torch.tensor([[1.0, 2.0], [3.0, 4.0]])


def twice(image):
    """The image as a batch of two with one channel."""
    return image.expand(2, 1, *image.shape)


def test_a_shift_rolls_each_example_by_its_own_steps():
    """One step to the right, one to the left; what leaves comes in at the other end."""
    waveform = torch.tensor([1.0, 2.0, 3.0, 4.0]).expand(2, 1, 4)
    moved = shifted(waveform, torch.tensor([1, -1]))
    assert moved[:, 0].tolist() == [[4, 1, 2, 3], [2, 3, 4, 1]]


def test_a_shift_moves_all_bands_together():
    """Of a spectrogram the frames move, the bands stay."""
    moved = shifted(twice(IMAGE), torch.tensor([0, 1]))
    assert moved[0, 0].tolist() == [[1, 2], [3, 4]]
    assert moved[1, 0].tolist() == [[2, 1], [4, 3]]


def test_gain_multiplies_a_waveform():
    """20 dB are a factor of ten, -20 dB a tenth."""
    waveform = torch.tensor([1.0, -2.0]).expand(2, 1, 2)
    changed = louder(waveform, torch.tensor([20.0, -20.0]))
    assert changed[:, 0].flatten().tolist() == pytest.approx([10, -20, 0.1, -0.2])


def test_gain_adds_to_decibels():
    """A spectrogram is in decibels already."""
    changed = louder(twice(IMAGE), torch.tensor([3.0, -1.0]))
    assert torch.equal(changed[0, 0], IMAGE + 3)
    assert torch.equal(changed[1, 0], IMAGE - 1)


@pytest.mark.parametrize("shape", [(2, 1, 5), (2, 1, 3, 5)])
def test_gain_of_normalised_inputs_is_that_of_the_inputs_before(shape):
    """Louder, then normalised, is the same as normalised, then louder."""
    raw = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    ones = (1,) * (len(shape) - 2)
    mean, std = torch.tensor([0.3]).view(-1, *ones), torch.tensor([2.0]).view(-1, *ones)
    gain_db = torch.tensor([6.0, -4.0])
    before = (louder(raw, gain_db) - mean) / std
    after = louder((raw - mean) / std, gain_db, mean=mean, std=std)
    assert torch.allclose(before, after)


def test_a_crop_is_a_window_of_the_padded_image():
    """In the middle the image itself, in the corner zeros from the border."""
    windows = cropped(twice(IMAGE), torch.tensor([1, 0]), torch.tensor([1, 2]), padding=1)
    assert torch.equal(windows[0, 0], IMAGE)
    assert windows[1, 0].tolist() == [[0, 0], [2, 0]]


def test_a_crop_keeps_channels_apart():
    """Every channel is cut at the same place."""
    images = torch.stack([IMAGE, -IMAGE]).unsqueeze(0)
    window = cropped(images, torch.tensor([2]), torch.tensor([0]), padding=1)[0]
    assert window.tolist() == [[[0, 3], [0, 0]], [[0, -3], [0, 0]]]


def test_a_flip_exchanges_left_and_right_where_chosen():
    """The other example stays."""
    turned = flipped(twice(IMAGE), torch.tensor([True, False]))
    assert turned[:, 0].tolist() == [[[2, 1], [4, 3]], [[1, 2], [3, 4]]]


def test_a_quarter_turn_is_that_of_rot90():
    """Counter-clockwise; no turn changes nothing."""
    square = torch.arange(25.0).view(5, 5)
    turned = rotated(twice(square), torch.tensor([90.0, 0.0]))
    assert torch.allclose(turned[0, 0], torch.rot90(square), atol=1e-4)
    assert torch.allclose(turned[1, 0], square, atol=1e-4)


def test_a_turn_keeps_lengths_where_the_image_is_no_square():
    """A pixel one to the right of the centre goes one up, not two fifths up."""
    image = torch.zeros(3, 7)
    image[1, 4] = 1
    turned = rotated(image.view(1, 1, 3, 7), torch.tensor([90.0]))[0, 0]
    assert turned[0, 3] == pytest.approx(1, abs=1e-5)
    assert turned.sum() == pytest.approx(1, abs=1e-4)


def test_corners_that_come_from_nowhere_are_zero():
    """An eighth of a turn of ones leaves the corners partly empty and the centre full."""
    turned = rotated(torch.ones(1, 1, 9, 9), torch.tensor([45.0]))[0, 0]
    assert turned[0, 0] == 0
    assert turned[4, 4] == pytest.approx(1)


def test_a_mask_covers_a_stretch_with_the_mean():
    """From the start on and before the end, of time or of bands."""
    starts, ends = torch.tensor([[0.0], [1.0]]), torch.tensor([[1.0], [2.0]])
    frames = masked(twice(IMAGE), starts, ends, axis=-1)
    assert frames[:, 0].tolist() == [[[2.5, 2], [2.5, 4]], [[1, 2.5], [3, 2.5]]]
    bands = masked(twice(IMAGE), starts, ends, axis=-2)
    assert bands[:, 0].tolist() == [[[2.5, 2.5], [3, 4]], [[1, 2], [2.5, 2.5]]]


def test_several_masks_join():
    """Two stretches of one example; a mask without width covers nothing."""
    line = torch.tensor([[[[0.0, 4.0, 8.0]]]])
    both = masked(line, torch.tensor([[0.0, 1.5]]), torch.tensor([[0.5, 3.0]]), axis=-1)
    assert both.flatten().tolist() == [4, 4, 4]
    assert torch.equal(masked(line, torch.zeros(1, 1), torch.zeros(1, 1), axis=-1), line)


def test_a_mixture_takes_its_share_from_the_partner():
    """Three quarters of the first and a quarter of the second; a share of one changes nothing."""
    inputs = torch.tensor([[[0.0, 0.0]], [[4.0, 8.0]]])
    partners, shares = torch.tensor([1, 0]), torch.tensor([0.75, 1.0])
    assert mixed(inputs, partners, shares)[:, 0].tolist() == [[1, 2], [4, 8]]
    weights = mixed(torch.eye(2), partners, shares)
    assert weights.tolist() == [[0.75, 0.25], [0, 1]]
    assert math.isclose(weights.sum().item(), 2)
