"""`BENCHMARK[@RUN][:SELECTOR]`: which trials of which results folder a command line means.

A selector is `param=value,...`, the name of a variant, or the beginning of a trial id; without one
the best complete trial is meant.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.config.space import identity
from harness.config.yaml_io import parse_value, show
from harness.errors import BenchError, SpecError, listed, nearest
from harness.metrics import find
from harness.results.integrity import lost_lines
from harness.results.layout import PLAN, RUNS, check_plain, run_files, unknown_lines
from harness.results.parquet_parts import read_file, read_schema
from harness.results.runs import read_plan
from harness.results.table_reader import (
    DoneTrial,
    done_trials,
    fold_rows,
    parts,
    read_examples,
)
from harness.results.tables import PARAMS, TABLES
from harness.results.trial_config import (
    DataIdentity,
    data_identity,
    leaves,
    param_value,
)

if TYPE_CHECKING:
    import pandas as pd

Selector = str | Mapping[str, Any] | None

_NEXT_VALUE = re.compile(r",\s*(?=[A-Za-z_][\w.]*=)")  # a comma within a list separates nothing


@dataclass(frozen=True)
class Candidate:
    """One trial that an operand may mean.

    Attributes:
        trial: Its row.
        config: Its resolved configuration.
        params: Searched path -> value, as planned; `variant` comes first where there are variants.
    """

    trial: DoneTrial
    config: Mapping[str, Any]
    params: Mapping[str, Any]

    def value(self, path: str) -> Any:
        """Return the resolved value at a path, or of `variant`; None where there is none."""
        return self.params[path] if path in self.params else param_value(self.config, path)

    @property
    def data(self) -> DataIdentity:
        """The data that it was trained on."""
        return data_identity(self.config, self.trial.data_fingerprint)


@dataclass(frozen=True)
class Source:
    """The trials of one run's plan that are in the tables, in plan order.

    Attributes:
        folder: The results folder.
        run_id: None where the folder holds no run; then all trials count.
        candidates: The trials.
        n_planned: Also counts the trials that are missing.
        objective: The metric that ranks.
        selector: What was written behind the colon, or a file's mapping of paths to values.
        lost: Trials that are left out since rows of them are gone, with the tables.
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
        """Name of the benchmark."""
        return self.folder.name

    @property
    def notes(self) -> list[str]:
        """Sentences on what of the folder is left out, and why."""
        return [*unknown_lines(self.folder), *lost_lines(self.folder, self.lost)]

    @property
    def mode(self) -> str:
        """Direction of the objective, `max` or `min`."""
        return find(self.objective).mode

    def fold_rows(self, candidates: Sequence[Candidate]) -> dict[str, list[dict[str, Any]]]:
        """Read the rows of `folds` of these trials, by trial id, in order of repeat and fold."""
        return fold_rows(self.folder, [each.trial.trial_id for each in candidates])

    def examples(self, candidate: Candidate, *, role: str) -> "pd.DataFrame":
        """Read the predictions of a trial for one role, without probabilities; may be empty."""
        return read_examples(self.folder, [candidate.trial.trial_id], role=role)


def open_operand(text: str, *, results: Path) -> Source:
    """Return the trials of the results folder and run that an operand names.

    Args:
        text: The operand.
        results: The folder that holds one folder per benchmark.

    Raises:
        BenchError: There is no such benchmark or run; the text has the nearest names.
    """
    benchmark, run, selector = split_operand(text)
    folder = find_results(benchmark, results=results)
    return open_source(folder, _find_run(folder, run), selector)


def open_source(folder: Path, run_id: str | None, selector: Selector = None) -> Source:
    """Return the trials of a run's plan, of all runs for None, that a results folder holds.

    Raises:
        BenchError: None of them is finished.
    """
    every = done_trials(folder)
    done = {trial_id: row for trial_id, row in every.items() if not row.lost}
    lost = {trial_id: row.lost for trial_id, row in every.items() if row.lost}
    if not done:
        raise BenchError(
            "; ".join([f"{folder} holds no finished trial", *lost_lines(folder, lost)])
        )
    planned = _planned(folder, run_id) if run_id else None
    finished = _candidates(folder, done, planned)
    if not finished:
        raise BenchError(f"run {run_id} of {folder.name} has no finished trial")
    objective = _objective(folder, finished[0].config)
    scored = done_trials(folder, objective=objective)
    candidates = tuple(
        replace(candidate, trial=scored.get(candidate.trial.trial_id, candidate.trial))
        for candidate in finished
    )
    n_planned = len(finished if planned is None else planned)
    return Source(folder, run_id, candidates, n_planned, objective, selector, lost)


