"""Learning-rate schedules as one pure function of the step."""

from collections.abc import Callable
from functools import cache
from math import cos, pi

from harness.config.sections import Schedule, Training

# torch's defaults of OneCycleLR
_ONE_CYCLE_RISE = 0.3
_ONE_CYCLE_START = 1 / 25
_ONE_CYCLE_END = 1 / 25 / 1e4


def lr_factor(training: Training, *, step: int, steps_per_epoch: int) -> float:
    """Return what `training.lr` is multiplied with at one step (from 0) of the whole training.

    Warm-up rises linearly from 0 and reaches 1 at its last step; cosine and one_cycle then fill
    the steps that are left. The milestones of `step` count epochs from the start of training.
    """
    warmup_steps = training.warmup_epochs * steps_per_epoch
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    schedule = _schedule(training)
    return _FACTORS[schedule.name](schedule, training, step, steps_per_epoch)


def _schedule(training: Training) -> Schedule:
    if isinstance(training.schedule, Schedule):
        return training.schedule
    return _named(training.schedule)


@cache
def _named(name: str) -> Schedule:
    """Validated once, not at every step."""
    return Schedule.model_validate({"name": name})


def _constant(schedule: Schedule, training: Training, step: int, steps_per_epoch: int) -> float:
    return 1.0


def _cosine(schedule: Schedule, training: Training, step: int, steps_per_epoch: int) -> float:
    """Half a cosine over `period_epochs`; beyond them it rises again, as torch's does."""
    start = training.warmup_epochs * steps_per_epoch
    period = (schedule.period_epochs or training.epochs - training.warmup_epochs) * steps_per_epoch
    return (1 + cos(pi * (step - start) / period)) / 2


def _one_cycle(schedule: Schedule, training: Training, step: int, steps_per_epoch: int) -> float:
    """Up by a cosine from 1/25 to 1 in 30 % of the steps, then down to 1/250,000."""
    start = training.warmup_epochs * steps_per_epoch
    last = training.epochs * steps_per_epoch - start - 1
    top = _ONE_CYCLE_RISE * (last + 1) - 1
    position = step - start
    if position <= top:
        return _cosine_between(_ONE_CYCLE_START, 1.0, position / top if top > 0 else 1.0)
    return _cosine_between(1.0, _ONE_CYCLE_END, (position - top) / (last - top))


def _step(schedule: Schedule, training: Training, step: int, steps_per_epoch: int) -> float:
    """Times gamma after each milestone; without milestones after each third of the epochs."""
    thirds = {training.epochs // 3, 2 * training.epochs // 3} - {0}
    milestones = thirds if schedule.milestones is None else schedule.milestones
    epochs_done = step // steps_per_epoch
    return float(schedule.gamma ** sum(epochs_done >= milestone for milestone in milestones))


def _cosine_between(start: float, end: float, fraction: float) -> float:
    return end + (start - end) * (1 + cos(pi * fraction)) / 2


_FACTORS: dict[str, Callable[[Schedule, Training, int, int], float]] = {
    "constant": _constant,
    "cosine": _cosine,
    "one_cycle": _one_cycle,
    "step": _step,
}
