"""Second tries: trials whose process died, and those for which memory ran out."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.tune.recovery.out_of_memory import larger_share
from harness.tune.recovery.worker_failures import Death

HANDED_BACK = "handed back"  # what a worker calls a trial that is to get a larger share


@dataclass(frozen=True)
class Terms:
    """On what terms the trials of one pass run; what a worker knows of it.

    logs: folder of the trials' logs while they run, on every machine.
    time_limit_s: seconds that one trial may train. gpu: each trial's share.
    alone: no other trial runs beside it. hands_back: a trial for which memory ran out leaves no
    row, since it is tried again with a larger share.
    """

    logs: Path
    time_limit_s: float | None = None
    gpu: float = 0.0
    alone: bool = False
    hands_back: bool = False


@dataclass(frozen=True)
class Pass:
    """One walk of Tune over some of a sweep's trials: which, how many at a time, on what terms.

    why: what a user is told of it; empty for the first one.
    """

    indices: tuple[int, ...]
    jobs: int | None
    terms: Terms
    why: str = ""


@dataclass
class Troubles:
    """What went wrong with trials that got no row: trial id -> how the process died, or the error
    of one for which memory ran out and which handed itself back."""

    deaths: dict[str, Death] = field(default_factory=dict)
    starved: dict[str, str] = field(default_factory=dict)

    def begun(self, trial_id: str) -> None:
        """It runs (again), so what happened before is past."""
        self.deaths.pop(trial_id, None)
        self.starved.pop(trial_id, None)


def first_pass(n_trials: int, *, jobs: int | None, fits: int, terms: Terms) -> Pass:
    """All trials. fits: how many the machine can run at a time."""
    at_a_time = max(1, min(n_trials, fits if jobs is None else min(jobs, fits)))
    terms = replace(
        terms,
        alone=at_a_time == 1,
        hands_back=larger_share(terms.gpu, at_a_time=at_a_time) is not None,
    )
    return Pass(tuple(range(n_trials)), jobs, terms)


def pass_of_the_dead(first: Pass, ids: Sequence[str], troubles: Troubles) -> Pass | None:
    """Trials whose process died for no reason that is known: once more, on the same terms."""
    found = [key for key, death in troubles.deaths.items() if death.cause == "unknown"]
    if not found:
        return None
    why = f"the worker of {_counted(found)} died; tried once more"
    return replace(first, indices=_indices(found, ids), why=why)


def pass_of_the_starved(first: Pass, ids: Sequence[str], troubles: Troubles) -> Pass | None:
    """Trials for which memory ran out: with a larger share of the GPU, or one at a time."""
    dead = [key for key, one in troubles.deaths.items() if one.cause == "out of memory"]
    found = [*troubles.starved, *dead]
    if not found or not first.terms.hands_back:
        return None
    gpu = larger_share(first.terms.gpu, at_a_time=2) or 0.0
    share = f"with {gpu:g} of a GPU each" if gpu else "one at a time"
    return Pass(
        _indices(found, ids),
        first.jobs if gpu else 1,
        replace(first.terms, gpu=gpu, alone=not gpu, hands_back=False),
        why=f"memory ran out for {_counted(found)}; tried again {share}",
    )


def _indices(found: Sequence[str], ids: Sequence[str]) -> tuple[int, ...]:
    place = {trial_id: index for index, trial_id in enumerate(ids)}
    return tuple(sorted(place[one] for one in found))


def _counted(found: Sequence[str]) -> str:
    return "1 trial" if len(found) == 1 else f"{len(found)} trials"
