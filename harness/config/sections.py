"""The sections of a benchmark file, as frozen types. Field names are the file's keys."""

import itertools
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

from harness.config.augmentation import Augmentation
from harness.config.base import FileName as FileName
from harness.config.base import NonNegative as NonNegative
from harness.config.base import Positive as Positive
from harness.config.base import Section as Section
from harness.config.front_end import FrontEnd
from harness.config.limits import EPOCHS, FOLDS
from harness.config.search import Search as Search


class NamedSection(BaseModel):
    """A section whose other keys are the keyword arguments of the file it names."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True, defer_build=True)

    name: FileName = Field(description="file name without .py")

    @property
    def options(self) -> dict[str, Any]:
        """The keys that the named file itself declares."""
        return dict(self.model_extra or {})


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
    """`{name: cosine}` and `cosine` are one thing, so they must not make two trials."""
    if isinstance(schedule, Schedule) and schedule == Schedule(name=schedule.name):
        return schedule.name
    return schedule


LrSchedule = Annotated[ScheduleName | Schedule, AfterValidator(_bare_where_default)]


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
        """What is left out is filled in, so that equal folds have equal sections."""
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
        """Column name -> published value."""
        return {key: float(value) for key, value in (self.model_extra or {}).items()}
