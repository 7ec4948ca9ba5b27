"""`BENCHMARK[@RUN][:SELECTOR]`: which trials of which results folder a command line means."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.errors import BenchError, listed, nearest
from harness.results.layout import PLAN, RUNS, check_plain, run_files, unknown_lines
from harness.results.metrics import find
from harness.results.parts import read_file, read_schema
from harness.results.promised import lost_lines
from harness.results.runs import read_plan
from harness.results.schema import PARAMS, TABLES, param_value
from harness.results.table_reader import DoneTrial, done_trials, parts

Selector = str | Mapping[str, Any] | None


@dataclass(frozen=True)
class Candidate:
    """One trial that an operand may mean.

    params: searched path -> value, as planned; `variant` comes first where there are variants.
    """

    trial: DoneTrial
    config: Mapping[str, Any]
    params: Mapping[str, Any]

    def value(self, path: str) -> Any:
        """The resolved value at a path, or of `variant`; None where there is none."""
        return self.params[path] if path in self.params else param_value(self.config, path)


@dataclass(frozen=True)
class Source:
    """The trials of one run's plan that are in the tables, in plan order.

    run_id: None where the folder holds no run, then all trials count. n_planned: also counts the
    trials that are missing. lost: trials that are left out since rows of them are gone, with the
    tables. selector: what was written behind the colon, or a file's mapping of
    paths to values.
    """

    folder: Path
    run_id: str | None
    candidates: tuple[Candidate, ...]
    n_planned: int
    objective: str
    selector: Selector = None
    lost: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The benchmark's name."""
        return self.folder.name

    @property
    def notes(self) -> list[str]:
        """What of the folder is left out, and why, one sentence each."""
        return [*unknown_lines(self.folder), *lost_lines(self.folder, self.lost)]

    @property
    def mode(self) -> str:
        """`max` or `min`: the objective's direction."""
        return find(self.objective).mode


def open_operand(text: str, *, results: Path) -> Source:
    """The results folder and run that an operand names.

    results: the folder that holds one folder per benchmark. Raises BenchError, with the nearest
    names, where there is no such benchmark or run.
    """
    benchmark, run, selector = split_operand(text)
    folder = find_results(benchmark, results=results)
    return open_source(folder, _find_run(folder, run), selector)


def open_source(folder: Path, run_id: str | None, selector: Selector = None) -> Source:
    """The trials of a run's plan, of all runs for None, that a results folder holds.

    Raises BenchError where none of them is finished.
    """
    every = done_trials(folder)
    done = {one: row for one, row in every.items() if not row.lost}
    lost = {one: row.lost for one, row in every.items() if row.lost}
    if not done:
        raise BenchError(
            "; ".join([f"{folder} holds no finished trial", *lost_lines(folder, lost)])
        )
    planned = _planned(folder, run_id) if run_id else None
    found = _candidates(folder, done, planned)
    if not found:
        raise BenchError(f"run {run_id} of {folder.name} has no finished trial")
    objective = _objective(folder, found[0].config)
    scored = done_trials(folder, objective=objective)
    candidates = tuple(
        Candidate(scored.get(one.trial.trial_id, one.trial), one.config, one.params)
        for one in found
    )
    n_planned = len(found if planned is None else planned)
    return Source(folder, run_id, candidates, n_planned, objective, selector, lost)


def _objective(folder: Path, config: Mapping[str, Any]) -> str:
    name = param_value(config, "objective.metric")
    if not isinstance(name, str):
        raise BenchError(f"a trial of {folder} names no objective in `config`")
    return find(name).name


def split_operand(text: str) -> tuple[str, str | None, str | None]:
    """Benchmark, run and selector; the first may be a path, taken whole where it is a folder."""
    if text and Path(text).is_dir():
        return text, None, None
    head, colon, selector = text.partition(":")
    benchmark, at, run = (head, "", "") if Path(head).is_dir() else head.rpartition("@")
    if not at:
        benchmark, run = head, ""
    empty = not benchmark or (colon and not selector) or (at and not run)
    if empty:
        raise BenchError(f"{text!r} is not of the form BENCHMARK[@RUN][:SELECTOR]")
    return benchmark, run or None, selector or None


def find_results(benchmark: str, *, results: Path) -> Path:
    """The folder of a benchmark's tables: a name in `results`, or a path to it."""
    for folder in (results / benchmark, Path(benchmark)):
        if any((folder / table).is_dir() for table in TABLES):
            check_plain(folder)
            return folder.resolve()
    known = sorted(folder.parent.name for folder in results.glob("*/trials"))
    close = hint(benchmark, known)
    raise BenchError(f"no results of {benchmark!r} in {results}; {listed(known)}{close}")


def _find_run(folder: Path, run: str | None) -> str | None:
    """The run of that name or beginning, else the last that has a plan."""
    known = [path.parent.name for path in run_files(folder, PLAN)]
    if run is None:
        return known[-1] if known else None
    found = [run] if run in known else [name for name in known if name.startswith(run)]
    if len(found) == 1:
        return found[0]
    what = f"{len(found)} runs" if found else "no run"
    listed = ", ".join((found or known)[-5:]) or "none"
    raise BenchError(f"{what} {run!r} in {folder}{hint(run, known)}; there are {listed}")


def _planned(folder: Path, run_id: str) -> dict[str, dict[str, Any]]:
    """Trial id -> searched values, in plan order."""
    plan = read_plan(folder / RUNS / run_id / PLAN)
    return {row["trial_id"]: _of_variant(row, row["params"]) for row in plan}


def _candidates(
    folder: Path,
    done: Mapping[str, DoneTrial],
    planned: Mapping[str, Mapping[str, Any]] | None,
) -> list[Candidate]:
    if planned is not None:
        trials = {id_: params for id_, params in planned.items() if id_ in done}
        return [Candidate(done[id_], done[id_].settings, trials[id_]) for id_ in trials]
    files = parts(folder, "trials")
    names = {name for part in files for name in read_schema(part).names}
    paths = sorted(name.removeprefix(PARAMS) for name in names if name.startswith(PARAMS))
    rows = {row["trial_id"]: row for part in files
            for row in read_file(part, ["trial_id", "variant"]).to_pylist()}  # fmt: skip
    found = []
    for trial in done.values():
        config = trial.settings
        values = {path: param_value(config, path) for path in paths}
        params = {path: value for path, value in values.items() if value is not None}
        row = rows.get(trial.trial_id, {})
        found.append(Candidate(trial, config, _of_variant(row, params)))
    return found


def _of_variant(row: Mapping[str, Any], params: dict[str, Any]) -> dict[str, Any]:
    name = row.get("variant")
    return params if name is None else {"variant": name, **params}


def leaves(config: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Every dotted path of a configuration with its value."""
    found: list[tuple[str, Any]] = []
    for key, value in config.items():
        if isinstance(value, dict) and value:
            found += leaves(value, f"{prefix}{key}.")
        else:
            found.append((f"{prefix}{key}", value))
    return found


def hint(name: str, known: Sequence[str]) -> str:
    """`; did you mean ...?` for a name that is close to a known one, else nothing."""
    close = nearest(name, known)
    return f"; did you mean {close!r}?" if close else ""