def _objective(folder: Path, config: Mapping[str, Any]) -> str:
    name = param_value(config, "objective.metric")
    if not isinstance(name, str):
        raise BenchError(f"a trial of {folder} names no objective in `config`")
    return find(name).name


def split_operand(text: str) -> tuple[str, str | None, str | None]:
    """Split an operand into benchmark, run and selector.

    The benchmark may be a path, and an operand that is a folder is taken whole.

    Raises:
        BenchError: A part is empty.
    """
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
    """Return the folder of a benchmark's tables.

    Args:
        benchmark: A name in `results`, or a path.
        results: The folder that holds one folder per benchmark.

    Raises:
        BenchError: There are no results of it; the text has the nearest name.
    """
    for folder in (results / benchmark, Path(benchmark)):
        if any((folder / table).is_dir() for table in TABLES):
            check_plain(folder)
            return folder.resolve()
    known = sorted(folder.parent.name for folder in results.glob("*/trials"))
    close = hint(benchmark, known)
    raise BenchError(f"no results of {benchmark!r} in {results}; {listed(known)}{close}")


def _find_run(folder: Path, run: str | None) -> str | None:
    """Return the run of that name or beginning; for None the last that has a plan."""
    known = [path.parent.name for path in run_files(folder, PLAN)]
    if run is None:
        return known[-1] if known else None
    named = [run] if run in known else [name for name in known if name.startswith(run)]
    if len(named) == 1:
        return named[0]
    what = f"{len(named)} runs" if named else "no run"
    newest = ", ".join((named or known)[-5:]) or "none"
    raise BenchError(f"{what} {run!r} in {folder}{hint(run, known)}; there are {newest}")


def _planned(folder: Path, run_id: str) -> dict[str, dict[str, Any]]:
    """Return trial id -> searched values, in plan order."""
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
    rows = {
        row["trial_id"]: row
        for part in files
        for row in read_file(part, ["trial_id", "variant"]).to_pylist()
    }
    candidates = []
    for trial in done.values():
        config = trial.settings
        values = {path: param_value(config, path) for path in paths}
        params = {path: value for path, value in values.items() if value is not None}
        row = rows.get(trial.trial_id, {})
        candidates.append(Candidate(trial, config, _of_variant(row, params)))
    return candidates


def _of_variant(row: Mapping[str, Any], params: dict[str, Any]) -> dict[str, Any]:
    name = row.get("variant")
    return params if name is None else {"variant": name, **params}


def hint(name: str, known: Sequence[str]) -> str:
    """Return `; did you mean ...?` for a name that is close to a known one, else nothing."""
    close = nearest(name, known)
    return f"; did you mean {close!r}?" if close else ""


@dataclass(frozen=True)
class SelectedTrial:
    """One complete trial.

    Attributes:
        source: What it was chosen from.
        candidate: The trial.
        n_considered: Of how many it is the best on validation.
    """

    source: Source
    candidate: Candidate
    n_considered: int


def choose(source: Source) -> SelectedTrial:
    """Return the trial that an operand means: the best on validation of those it selects.

    Raises:
        BenchError: None of them is complete.
    """
    named = matching(source)
    complete = [candidate for candidate in named if candidate.trial.objective_mean is not None]
    if not complete:
        raise BenchError(_not_complete(source, named))
    sign = 1.0 if source.mode == "max" else -1.0
    best = max(complete, key=lambda candidate: sign * (candidate.trial.objective_mean or 0.0))
    return SelectedTrial(source, best, len(complete))


def matching(source: Source) -> tuple[Candidate, ...]:
    """Return the candidates that the selector names, of any status; all of them without one.

    Raises:
        BenchError: It names none; the text has what is there and the nearest name.
    """
    if source.selector is None:
        return source.candidates
    if isinstance(source.selector, str) and "=" not in source.selector:
        of_variant = _by_variant(source, source.selector)
        return of_variant or (_by_id(source, source.selector),)
    candidates = source.candidates
    for path, value in selected_values(source).items():
        kept = tuple(candidate for candidate in candidates if _has(candidate, path, value))
        if not kept:
            raise BenchError(_no_such_value(source, path, value, candidates))
        candidates = kept
    return candidates


