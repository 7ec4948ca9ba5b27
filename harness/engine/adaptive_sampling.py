"""Configurations that are drawn while a sweep runs: which there are, and how many are to come."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.config.benchmark import BenchmarkSpec
from harness.config.space import count_points, point_in
from harness.engine.resolve import Resolved, resolver
from harness.errors import SpecError
from harness.results.runs import last_params
from harness.results.table_reader import DoneTrial

if TYPE_CHECKING:
    from harness.engine.plan import PlannedTrial

Identify = Callable[[Resolved], "PlannedTrial"]
Point = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Draws:
    """What is known of a space before the rest of it is drawn.

    left: how many are to be drawn. holds: how many different points there are, None where endless.
    corners: trials that stand for the space: their data is read, their models are built first.
    known: every trial in the tables whose point lies in the space, whatever run it is from, and
    those that the last run drew and never began.
    trial: from a point to its trial; raises SpecError where no configuration can have it.
    """

    left: int
    holds: int | None
    corners: tuple["PlannedTrial", ...]
    known: tuple["PlannedTrial", ...]
    trial: Callable[[Point], "PlannedTrial"]

    def limited(self, missing: int, limit: int | None) -> "Draws":
        """With what `--limit` leaves beside trials that are missing already."""
        return self if limit is None else replace(self, left=min(self.left, limit - missing))


def find_draws(
    spec: BenchmarkSpec,
    corners: Sequence["PlannedTrial"],
    done: Mapping[str, DoneTrial],
    identify: Identify,
    *,
    folder: Path,
    root: Path | None,
) -> Draws:
    """The draws of a file whose algorithm is `tpe`.

    A row of the tables belongs to the space if its point, resolved anew, is the same trial: so
    with the same unsearched values, data and code.
    """
    resolved = resolver(spec, root=root)

    def trial(point: Point) -> "PlannedTrial":
        return identify(resolved(point))

    known = (*_known(spec, corners, done, trial), *_begun(spec, folder, done, trial))
    holds = count_points(spec.space)
    wanted = spec.search.num_samples or 1
    most = wanted if holds is None else min(wanted, holds)
    return Draws(max(0, most - len(known)), holds, tuple(corners), known, trial)


def _known(
    spec: BenchmarkSpec,
    corners: Sequence["PlannedTrial"],
    done: Mapping[str, DoneTrial],
    trial: Callable[[Point], "PlannedTrial"],
) -> tuple["PlannedTrial", ...]:
    """In the order of their runs."""
    data = {one.data_fingerprint for one in corners}
    code = {one.code_fingerprint for one in corners}
    found = []
    for row in sorted(done.values(), key=lambda row: (row.run_id, row.trial_id)):
        if row.data_fingerprint in data and row.code_fingerprint in code:
            one = _member(spec, row, trial)
            found += [one] if one is not None else []
    return tuple(found)


def _member(
    spec: BenchmarkSpec, row: DoneTrial, trial: Callable[[Point], "PlannedTrial"]
) -> "PlannedTrial | None":
    config = row.settings

    def value_at(path: str) -> Any:
        section, key = path.split(".", 1)
        return config[section][key]

    return _same(row.trial_id, point_in(spec.space, value_at), trial)


def _begun(
    spec: BenchmarkSpec,
    folder: Path,
    done: Mapping[str, DoneTrial],
    trial: Callable[[Point], "PlannedTrial"],
) -> list["PlannedTrial"]:
    """What a run that was killed had drawn: they may have left a checkpoint."""
    planned = {key: params for key, params in last_params(folder).items() if key not in done}
    points = {key: point_in(spec.space, params.__getitem__) for key, params in planned.items()}
    found = [_same(key, point, trial) for key, point in points.items()]
    return [one for one in found if one is not None]


def _same(
    trial_id: str, point: Point | None, trial: Callable[[Point], "PlannedTrial"]
) -> "PlannedTrial | None":
    """The trial of a point if it still is the one that had this id."""
    if point is None:
        return None
    try:
        one = trial(point)
    except SpecError:
        return None
    return one if one.trial_id == trial_id else None
