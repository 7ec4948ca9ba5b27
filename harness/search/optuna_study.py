"""A study of Optuna over one of our search spaces, which knows every trial that ever ended."""

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
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
from harness.search.protocols import TrialOutcome

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial, Trial

# Known points in a row after which the study has walked through a small space.
MOST_REPEATS = 50

Point = Mapping[str, Any]


class OptunaStudy:
    """Proposes points of a space and learns from how their trials ended; imports Optuna when made.

    The same seed, history and order of answers give the same points.
    """

    def __init__(
        self, space: Space, past: Sequence[tuple[Point, TrialOutcome]], *, mode: str, seed: int
    ) -> None:
        """Make a study that knows every trial of the space that ended before.

        Args:
            space: Where the points come from.
            past: Point and outcome of each of those trials.
            mode: `max` or `min` of the objective.
            seed: Of everything that is drawn.
        """
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=True)
        direction = "maximize" if mode == "max" else "minimize"
        self.study = optuna.create_study(direction=direction, sampler=sampler)
        self._space, self._seed = space, seed
        self._open: dict[int, Trial] = {}
        for point, outcome in past:
            self.add(point, outcome)

    def add(self, point: Point, outcome: TrialOutcome) -> None:
        """Take a trial that was not asked for here."""
        self.study.add_trial(_frozen(self._space, point, outcome))

    def ask(self) -> tuple[int, dict[str, Any]]:
        """Return a number to answer with, and a point of the space."""
        trial = self.study.ask()
        self._open[trial.number] = trial
        point: dict[str, Any] = {}
        for parameter in dependencies_first(self._space):
            condition = self._space.when.get(parameter.key)
            if condition is None or holds(condition, point):
                point.update(parameter.assign(_suggested(trial, parameter)))
        return trial.number, {path: point[path] for path in self._space.paths if path in point}

    def ask_new(self, is_known: Callable[[Point], bool]) -> tuple[int, dict[str, Any]] | None:
        """Return the same as `ask`, but of a point that is not known.

        Of a small space the study comes back to the same points: after `MOST_REPEATS` of them the
        next random draw that is not known is taken.

        Args:
            is_known: Whether a point needs no trial.

        Returns:
            Number and point; None where the space holds no other point.
        """
        for _ in range(MOST_REPEATS):
            number, point = self.ask()
            if not is_known(point):
                return number, point
            self.tell(number, TrialOutcome("failed"))  # its answer is in the study already
        for point in samples(self._space, 10**9, self._seed):
            if not is_known(point):
                self.study.enqueue_trial(_params(self._space, point))
                return self.ask()
        return None

    def tell(self, number: int, outcome: TrialOutcome) -> None:
        """Take the outcome of the trial that was asked for under a number."""
        from optuna.trial import TrialState

        trial = self._open.pop(number)
        value = _finite(outcome.value)
        if value is None or outcome.status == "failed":
            self.study.tell(trial, state=TrialState.FAIL)
        elif outcome.status == "pruned":
            trial.report(value, outcome.epoch)
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


def _frozen(space: Space, point: Point, outcome: TrialOutcome) -> "FrozenTrial":
    from optuna.trial import TrialState, create_trial

    params = _params(space, point)
    value = _finite(outcome.value)
    state = TrialState.COMPLETE if outcome.status == "complete" else TrialState.PRUNED
    if value is None or outcome.status == "failed":
        state, value = TrialState.FAIL, None
    pruned = state is TrialState.PRUNED and value is not None
    return create_trial(
        state=state,
        value=value,
        params=params,
        distributions={key: _distribution(space, key) for key in params},
        intermediate_values={outcome.epoch: value} if pruned and value is not None else None,
    )


def _params(space: Space, point: Point) -> dict[str, Any]:
    """Return the point as the study has it: of a choice, linked or not, its value's place."""
    params: dict[str, Any] = {}
    for parameter in space.parameters:
        if parameter.paths[0] in point:
            params[parameter.key] = _param(parameter, point)
    return params


def _param(parameter: Parameter, point: Point) -> Any:
    given = tuple(point[path] for path in parameter.paths)
    value: Any = given if len(given) > 1 else given[0]
    if isinstance(parameter.domain, Choice):
        return [identity(choice) for choice in parameter.domain.values].index(identity(value))
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