def selected_values(source: Source) -> dict[str, Any]:
    """Return path -> value of a selector `param=value,...` or a mapping; empty for any other."""
    if isinstance(source.selector, Mapping):
        return {_path(source, name): value for name, value in source.selector.items()}
    if source.selector is None or "=" not in source.selector:
        return {}
    values = {}
    for text in _NEXT_VALUE.split(source.selector):
        name, _, value = text.partition("=")
        try:
            values[_path(source, name.strip())] = parse_value(value)
        except SpecError:
            raise BenchError(f"{name.strip()}: {value!r} is no value; write {name}=value") from None
    return values


def _by_variant(source: Source, name: str) -> tuple[Candidate, ...]:
    candidates = source.candidates
    return tuple(candidate for candidate in candidates if candidate.params.get("variant") == name)


def _by_id(source: Source, prefix: str) -> Candidate:
    """Return the candidate whose trial id begins with `prefix`; raise BenchError without just one.

    The text says where such a trial is instead: in another run's plan, or with rows gone.
    """
    begins = prefix.lower()
    ids = [candidate.trial.trial_id for candidate in source.candidates]
    named = [at for at, trial_id in enumerate(ids) if trial_id.startswith(begins)]
    if len(named) == 1:
        return source.candidates[named[0]]
    if named:
        first = ", ".join(ids[at] for at in named[:5])
        raise BenchError(f"{len(named)} trials of {source.name} begin with {prefix!r}: {first}")
    done = {id_: row for id_, row in done_trials(source.folder).items() if not row.lost}
    elsewhere = [id_ for id_ in done if id_.startswith(begins)]
    if elsewhere:
        run = done[elsewhere[0]].run_id
        raise BenchError(
            f"trial {elsewhere[0]} is not in the plan of run {source.run_id}; "
            f"it was trained in {run}: write {source.name}@{run}:{prefix}"
        )
    gone = [trial_id for trial_id in source.lost if trial_id.startswith(begins)]
    if gone:
        raise BenchError("; ".join(lost_lines(source.folder, {gone[0]: source.lost[gone[0]]})))
    paths = _searched(source)
    raise BenchError(
        f"no trial of {source.name} begins with {prefix!r}{hint(prefix, ids)}; "
        f"a selector is a trial id's beginning or values of {', '.join(paths) or 'parameters'}"
    )


def _path(source: Source, name: str) -> str:
    """Return the full path of a parameter, which may be written without its section."""
    searched = _searched(source)
    configs = [candidate.config for candidate in source.candidates]
    fixed = sorted({path for config in configs for path, _ in leaves(config)})
    for known in (searched, fixed):
        meant = [path for path in known if path == name or path.endswith(f".{name}")]
        if name in meant or len(meant) == 1:
            return name if name in meant else meant[0]
        if meant:
            raise BenchError(f"{name} may be {' or '.join(meant)}")
    close = hint(name, searched) or hint(name, [path.split(".", 1)[-1] for path in searched])
    raise BenchError(
        f"no parameter {name!r} in {source.name}{close or hint(name, fixed)}; "
        f"searched: {', '.join(searched) or 'none'}"
    )


def _searched(source: Source) -> list[str]:
    """Return the paths that any candidate's plan searched."""
    return sorted({path for candidate in source.candidates for path in candidate.params})


def _has(candidate: Candidate, path: str, value: Any) -> bool:
    return bool(identity(candidate.value(path)) == identity(value))


def _no_such_value(source: Source, path: str, value: Any, candidates: Sequence[Candidate]) -> str:
    held = [candidate.value(path) for candidate in candidates]
    distinct = {identity(other): other for other in held}
    allowed = ", ".join(show(other) for other in distinct.values() if other is not None)
    return f"no trial of {source.name} has {path}={show(value)}; there are: {allowed or 'none'}"


def _not_complete(source: Source, named: Sequence[Candidate]) -> str:
    if len(named) > 1 or not named:
        return f"no trial of {source.name} that {source.selector or 'the run'} names is complete"
    trial = named[0].trial
    reason = f": {trial.error}" if trial.error else ""
    return f"trial {trial.trial_id} of {source.name} is {trial.status}{reason}; it has no scores"
