"""Several benchmarks: the best of one against the best of another, and ranks across all."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any, NamedTuple

from harness.errors import BenchError
from harness.report.benchmark_results import BenchmarkResults, Configuration
from harness.report.formatting import value_text
from harness.report.per_dataset import split_by_dataset
from harness.results.trial_config import param_value
from harness.results.trial_reference import SelectedTrial, choose, open_source
from harness.statistics.comparison import Comparison, compare
from harness.statistics.differences import adjusted
from harness.statistics.selection_bias import Ranks, mean_ranks

ALL_RUNS = "all"


class Side(NamedTuple):
    """One configuration of one benchmark. role: `best` or `baseline`."""

    results: BenchmarkResults
    configuration: Configuration
    role: str

    @property
    def name(self) -> str:
        """`esc50_cnn #1`."""
        return f"{self.results.name} {self.configuration.name}"


class Meeting(NamedTuple):
    """b minus a; found: in words why not, where they can't be compared. Its p is adjusted over all
    meetings that are paired fold by fold."""

    a: Side
    b: Side
    found: Comparison | str


class SideBySide(NamedTuple):
    """ranked: what the ranks are of, `configurations` or `models`; ranks: None where the benchmarks
    share fewer than two."""

    benchmarks: tuple[BenchmarkResults, ...]
    meetings: tuple[Meeting, ...]
    ranked: str
    ranks: Ranks | None


def side_by_side(benchmarks: Sequence[BenchmarkResults]) -> SideBySide:
    """Meetings of every two benchmarks, and mean ranks of what all of them share."""
    sides = [(a, b) for one, other in combinations(benchmarks, 2) for a, b in _sides(one, other)]
    found = _with_holm([_meet(a, b) for a, b in sides])
    meetings = (Meeting(*pair, one) for pair, one in zip(sides, found, strict=True))
    ranked, ranks = _ranks(benchmarks)
    return SideBySide(tuple(benchmarks), tuple(meetings), ranked, ranks)


def _sides(one: BenchmarkResults, other: BenchmarkResults) -> list[tuple[Side, Side]]:
    """The best of each, and the baselines where both name one that is not the best.

    A benchmark of several datasets has a best of each; those of equal data meet.
    """
    pairs = [(Side(one, a, "best"), Side(other, b, "best")) for a, b in _bests(one, other)]
    chosen = [(results, results.baseline) for results in (one, other) if results.baseline]
    if len(chosen) == 2 and any(named is not results.best for results, named in chosen):
        a, b = (Side(results, named, "baseline") for results, named in chosen)
        pairs.append((a, b))
    return pairs


def _bests(
    one: BenchmarkResults, other: BenchmarkResults
) -> list[tuple[Configuration, Configuration]]:
    parts, others = split_by_dataset(one), split_by_dataset(other)
    if len(parts) == len(others) == 1:
        return [(one.best, other.best)] if one.best and other.best else []
    pairs = [(a.results.best, b.results.best) for a in parts for b in others if a.is_same(b)]
    return [(a, b) for a, b in pairs if a and b]


def _meet(a: Side, b: Side) -> Comparison | str:
    try:
        found = compare(*map(_choice, (a, b)))
    except BenchError as error:
        return str(error)
    if found.folds.unpaired and isinstance(found.examples, str):
        return found.folds.unpaired
    return found


def _choice(side: Side) -> SelectedTrial:
    run_id = None if side.results.run_id == ALL_RUNS else side.results.run_id
    return choose(open_source(side.results.folder, run_id, side.configuration.trial_id))


def _with_holm(found: Sequence[Comparison | str]) -> list[Comparison | str]:
    """The same with p adjusted over all that could be compared."""
    compared = [one for one in found if not isinstance(one, str)]
    differences = iter(adjusted([one.folds.difference for one in compared]))
    return [one if isinstance(one, str) else
            replace(one, folds=replace(one.folds, difference=next(differences)))
            for one in found]  # fmt: skip


def _ranks(benchmarks: Sequence[BenchmarkResults]) -> tuple[str, Ranks | None]:
    """Of the configurations that all benchmarks hold, else of their models, by validation mean."""
    if len(benchmarks) < 2 or len({results.objective for results in benchmarks}) > 1:
        return "configurations", None
    if any(len(split_by_dataset(results)) > 1 for results in benchmarks):
        return "configurations", None  # no one rank holds over several datasets
    paths = sorted({path for results in benchmarks for path in results.names
                    if not path.startswith("dataset.") and path != "variant"})  # fmt: skip
    for what, keys in (("configurations", ["model.name", *paths]), ("models", ["model.name"])):
        scores = [_best_scores(results, keys) for results in benchmarks]
        shared = [name for name in scores[0] if all(name in one for one in scores[1:])]
        if len(shared) > 1:
            table = {name: [one[name] for one in scores] for name in shared}
            return what, mean_ranks(table, mode=benchmarks[0].mode)
    return "configurations", None


def _best_scores(results: BenchmarkResults, paths: Sequence[str]) -> dict[str, float]:
    """What these paths hold, in words -> the best validation mean of it."""
    found: dict[str, float] = {}
    for one in results.complete:
        config = json.loads(one.row.get("config") or "{}")
        mean = one.row.get(f"val_{results.objective}_mean")
        if mean is not None:
            found.setdefault(_words(config, paths), float(mean))
    return found


def _words(config: Mapping[str, Any], paths: Sequence[str]) -> str:
    model, *values = ((path, param_value(config, path)) for path in paths)
    told = [f"{path.rpartition('.')[2]}={value_text(value)}"
            for path, value in values if value is not None]  # fmt: skip
    return ", ".join([str(model[1]), *told])
