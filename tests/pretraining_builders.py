"""Images that know which side is up, and a job that pretrains on them."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn

from harness.config.sections import Pretraining
from harness.data.types import FoldInputs, PretrainingExamples, TrialData
from harness.training.checkpoint import Checkpoint, Header
from harness.training.rotation_pretraining import Pretrained, PretrainingJob, pretrain
from harness.training.training_state import (
    PretrainingState,
    pack_pretraining,
    unpack_pretraining,
)
from tests.builders import CPU, make_trial_data
from tests.checkpoints import SETTING

SIZE = 4


class SmallNet(nn.Module):
    """A convolution, batch normalisation, dropout and a head."""

    def __init__(self, channels: int, size: int, num_classes: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(channels, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten()
        )
        self.dropout = nn.Dropout(0.1)
        self.head = nn.Linear(4 * size * size, num_classes)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.head(self.dropout(self.features(inputs)))


def build_small(*, input_shape: tuple[int, ...], num_classes: int) -> nn.Module:
    """A small network of images that a state dict can be taken from."""
    return SmallNet(input_shape[0], input_shape[1], num_classes)


def oriented_data(*, n: int = 96, test: bool = True, validation: bool = True) -> TrialData:
    """Noisy images that are bright at the top; a half of the train examples is set aside."""
    random = np.random.default_rng(0)
    ramp = np.linspace(2, -2, SIZE, dtype=np.float32)[:, None] * np.ones((1, SIZE), np.float32)
    inputs = (ramp + 0.5 * random.normal(size=(n, 1, SIZE, SIZE))).astype(np.float32)
    data = make_trial_data(n=n, input_shape=(1, SIZE, SIZE), test=test)
    outside = data.folds[0].test
    aside = np.setdiff1d(np.arange(n), outside)[::2]
    held_out = aside[::4] if validation else aside[:0]
    folds = tuple(
        replace(
            fold,
            train=np.setdiff1d(fold.train, aside),
            validation=np.setdiff1d(fold.validation, aside),
        )
        for fold in data.folds
    )
    taking_part = PretrainingExamples(
        train=np.setdiff1d(aside, held_out), validation=held_out, test=outside, inputs=FoldInputs()
    )
    return replace(data, inputs=(inputs,), folds=folds, pretraining=taking_part)


def pretraining_section(**changes: Any) -> Pretraining:
    """Three epochs of SGD with momentum."""
    given = {"task": "rotation", "epochs": 3, "batch_size": 8, "optimizer": "sgd", "lr": 0.02}
    return Pretraining.model_validate({**given, "momentum": 0.9, "schedule": "cosine"} | changes)


def pretraining_job(data: TrialData | None = None, **section: Any) -> PretrainingJob:
    """A pretraining of the small network."""
    return PretrainingJob(
        section=pretraining_section(**section),
        data=data or oriented_data(),
        build=build_small,
        model_arguments={},
        seed=0,
        device=CPU,
    )


def pretrained(
    job: PretrainingJob, *, after: PretrainingState | None = None
) -> tuple[list[PretrainingState], Pretrained]:
    """Every epoch as it would be read from disk, and the end."""
    seen = []
    for step in pretrain(job, after):  # a state is a view, which the next epoch changes
        if isinstance(step, Pretrained):
            return seen, step
        seen.append(unpack_pretraining(checkpoint_of(step)))
    raise AssertionError("a pretraining ends with its weights")


def checkpoint_of(state: PretrainingState, epochs: int = 3) -> Checkpoint:
    """As a run keeps it."""
    return pack_pretraining(Header(SETTING, len(state.rows), epochs), state)
