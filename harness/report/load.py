"""From `results/<benchmark>/` to BenchmarkResults: Parquet and `runs/<run_id>/` alone."""

import json
from collections.abc import Collection, Mapping, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from harness.config.benchmark import BenchmarkSpec
from harness.config.read import parse_benchmark
from harness.config.space import Choice
from harness.errors import BenchError, nearest
from harness.metrics import find
from harness.report.benchmark_results import BenchmarkResults, Configuration
from harness.report.formatting import is_missing, params_text, readable, short_names
from harness.report.records import read_records
from harness.report.theme import colour_of
from harness.results.column_types import param_cell
from harness.results.integrity import lost_lines, lost_rows
from harness.results.layout import (
    CARD,
    PLAN,
    PREVIEWS,
    RECORD,
    RESOLVED,
    check_plain,
    run_files,
    unknown_lines,
)
from harness.results.runs import read_plan, read_resolved
from harness.results.summaries import rank
from harness.results.table_reader import part_names, parts, read_examples, read_table
from harness.results.trial_reference import choose, open_source

if TYPE_CHECKING:
    import pandas as pd

ALL = "all"
PARAMS = "params."
SHOWN_TOGETHER = 8  # several sections read the predictions of the same few configurations
Planned = Mapping[str, Mapping[str, Any]]


class BaselineError(BenchError):
    """The baseline that was asked for means no complete configuration here."""


def load_benchmark_results(
    folder: Path, *, run_id: str | None = None, baseline: str | None = None
) -> BenchmarkResults:
    """The results of a run: the last one by default, every trial in the tables for `all`.

    baseline: a selector that goes before the file's. Raises BenchError where there is no such run,
    nothing to read; BaselineError where the selector names no configuration.
    """
    check_plain(folder)
    run = _run_folder(folder, None if run_id == ALL else run_id)
    resolved = read_resolved(run / RESOLVED)
    spec = parse_benchmark(resolved, file=str(run / RESOLVED))
    lost = lost_rows(folder)
    trials = read_table(folder, "trials") if parts(folder, "trials") else _no_trials()
    trials = trials[~trials["trial_id"].isin(list(lost))]
    planned = None if run_id == ALL else _plan(run)
    if planned is not None:
        trials = trials[trials["trial_id"].isin(list(planned))]
    mode = find(spec.objective.metric).mode
    configurations, names = _configurations(trials, planned or {}, spec, mode)
    ids = [one.trial_id for one in configurations if one.place]
    wanted = baseline if baseline is not None else spec.baseline
    records, unread = read_records(run)
    names_of_parts = cache(lambda: part_names(folder))

    def of_trial(table: str, trial_id: str) -> "pd.DataFrame":
        name = names_of_parts().get(trial_id)
        return _rows(folder, table, [trial_id], within=None if name is None else [name])

    return BenchmarkResults(
        name=folder.resolve().name,
        folder=folder,
        run_id=run.name if run_id != ALL else ALL,
        spec=spec,
        mode=mode,
        configurations=configurations,
        names=names,
        baseline=_baseline(
            folder,
            run_id if run_id == ALL else run.name,
            wanted,
            configurations,
            asked=baseline is not None,
        ),
        folds=_rows(folder, "folds", ids),
        epochs=lambda trial_ids: _rows(folder, "epochs", trial_ids),
        predictions=lru_cache(SHOWN_TOGETHER)(lambda trial_id: of_trial("predictions", trial_id)),
        items=lambda trial_ids, role: read_examples(folder, trial_ids, role=role),
        attention=lambda trial_id: of_trial("attention", trial_id),
        layers=lambda trial_ids: _rows(folder, "layers", trial_ids),
        record=records[RECORD],
        resolved=resolved,
        data_cards=records[CARD],
        previews=records[PREVIEWS],
        notes=(*unknown_lines(folder), *lost_lines(folder, lost), *unread),
    )


def _baseline(
    folder: Path,
    run_id: str,
    wanted: str | Mapping[str, Any] | None,
    configurations: Sequence[Configuration],
    *,
    asked: bool,
) -> Configuration | None:
    """The best complete configuration that the selector means; for a selector of the file that
    means none (yet), None."""
    if wanted is None:
        return None
    try:
        chosen = choose(open_source(folder, None if run_id == ALL else run_id, wanted))
    except BenchError as error:
        if asked:
            raise BaselineError(f"--baseline {wanted!r}: {error}") from None
        return None
    by_id = {one.trial_id: one for one in configurations}
    return by_id[chosen.candidate.trial.trial_id]


