"""The `training.augmentation` key: which random changes train batches go through, and how strong.

A null transform is not applied. They are applied in the order of the fields of `Augmentation`.
"""

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from harness.config.base import Positive, Section

Fraction = Annotated[float, Field(gt=0, le=1)]
FractionOrNone = Annotated[float, Field(ge=0, le=1)]


class TimeShift(Section):
    """Rolls the last axis, around its end, by up to `fraction` of its length to either side."""

    fraction: Fraction


class Gain(Section):
    """Louder or softer by up to `db` decibels."""

    db: Positive


class Crop(Section):
    """A random window of the image's own size, of the image with `padding` pixels around it."""

    padding: Annotated[int, Field(ge=1)]


class Flip(Section):
    """Left becomes right."""

    probability: Fraction = 0.5


class Rotation(Section):
    """Turns the image about its centre, by up to `degrees` to either side."""

    degrees: Annotated[float, Field(gt=0, le=180)]


class SpecAugment(Section):
    """Masks stretches of the last axis (time) and of the one before it (mel bands).

    A mask is up to that fraction of its axis wide, and holds the example's mean.
    """

    time_masks: Annotated[int, Field(ge=0)] = 2
    time_fraction: FractionOrNone = 0.1
    mel_masks: Annotated[int, Field(ge=0)] = 2
    mel_fraction: FractionOrNone = 0.1

    @model_validator(mode="after")
    def _masks_something(self) -> "SpecAugment":
        if not (self.time_masks and self.time_fraction) and not (
            self.mel_masks and self.mel_fraction
        ):
            raise ValueError("spec_augment masks nothing: give masks and a fraction above 0")
        return self


class Mixup(Section):
    """Each example becomes a mixture with another of its batch, and so does its target.

    alpha: shares are drawn from Beta(alpha, alpha); 0.2 mixes little, 1 evenly.
    """

    alpha: Positive


class Augmentation(Section):
    """Named transforms with their numbers, at least one."""

    time_shift: TimeShift | None = None
    gain: Gain | None = None
    crop: Crop | None = None
    flip: Flip | None = None
    rotation: Rotation | None = None
    spec_augment: SpecAugment | None = None
    mixup: Mixup | None = None

    @model_validator(mode="after")
    def _names_one(self) -> "Augmentation":
        if not any(getattr(self, name) for name in type(self).model_fields):
            raise ValueError("names no transform: leave `augmentation` out, or give null")
        return self

    @model_serializer(mode="wrap")
    def _given(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # A transform that a later version adds must not rename the trials of this one.
        return {key: value for key, value in handler(self).items() if value is not None}


_IMAGE_ONLY = ("crop", "flip", "rotation")


def misfits(
    augmentation: Augmentation,
    input_shape: tuple[int, ...],
    *,
    input_dtype: str,
    is_spectrogram: bool,
) -> Iterator[tuple[str, str]]:
    """Name and reason of each transform that makes no sense for such inputs.

    input_shape: (channels, samples), (channels, height, width) or (channels, mel bands, frames).
    is_spectrogram: whether `dataset.front_end` made them.
    """
    for name in Augmentation.model_fields:
        if getattr(augmentation, name) is None:
            continue
        if input_dtype != "float32":
            yield name, "inputs are token ids, which can't be changed like numbers"
        elif reason := _misfit(name, len(input_shape), is_spectrogram):
            yield name, reason
    if augmentation.crop and len(input_shape) == 3 and not is_spectrogram:
        shortest = min(input_shape[1:])
        if augmentation.crop.padding >= shortest:
            yield "crop", f"a padding of {augmentation.crop.padding} can leave nothing of the image"


def _misfit(name: str, n_axes: int, is_spectrogram: bool) -> str | None:
    if name == "mixup":
        return None
    if name in _IMAGE_ONLY and (n_axes != 3 or is_spectrogram):
        return "it is for images (channels, height, width)"
    if name == "spec_augment" and n_axes != 3:
        return "it is for spectrograms: give dataset.front_end, or leave it out"
    if name == "gain" and n_axes == 3 and not is_spectrogram:
        return "it is for waveforms and for spectrograms of dataset.front_end"
    if n_axes < 2:
        return "inputs have no axis of time"
    return None
