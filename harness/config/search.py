"""How the space is walked: the algorithm, what stops trials early, and for how long."""

from math import ceil
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from harness.config.base import Positive, Section
from harness.config.limits import CONFIGURATIONS

GRACE_SHARE = 0.1
REDUCTION_FACTOR = 3


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
        """The first epoch after which a trial may be stopped. epochs: the most that any trains."""
        return self.grace_epochs or max(1, ceil(GRACE_SHARE * epochs))


def _bare_where_default(scheduler: str | Scheduler) -> str | Scheduler:
    if isinstance(scheduler, Scheduler) and scheduler == Scheduler(name=scheduler.name):
        return scheduler.name
    return scheduler


class Search(Section):
    """How the space is walked. The space itself is `harness.config.space.Space`."""

    algorithm: Literal["grid", "random", "tpe"] = "grid"
    num_samples: Annotated[int, Field(ge=1, le=CONFIGURATIONS)] | None = Field(
        default=None, description="random, tpe: number of draws"
    )
    scheduler: Annotated[
        Literal["none", "asha"] | Scheduler, AfterValidator(_bare_where_default)
    ] = Field(
        default="none",
        description="asha: stops trials whose validation mean falls behind, epoch by epoch",
    )
    time_budget_s: Positive | None = Field(
        default=None, description="seconds of the whole run, after which nothing is trained"
    )

    @property
    def pruning(self) -> Scheduler | None:
        """The scheduler with its numbers, None without one."""
        given: Any = self.scheduler
        one = given if isinstance(given, Scheduler) else Scheduler(name=given)
        return None if one.name == "none" else one