def _run_folder(folder: Path, run_id: str | None) -> Path:
    found = [file.parent for file in run_files(folder, RESOLVED)]
    if not found:
        raise BenchError(f"no results in {folder}")
    if run_id is None:
        planned = [run for run in found if (run / PLAN).exists()]
        return (planned or found)[-1]
    names = [path.name for path in found]
    if run_id in names:
        return found[names.index(run_id)]
    guess = nearest(run_id, names)
    hint = f"; did you mean {guess!r}?" if guess else ""
    raise BenchError(f"no run {run_id!r} in {folder}; there are {', '.join(names)}{hint}")


def _plan(run: Path) -> Planned:
    """Trial id -> parameters, in plan order."""
    file = run / PLAN
    if not file.exists():
        raise BenchError(f"{file} is missing; --all reports every trial in the tables")
    rows = read_plan(file)
    return {
        row["trial_id"]: {
            "variant": row["variant"],
            **{path: param_cell(value, pa.string()) if isinstance(value, dict | list) else value
               for path, value in row["params"].items()},
        }
        for row in rows
    }  # fmt: skip


def _configurations(
    trials: "pd.DataFrame", planned: Planned, spec: BenchmarkSpec, mode: str
) -> tuple[tuple[Configuration, ...], dict[str, str]]:
    ranked = list(rank(trials, spec.objective.metric, mode)["trial_id"]) if len(trials) else []
    rows: dict[str, dict[str, Any]] = {
        str(row["trial_id"]): {
            str(key): None if is_missing(value) else value for key, value in row.items()
        }
        for row in trials.to_dict("records")
    }
    raw = {**planned, **{trial_id: _params(row) for trial_id, row in rows.items()}}
    names = short_names(_varying(raw, spec))
    params = readable(raw, _null_choices(raw, planned, spec))
    others = [trial_id for trial_id in params if trial_id not in set(ranked)]
    return tuple(
        Configuration(
            trial_id=trial_id,
            status=rows.get(trial_id, {}).get("status", "missing"),
            place=place,
            label=params_text(params[trial_id], names),
            colour=colour_of(place),
            params={path: params[trial_id].get(path) for path in names},
            row=rows.get(trial_id, {}),
        )
        for place, trial_id in [*enumerate(ranked, start=1), *((None, one) for one in others)]
    ), names


def _params(row: Mapping[str, Any]) -> dict[str, Any]:
    found = {key.removeprefix(PARAMS): row[key] for key in row if key.startswith(PARAMS)}
    return {"variant": row.get("variant"), **found}


def _null_choices(params: Planned, planned: Planned, spec: BenchmarkSpec) -> set[tuple[str, str]]:
    """(trial id, path) where null is a choice of the space, not a parameter that is absent."""
    offered = {
        one.path
        for one in spec.domains
        if isinstance(one.domain, Choice) and None in one.domain.values
    }
    return {
        (trial_id, path)
        for trial_id in params
        for path in offered
        if path in planned.get(trial_id, offered)
    }


def _varying(params: Planned, spec: BenchmarkSpec) -> list[str]:
    """The paths with more than one value among these configurations, in the file's order."""
    known = dict.fromkeys(path for one in params.values() for path in one)
    order = dict.fromkeys(["variant", *(one.path for one in spec.domains), *known])
    return [path for path in order if len({_key(one.get(path)) for one in params.values()}) > 1]


def _key(value: Any) -> str:
    return "" if is_missing(value) else json.dumps(value, default=str)


def _rows(
    folder: Path,
    table: str,
    trial_ids: Collection[str],
    *,
    within: Collection[str] | None = None,
) -> "pd.DataFrame":
    ids: Sequence[str] = list(trial_ids) or [""]  # Arrow can't tell the type of an empty list
    return read_table(folder, table, filters=[("trial_id", "in", ids)], within=within)


def _no_trials() -> "pd.DataFrame":
    import pandas as pd

    return pd.DataFrame({"trial_id": [], "status": []})
