"""What a sweep asks of a search: a sampler for further trials, a scheduler for early stops.

A sweep knows of no particular algorithm, and an algorithm knows neither of Ray nor of a sweep.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol, TypeVar

SampledTrial = TypeVar("SampledTrial", covariant=True)


class Decision(Enum):
    """What becomes of a trial after an epoch."""

    CONTINUE = "continue"
    STOP = "stop"


@dataclass(frozen=True)
class TrialOutcome:
    """How a trial ended.

    Attributes:
        status: `complete`, `pruned` or `failed`.
        value: The objective on validation; of a pruned trial its mean after `epoch`.
        epoch: The last epoch of a pruned trial.
    """

    status: str
    value: float | None = None
    epoch: int = 0


class Sampler(Protocol[SampledTrial]):
    """Proposes trials while a sweep runs, and learns from their outcomes."""

    @property
    def n_to_draw(self) -> int:
        """How many trials it may propose in all, those that it has proposed among them."""

    @property
    def drawn(self) -> Sequence[Any]:
        """The trials proposed so far, as the plan has them."""

    def ask(self) -> SampledTrial | None:
        """Return the next trial; None where there is none."""

    def tell(self, trial_id: str, outcome: TrialOutcome) -> None:
        """Take the outcome of a trial that was proposed here, or that was missing before."""


class Scheduler(Protocol):
    """Compares running trials and decides after each epoch which of them to stop."""

    def add(self, trial_id: str) -> None:
        """Take a trial that begins; one that begins again counts as another one from then on."""

    def report(self, trial_id: str, epoch: int, value: float) -> Decision:
        """Take the objective of a trial after an epoch, and decide what becomes of the trial."""
