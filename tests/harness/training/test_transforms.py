"""Every transform on tensors small enough to say by hand what comes out."""

import math

import pytest
import torch

from harness.training.transforms import (
    cropped,
    flipped,
    louder,
    masked,
    mixed,
    rotated,
    shifted,
)

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
