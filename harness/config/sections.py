"""The sections of a benchmark file, as frozen types. Field names are the file's keys."""

import itertools
from collections.abc import Iterator
from math import ceil
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from harness.config.limits import CONFIGURATIONS, EPOCHS, FOLDS

# A name is looked up in folders, so it can't be a path out of them.
FileName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(gt=0, le=1)]
FractionOrNone = Annotated[float, Field(ge=0, le=1)]
PRETRAINED, RANDOM = "pretrained", "random"
"""The words that `training.initial_weights` knows; any other text is a file's path."""
GRACE_SHARE = 0.1
REDUCTION_FACTOR = 3  # as of Optuna's HyperbandPruner


class Section(BaseModel):
    """A frozen mapping with known keys; unknown ones are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)


class NamedSection(BaseModel):
    """A section whose other keys are the keyword arguments of the file it names."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True, defer_build=True)

    name: FileName = Field(description="file name without .py")

    @property
    def options(self) -> dict[str, Any]:
        """Return the keys that the named file itself declares."""
        return dict(self.model_extra or {})


class FrontEnd(Section):
    """A log-mel spectrogram in decibels: (channels, samples) to (channels, n_mels, frames)."""

    name: Literal["log_mel"]
    rate_hz: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="samples per second; default: what the dataset says"
    )
    n_fft: Annotated[int, Field(ge=2)] = Field(default=1024, description="window, in samples")
    hop: Annotated[int, Field(ge=1)] = Field(default=512, description="samples between frames")
    n_mels: Annotated[int, Field(ge=1)] = 64
    f_min: NonNegative = Field(default=0.0, description="Hz")
    f_max: Positive | None = Field(default=None, description="Hz; default: half of rate_hz")
    top_db: Positive | None = Field(
        default=80.0, description="values lie at most so far below the example's loudest"
    )

    @model_validator(mode="after")
    def _makes_sense(self) -> "FrontEnd":
        if self.f_max is not None and self.f_min >= self.f_max:
            raise ValueError(f"f_min must lie below f_max, {self.f_min:g} does not")
        if self.hop > self.n_fft:
            raise ValueError(f"a hop of {self.hop} leaves out samples between windows of n_fft")
        return self


class DatasetSection(NamedSection):
    """Which data, and the dataset's own options beside the keys every dataset has."""

    limit: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="at most this many examples, balanced over parts and classes"
    )
    normalize: Literal["none", "standard", "unit"] = Field(
        default="none",
        description="standard: zero mean, unit variance per channel, train only; "
        "unit: values 0..1 become -1..1",
    )
    train_per_class: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="at most this many train examples of each class in every fold"
    )
    front_end: FrontEnd | None = Field(
        default=None, description="turns waveforms into spectrograms, once, before training"
    )


class ModelSection(NamedSection):
    """Which model, and the hyper-parameters of its `build`."""


ScheduleName = Literal["constant", "cosine", "one_cycle", "step"]


_SCHEDULE_NUMBERS: dict[str, tuple[str, ...]] = {
    "constant": (),
    "cosine": ("period_epochs",),
    "one_cycle": (),
    "step": ("milestones", "gamma"),
}


