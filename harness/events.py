"""What a sweep tells whoever watches it. The command line draws these; nothing else prints."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class StepStarted:
    """What the run does next, while no trial is running yet."""

    text: str


@dataclass(frozen=True)
class SweepPlanned:
    """How much there is to do.

    mode: `max` or `min` of the objective. labels: trial id -> its searched values, in words.
    """

    done: int
    missing: int
    objective: str
    mode: str
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class TrialDrawn:
    """A configuration joined the sweep while it runs. label: its searched values, in words."""

    trial_id: str
    label: str


@dataclass(frozen=True)
class TrialStarted:
    """A worker took a trial."""

    trial_id: str


@dataclass(frozen=True)
class EpochEnded:
    """A running trial's fold mean of the objective after an epoch; at most about one a second."""

    trial_id: str
    epoch: int
    objective: float


@dataclass(frozen=True)
class TrialEnded:
    """A trial's rows are with the result writer.

    objective, objective_std: over folds and repeats on validation; None for a failed trial.
    """

    trial_id: str
    status: str
    objective: float | None
    objective_std: float | None
    fit_time_s: float
    error: str | None = None


@dataclass(frozen=True)
class Note:
    """One line a user should read once."""

    text: str


@dataclass(frozen=True)
class RunLost:
    """The last event of a run that can't go on: its process ends with exit code 1 right after."""

    text: str


Event = (
    StepStarted
    | SweepPlanned
    | TrialDrawn
    | TrialStarted
    | EpochEnded
    | TrialEnded
    | Note
    | RunLost
)
OnEvent = Callable[[Event], None]
