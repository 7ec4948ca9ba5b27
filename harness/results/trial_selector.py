"""Which trials a selector means: `param=value,...`, a variant, a trial id's beginning, the best."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.config.space import identity
from harness.config.yaml_io import parse_value, show
from harness.errors import BenchError, SpecError
from harness.results.promised import lost_lines
from harness.results.table_reader import done_trials
from harness.results.trial_reference import Candidate, Source, hint, leaves

_NEXT_VALUE = re.compile(r",\s*(?=[A-Za-z_][\w.]*=)")  # a comma within a list separates nothing


@dataclass(frozen=True)
class SelectedTrial:
    """One complete trial. n_considered: of how many it is the best on validation."""

    source: Source
    candidate: Candidate
    n_considered: int


def choose(source: Source) -> SelectedTrial:
    """The trial that an operand means: the best on validation of those that its selector names."""
    named = matching(source)
    complete = [one for one in named if one.trial.objective_mean is not None]
    if not complete:
        raise BenchError(_not_complete(source, named))
    sign = 1.0 if source.mode == "max" else -1.0
    best = max(complete, key=lambda one: sign * (one.trial.objective_mean or 0.0))
    return SelectedTrial(source, best, len(complete))


def matching(source: Source) -> tuple[Candidate, ...]:
    """The candidates that the selector names, of any status; all of them without one.

    Raises BenchError, with what is there and the nearest name, where it names none.
    """
    if source.selector is None:
        return source.candidates
    if isinstance(source.selector, str) and "=" not in source.selector:
        of_variant = _of_variant(source, source.selector)
        return of_variant or (_by_id(source, source.selector),)
    found = source.candidates
    for path, value in selected_values(source).items():
        kept = tuple(one for one in found if _has(one, path, value))
        if not kept:
            raise BenchError(_no_such_value(source, path, value, found))
        found = kept
    return found


def selected_values(source: Source) -> dict[str, Any]:
    """Path -> value of a selector `param=value,...` or a mapping; empty for any other selector."""
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


def _of_variant(source: Source, name: str) -> tuple[Candidate, ...]:
    return tuple(one for one in source.candidates if one.params.get("variant") == name)


def _by_id(source: Source, prefix: str) -> Candidate:
    found = [one for one in source.candidates if one.trial.trial_id.startswith(prefix.lower())]
    if len(found) == 1:
        return found[0]
    if found:
        listed = ", ".join(one.trial.trial_id for one in found[:5])
        raise BenchError(f"{len(found)} trials of {source.name} begin with {prefix!r}: {listed}")
    done = {id_: row for id_, row in done_trials(source.folder).items() if not row.lost}
    elsewhere = [id_ for id_ in done if id_.startswith(prefix.lower())]
    if elsewhere:
        run = done[elsewhere[0]].run_id
        raise BenchError(
            f"trial {elsewhere[0]} is not in the plan of run {source.run_id}; "
            f"it was trained in {run}: write {source.name}@{run}:{prefix}"
        )
    gone = [one for one in source.lost if one.startswith(prefix.lower())]
    if gone:
        raise BenchError("; ".join(lost_lines(source.folder, {gone[0]: source.lost[gone[0]]})))
    paths = sorted({path for one in source.candidates for path in one.params})
    raise BenchError(
        f"no trial of {source.name} begins with {prefix!r}"
        f"{hint(prefix, [one.trial.trial_id for one in source.candidates])}; "
        f"a selector is a trial id's beginning or values of {', '.join(paths) or 'parameters'}"
    )


def _path(source: Source, name: str) -> str:
    """The full path of a parameter, which may be written without its section."""
    searched = sorted({path for one in source.candidates for path in one.params})
    fixed = sorted({path for one in source.candidates for path, _ in leaves(one.config)})
    for known in (searched, fixed):
        found = [path for path in known if path == name or path.endswith(f".{name}")]
        if name in found or len(found) == 1:
            return name if name in found else found[0]
        if found:
            raise BenchError(f"{name} may be {' or '.join(found)}")
    close = hint(name, searched) or hint(name, [path.split(".", 1)[-1] for path in searched])
    listed = ", ".join(searched) or "none"
    raise BenchError(
        f"no parameter {name!r} in {source.name}{close or hint(name, fixed)}; searched: {listed}"
    )


def _has(one: Candidate, path: str, value: Any) -> bool:
    return bool(identity(one.value(path)) == identity(value))


def _no_such_value(source: Source, path: str, value: Any, candidates: Sequence[Candidate]) -> str:
    values = {identity(v): v for one in candidates for v in [one.value(path)]}
    allowed = ", ".join(show(v) for v in values.values() if v is not None)
    return f"no trial of {source.name} has {path}={show(value)}; there are: {allowed or 'none'}"


def _not_complete(source: Source, named: Sequence[Candidate]) -> str:
    if len(named) > 1 or not named:
        return f"no trial of {source.name} that {source.selector or 'the run'} names is complete"
    trial = named[0].trial
    said = f": {trial.error}" if trial.error else ""
    return f"trial {trial.trial_id} of {source.name} is {trial.status}{said}; it has no scores"
