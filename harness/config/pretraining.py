"""The `pretraining` section: a model trained first on examples whose labels nobody reads."""

from typing import Annotated, Literal

from pydantic import Field

from harness.config.sections import LrSchedule, NonNegative, Positive, Section, Training

PRETRAINED, RANDOM = "pretrained", "random"
"""The words that `training.initial_weights` knows; any other text is a file's path."""


class Pretraining(Section):
    """A task without labels, its examples, and how it is trained. The last epoch counts."""

    task: Literal["rotation"] = Field(description="0, 90, 180 or 270 degrees: which is it?")
    share: Annotated[float, Field(gt=0, lt=1)] = Field(
        default=0.8, description="of the examples that are never test, set aside for it"
    )
    set_aside: Literal["seeded", "last"] = Field(
        default="seeded", description="last: the first ones of each class keep their labels"
    )
    validation_share: Annotated[float, Field(ge=0, lt=1)] = Field(
        default=0.1, description="of the examples set aside, held out to measure the task"
    )
    rotations: Literal["per_epoch", "fixed"] = Field(
        default="per_epoch", description="fixed: one rotation per image for all epochs"
    )
    epochs: Annotated[int, Field(ge=1)]
    batch_size: Annotated[int, Field(ge=1)]
    optimizer: Literal["adam", "adamw", "sgd"]
    lr: Positive
    weight_decay: NonNegative = 0.0
    momentum: Annotated[float, Field(ge=0, lt=1)] = Field(default=0.0, description="sgd only")
    schedule: LrSchedule = "constant"
    warmup_epochs: Annotated[int, Field(ge=0)] = Field(default=0, description="linear, from 0")
    gradient_clip: Positive | None = Field(default=None, description="largest gradient norm")
    initial_weights: str | None = Field(
        default=None, description="a file with a state dict to begin with; default: random weights"
    )

    @property
    def training(self) -> Training:
        """The same as a training section, for optimizers and schedules."""
        shared = (Pretraining.model_fields.keys() & Training.model_fields.keys()) - {
            "initial_weights"
        }
        return Training.model_validate({key: getattr(self, key) for key in shared})
