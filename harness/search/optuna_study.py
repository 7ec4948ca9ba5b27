"""What to try next: a study of Optuna over one of our spaces, told everything that ever ended."""

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.config.space import (
    Choice,
    IntRange,
    LogUniform,
    Parameter,
    Space,
    Uniform,
    dependencies_first,
    holds,
    identity,
    samples,
)

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial, Trial

MOST_REPEATS = 50

Point = Mapping[str, Any]


@dataclass(frozen=True)
class Ended:
    """How a trial ended. status: `complete`, `pruned` or `failed`.

    value: the objective on validation; of a pruned one its mean after `epoch`, the last one.
    """

    status: str
    value: float | None = None
    epoch: int = 0


class Proposals:
    """Asks for points and is told how their trials ended; imports optuna when it is made.

    The same seed, history and order of answers give the same points.
    """

    def __init__(
        self, space: Space, past: Sequence[tuple[Point, Ended]], *, mode: str, seed: int
    ) -> None:
        """past: every trial of this space that ended before, with its point; mode: max or min."""
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=True)
        direction = "maximize" if mode == "max" else "minimize"
        self.study = optuna.create_study(direction=direction, sampler=sampler)
        self._space, self._seed = space, seed
        self._open: dict[int, Trial] = {}
        for point, ended in past:
            self.add(point, ended)

    def add(self, point: Point, ended: Ended) -> None:
        """A trial that nobody asked for here."""
        self.study.add_trial(_frozen(self._space, point, ended))

    def ask(self) -> tuple[int, dict[str, Any]]:
        """A number to answer with, and a point of the space."""
        trial = self.study.ask()
        self._open[trial.number] = trial
        point: dict[str, Any] = {}
        for parameter in dependencies_first(self._space):
            condition = self._space.when.get(parameter.key)
            if condition is None or holds(condition, point):
                point.update(parameter.assign(_suggested(trial, parameter)))
        return trial.number, {path: point[path] for path in self._space.paths if path in point}

    def ask_new(self, is_known: Callable[[Point], bool]) -> tuple[int, dict[str, Any]] | None:
        """The same, but a point that is not known; None where the space holds no other.

        Of a small space the study comes back to the same points: after `MOST_REPEATS` of them the
        next random draw that is not known is taken.
        """
        for _ in range(MOST_REPEATS):
            number, point = self.ask()
            if not is_known(point):
                return number, point
            self.tell(number, Ended("failed"))  # its answer is in the study already
        walk = samples(self._space, 10**9, self._seed)
        for point in walk:
            if not is_known(point):
                self.study.enqueue_trial(_params(self._space, point))
                return self.ask()
        return None

    def tell(self, number: int, ended: Ended) -> None:
        """How the trial of this number ended."""
        from optuna.trial import TrialState

        trial = self._open.pop(number)
        value = _finite(ended.value)
        if value is None or ended.status == "failed":
            self.study.tell(trial, state=TrialState.FAIL)
        elif ended.status == "pruned":
            trial.report(value, ended.epoch)
            self.study.tell(trial, state=TrialState.PRUNED)
        else:
            self.study.tell(trial, value)


def _suggested(trial: "Trial", parameter: Parameter) -> Any:
    domain, key = parameter.domain, parameter.key
    if isinstance(domain, Choice):
        return domain.values[trial.suggest_categorical(key, list(range(len(domain.values))))]
    if isinstance(domain, IntRange):
        low, high = domain.representatives
        return trial.suggest_int(key, low, high, step=domain.step)
    return trial.suggest_float(key, domain.low, domain.high, log=isinstance(domain, LogUniform))


def _frozen(space: Space, point: Point, ended: Ended) -> "FrozenTrial":
    from optuna.trial import TrialState, create_trial

    params = _params(space, point)
    value = _finite(ended.value)
    state = TrialState.COMPLETE if ended.status == "complete" else TrialState.PRUNED
    if value is None or ended.status == "failed":
        state, value = TrialState.FAIL, None
    pruned = state is TrialState.PRUNED and value is not None
    return create_trial(
        state=state,
        value=value,
        params=params,
        distributions={key: _distribution(space, key) for key in params},
        intermediate_values={ended.epoch: value} if pruned and value is not None else None,
    )


def _params(space: Space, point: Point) -> dict[str, Any]:
    """The point as the study has it: of a choice, linked or not, the place of its value."""
    params: dict[str, Any] = {}
    for parameter in space.parameters:
        if parameter.paths[0] in point:
            params[parameter.key] = _param(parameter, point)
    return params


def _param(parameter: Parameter, point: Point) -> Any:
    given = tuple(point[path] for path in parameter.paths)
    value: Any = given if len(given) > 1 else given[0]
    if isinstance(parameter.domain, Choice):
        known = [identity(one) for one in parameter.domain.values]
        return known.index(identity(value))
    return int(value) if isinstance(parameter.domain, IntRange) else float(value)


def _distribution(space: Space, key: str) -> "BaseDistribution":
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    (domain,) = (p.domain for p in space.parameters if p.key == key)
    if isinstance(domain, Choice):
        return CategoricalDistribution(list(range(len(domain.values))))
    if isinstance(domain, IntRange):
        return IntDistribution(*domain.representatives, step=domain.step)
    assert isinstance(domain, Uniform | LogUniform)
    return FloatDistribution(domain.low, domain.high, log=isinstance(domain, LogUniform))


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
