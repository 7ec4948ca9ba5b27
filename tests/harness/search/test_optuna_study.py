"""Points that are proposed lie in the space; the study knows all that ended, wherever it ran."""

import math
from statistics import fmean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.trial import TrialState

from harness.config.space import (
    Choice,
    IntRange,
    LogUniform,
    Parameter,
    Space,
    Uniform,
    holds,
    identity,
    point_in,
)
from harness.search.optuna_study import OptunaStudy
from harness.search.protocols import TrialOutcome

SPACE = Space(
    (
        Parameter(("training.momentum",), Uniform(0.1, 0.9)),
        Parameter(("training.optimizer",), Choice(("adam", "sgd"))),
        Parameter(("training.lr",), LogUniform(1e-4, 1e-1)),
        Parameter(("model.depth",), IntRange(1, 8, 3)),
        Parameter(("model.width", "model.num_heads"), Choice(((48, 4), (120, 10)))),
        Parameter(("training.augmentation",), Choice((None, {"flip": True}))),
    ),
    when={"training.momentum": {"training.optimizer": ("sgd",)}},
)
SIX = Space(
    (
        Parameter(("model.a",), Choice((1, 2, 3))),
        Parameter(("model.b",), Choice(("x", "y"))),
    )
)
STATUSES = ("complete", "pruned", "failed")


def told(seed: int, statuses: list[str]) -> OptunaStudy:
    """A study of this space after so many answers, the i-th of value i / 10."""
    study = OptunaStudy(SPACE, [], mode="max", seed=seed)
    for place, status in enumerate(statuses):
        number, _ = study.ask()
        study.tell(number, TrialOutcome(status, place / 10, epoch=place + 1))
    return study


def contents(study: OptunaStudy) -> list[tuple]:
    """What a sampler sees of each trial."""
    return [
        (one.state, one.params, one.distributions, one.value, one.intermediate_values)
        for one in study.study.trials
    ]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.lists(st.sampled_from(STATUSES), max_size=25))
def test_whatever_is_proposed_lies_in_the_space(seed, statuses):
    """Also after its startup phase; momentum exists for sgd alone."""
    study = told(seed, statuses)
    _, point = study.ask()
    assert identity(point_in(SPACE, point.__getitem__)) == identity(point)
    assert ("training.momentum" in point) == holds({"training.optimizer": ("sgd",)}, point)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.lists(st.sampled_from(STATUSES), max_size=15))
def test_a_study_that_is_told_the_past_equals_the_one_that_lived_it(seed, statuses):
    """State, parameters, value and the epoch of a pruned one."""
    first = OptunaStudy(SPACE, [], mode="max", seed=seed)
    past = []
    for place, status in enumerate(statuses):
        number, point = first.ask()
        ended = TrialOutcome(status, None if status == "failed" else place / 10, epoch=place + 1)
        first.tell(number, ended)
        past.append((point, ended))
    assert contents(OptunaStudy(SPACE, past, mode="max", seed=seed)) == contents(first)


def test_a_pruned_trial_is_no_complete_one():
    """Its early value would pull the search away from late starters."""
    study = told(0, ["pruned"])
    (trial,) = study.study.trials
    assert trial.state is TrialState.PRUNED
    assert trial.intermediate_values == {1: 0.0}


@pytest.mark.parametrize("value", [None, float("nan")])
def test_a_score_that_is_undefined_is_a_failure(value):
    """As of a class that no fold holds."""
    study = OptunaStudy(SPACE, [], mode="max", seed=0)
    number, _ = study.ask()
    study.tell(number, TrialOutcome("complete", value))
    assert study.study.trials[0].state is TrialState.FAIL


def test_a_seed_repeats_its_study():
    """As far as answers come in the same order."""
    runs = [told(seed, ["complete"] * 12).ask()[1] for seed in (3, 3, 4)]
    assert runs[0] == runs[1] != runs[2]


def test_a_small_space_is_walked_to_its_end():
    """Six points, each once, then none: known ones are asked for again, with a cap."""
    study = OptunaStudy(SIX, [], mode="max", seed=0)
    seen: list = []
    while (asked := study.ask_new(lambda point: identity(point) in seen)) is not None:
        number, point = asked
        seen.append(identity(point))
        study.tell(number, TrialOutcome("complete", 1.0 * (point["model.a"] == 3)))
    assert len(seen) == len(set(seen)) == 6


def test_it_learns_from_answers():
    """Of a rate that is best at 0.01, drawn between 1e-5 and 10: later ones lie nearer."""
    space = Space((Parameter(("training.lr",), LogUniform(1e-5, 10.0)),))
    early, late = [], []
    for seed in range(4):
        study = OptunaStudy(space, [], mode="min", seed=seed)
        losses = []
        for _ in range(30):
            number, point = study.ask()
            losses.append(abs(math.log10(point["training.lr"]) + 2))
            study.tell(number, TrialOutcome("complete", losses[-1]))
        early += losses[:10]
        late += losses[-10:]
    assert fmean(late) < 0.7 * fmean(early)