class Schedule(Section):
    """A learning-rate schedule with its numbers; a bare name in the file means its defaults."""

    name: ScheduleName
    period_epochs: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="cosine: half period; default: to zero over all epochs"
    )
    milestones: tuple[Annotated[int, Field(ge=1)], ...] | None = Field(
        default=None, strict=False, description="step: epochs after which lr is multiplied"
    )
    gamma: Positive = Field(default=0.1, description="step: the factor")

    @model_validator(mode="after")
    def _has_only_its_own_numbers(self) -> "Schedule":
        foreign = sorted(self._given() - set(_SCHEDULE_NUMBERS[self.name]))
        if foreign:
            owner = next(name for name, own in _SCHEDULE_NUMBERS.items() if foreign[0] in own)
            raise ValueError(f"{foreign[0]} belongs to the schedule {owner}, not to {self.name}")
        marks = self.milestones or ()
        if any(late <= early for early, late in itertools.pairwise(marks)):
            raise ValueError("milestones must rise")
        return self

    @model_serializer(mode="wrap")
    def _plain(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        own = ("name", *_SCHEDULE_NUMBERS[self.name])
        return {key: value for key, value in handler(self).items() if key in own}

    def _given(self) -> set[str]:
        return {key for key in self.model_fields_set - {"name"} if getattr(self, key) is not None}


def _bare_where_default(schedule: ScheduleName | Schedule) -> ScheduleName | Schedule:
    """Make `cosine` of `{name: cosine}`: they are one thing, so they must not make two trials."""
    if isinstance(schedule, Schedule) and schedule == Schedule(name=schedule.name):
        return schedule.name
    return schedule


LrSchedule = Annotated[ScheduleName | Schedule, AfterValidator(_bare_where_default)]


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
    """Yield name and reason of each transform that makes no sense for such inputs.

    Args:
        augmentation: The transforms.
        input_shape: (channels, samples), (channels, height, width) or (channels, mel bands,
            frames).
        input_dtype: As the dataset describes it.
        is_spectrogram: Whether `dataset.front_end` made them.
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


Precision = Literal["float32", "tf32", "bf16"]


class Training(Section):
    """How every fold of a configuration is trained."""

    epochs: Annotated[int, Field(ge=1, le=EPOCHS, description="passes over the train examples")]
    batch_size: Annotated[int, Field(ge=1, description="train examples to a step")]
    optimizer: Literal["adam", "adamw", "sgd"] = Field(description="torch's, with its defaults")
    lr: Positive = Field(description="learning rate")
    weight_decay: NonNegative = Field(default=0.0, description="adamw: decoupled")
    momentum: Annotated[float, Field(ge=0, lt=1)] = Field(default=0.0, description="sgd only")
    schedule: LrSchedule = "constant"
    warmup_epochs: Annotated[int, Field(ge=0)] = Field(default=0, description="linear, from 0")
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = Field(
        default=0.0, description="of the training loss alone"
    )
    gradient_clip: Positive | None = Field(default=None, description="largest gradient norm")
    early_stopping: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="patience in epochs, on the fold mean of each repeat"
    )
    selection: Literal["best", "last"] = Field(
        default="best", description="which epoch's weights count; best is chosen on validation"
    )
    augmentation: Augmentation | None = Field(
        default=None, description="random changes of train batches, by name; see Augmentation"
    )
    fold_execution: Literal["auto", "loop", "vectorized"] = Field(
        default="auto",
        description="vectorized: all folds as one batched model; auto: whichever is faster",
    )
    precision: Precision | None = Field(
        default=None,
        description="of products and convolutions; bf16: torch's autocast; default: torch's own, "
        "float32 on a CPU",
    )
    compile: bool = Field(
        default=False, description="training steps through torch.compile, which takes its time"
    )
    fast_operators: bool = Field(
        default=False,
        description="on a CPU, pools, dropout and attention by bench's faster operators in "
        "place of torch's: other masks, other rounding",
    )
    initial_weights: str | None = Field(
        default=None,
        description="pretrained, random, or a file with a state dict; "
        "default: pretrained where the file has a pretraining section, else random",
    )
    trainable: Literal["all", "head"] = Field(
        default="all", description="head: everything else keeps its weights and statistics"
    )


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
        """Return the same as a training section, for optimizers and schedules."""
        shared = (Pretraining.model_fields.keys() & Training.model_fields.keys()) - {
            "initial_weights"
        }
        return Training.model_validate({key: getattr(self, key) for key in shared})


Size = Annotated[int, Field(ge=1)] | Annotated[float, Field(gt=0, lt=1)]


class CrossValidation(Section):
    """How the examples are cut into folds."""

    strategy: Literal["predefined", "stratified", "group", "kfold", "holdout", "official"]
    test_fold: Annotated[int, Field(ge=1)] | Literal["rotate", "official", "none"] | None = Field(
        default=None, description="part N, rotate (the default), official or none"
    )
    n_splits: Annotated[int, Field(ge=2, le=FOLDS)] | None = Field(
        default=None, description="parts to cut; default 5 where parts are cut"
    )
    validation_size: Size | None = Field(default=None, description="holdout: default 0.2")
    test_size: Size | None = Field(default=None, description="holdout: default 0.2")

    @model_validator(mode="before")
    @classmethod
    def _write_defaults_out(cls, data: Any) -> Any:
        """Fill in what is left out, so that equal folds have equal sections."""
        if not isinstance(data, dict):
            return data
        given = {key: value for key, value in data.items() if value is not None}
        strategy = given.get("strategy")
        defaults: dict[str, Any] = {}
        if strategy == "holdout":
            defaults = {"validation_size": 0.2, "test_size": 0.2}
        elif strategy in ("stratified", "group", "kfold"):
            defaults = {"test_fold": "rotate", "n_splits": 5}
        elif strategy == "predefined":
            defaults = {"test_fold": "rotate"}
        return {**defaults, **given}


class Scheduler(Section):
    """What stops trials early, with its numbers; a bare name in the file means its defaults."""

    name: Literal["none", "asha"]
    grace_epochs: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="no trial is stopped before; default: a tenth of all epochs"
    )
    reduction_factor: Annotated[int, Field(ge=2)] = Field(
        default=REDUCTION_FACTOR,
        description="one in so many goes on at each rung; rungs lie so many times further apart",
    )

    def grace_of(self, epochs: int) -> int:
        """Return the first epoch after which a trial may be stopped.

        Args:
            epochs: The most that any trial trains.
        """
        return self.grace_epochs or max(1, ceil(GRACE_SHARE * epochs))


def _bare_scheduler(scheduler: str | Scheduler) -> str | Scheduler:
    if isinstance(scheduler, Scheduler) and scheduler == Scheduler(name=scheduler.name):
        return scheduler.name
    return scheduler


class Search(Section):
    """How the space is walked. The space itself is `harness.config.space.Space`."""

    algorithm: Literal["grid", "random", "tpe"] = "grid"
    num_samples: Annotated[int, Field(ge=1, le=CONFIGURATIONS)] | None = Field(
        default=None, description="random, tpe: number of draws"
    )
    scheduler: Annotated[Literal["none", "asha"] | Scheduler, AfterValidator(_bare_scheduler)] = (
        Field(
            default="none",
            description="asha: stops trials whose validation mean falls behind, epoch by epoch",
        )
    )
    time_budget_s: Positive | None = Field(
        default=None, description="seconds of the whole run, after which nothing is trained"
    )

    @property
    def pruning(self) -> Scheduler | None:
        """Return the scheduler with its numbers, None without one."""
        given: Any = self.scheduler
        scheduler = given if isinstance(given, Scheduler) else Scheduler(name=given)
        return None if scheduler.name == "none" else scheduler


class Objective(Section):
    """The one metric that ranks and prunes, always on validation."""

    metric: str = Field(description="one of the metrics, see `bench list metrics`")


class Resources(Section):
    """What one trial occupies."""

    cpu: Annotated[int, Field(ge=1)] = Field(default=1, description="cores, and threads of torch")
    gpu: NonNegative = Field(default=0.0, description="share; dropped where there is no GPU")
    time_limit_s: Positive | None = Field(
        default=None, description="seconds that one trial may train; longer ones fail"
    )
    checkpoint_interval_s: NonNegative | None = Field(
        default=60.0,
        description="seconds of training that an interruption may cost a trial; 0: its epoch, "
        "null: all of them. Checkpoints take a twentieth of the time at most, but with 0",
    )


class Published(BaseModel):
    """A number printed elsewhere: `{train,val,test}_<metric>` columns, as fractions."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True, defer_build=True)

    where: dict[str, Any] = Field(
        default_factory=dict, description="path -> value: of which configurations"
    )
    fold: int | None = Field(default=None, description="of which fold; default: of their mean")
    epoch: Annotated[int, Field(ge=1)] | Literal["best", "last"] | None = Field(
        default=None, description="of which epoch, as far as it is known"
    )
    source: str = Field(description="where it is printed")
    flaws: tuple[int, ...] = Field(
        default=(), strict=False, description="numbers of what is known to be wrong with it"
    )

    @model_validator(mode="after")
    def _has_numbers(self) -> "Published":
        if not self.model_extra:
            raise ValueError("no published number: give at least one such as test_accuracy: 0.5")
        return self

    @property
    def numbers(self) -> dict[str, float]:
        """Return column name -> published value."""
        return {key: float(value) for key, value in (self.model_extra or {}).items()}
