"""Load a benchmark's results from its folder: from Parquet and `runs/<run_id>/` alone."""

import json
from collections.abc import Collection, Mapping, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from harness.config.benchmark import BenchmarkSpec
from harness.config.read import parse_benchmark
from harness.config.space import Choice
from harness.errors import BenchError, nearest
from harness.metrics import find
from harness.report.benchmark_results import BenchmarkResults, Configuration
from harness.report.formatting import is_missing, params_text, readable, short_names
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
from harness.results.parquet_parts import DamagedPart
from harness.results.runs import read_json, read_plan, read_resolved
from harness.results.summaries import rank
from harness.results.table_reader import part_names, parts, read_examples, read_table
from harness.results.trial_reference import choose, open_source

if TYPE_CHECKING:
    import pandas as pd

ALL = "all"
PARAMS = "params."
SHOWN_TOGETHER = 8  # several sections read the predictions of the same few configurations
Planned = Mapping[str, Mapping[str, Any]]
"""Trial id -> path of a parameter -> value."""


class BaselineError(BenchError):
    """The baseline that was asked for means no complete configuration here."""


def load_benchmark_results(
    folder: Path, *, run_id: str | None = None, baseline: str | None = None
) -> BenchmarkResults:
    """Load the results of a run.

    Args:
        folder: The results folder of a benchmark.
        run_id: A run, or `all` for every trial in the tables; by default the last run.
        baseline: A selector in place of the file's.

    Raises:
        BenchError: If there is no such run, or nothing to read.
        BaselineError: If `baseline` means no configuration.
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
    ids = [configuration.trial_id for configuration in configurations if configuration.place]
    wanted = baseline if baseline is not None else spec.baseline
    records, unread = _read_records(run)
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
    """Return the best complete configuration that a selector means.

    Returns:
        None without a selector, and if that of the file means no configuration (yet).

    Raises:
        BaselineError: If a selector that was asked for means no configuration.
    """
    if wanted is None:
        return None
    try:
        chosen = choose(open_source(folder, None if run_id == ALL else run_id, wanted))
    except BenchError as error:
        if asked:
            raise BaselineError(f"--baseline {wanted!r}: {error}") from None
        return None
    by_id = {configuration.trial_id: configuration for configuration in configurations}
    return by_id[chosen.candidate.trial.trial_id]


def _run_folder(folder: Path, run_id: str | None) -> Path:
    runs = [file.parent for file in run_files(folder, RESOLVED)]
    if not runs:
        raise BenchError(f"no results in {folder}")
    if run_id is None:
        planned = [run for run in runs if (run / PLAN).exists()]
        return (planned or runs)[-1]
    names = [run.name for run in runs]
    if run_id in names:
        return runs[names.index(run_id)]
    guess = nearest(run_id, names)
    hint = f"; did you mean {guess!r}?" if guess else ""
    raise BenchError(f"no run {run_id!r} in {folder}; there are {', '.join(names)}{hint}")


def _plan(run: Path) -> Planned:
    """Return trial id -> parameters, in plan order."""
    file = run / PLAN
    if not file.exists():
        raise BenchError(f"{file} is missing; --all reports every trial in the tables")
    rows = read_plan(file)
    return {
        row["trial_id"]: {
            "variant": row["variant"],
            **{
                path: param_cell(value, pa.string()) if isinstance(value, dict | list) else value
                for path, value in row["params"].items()
            },
        }
        for row in rows
    }


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
        for place, trial_id in [*enumerate(ranked, start=1), *((None, other) for other in others)]
    ), names


def _params(row: Mapping[str, Any]) -> dict[str, Any]:
    params = {key.removeprefix(PARAMS): row[key] for key in row if key.startswith(PARAMS)}
    return {"variant": row.get("variant"), **params}


def _null_choices(params: Planned, planned: Planned, spec: BenchmarkSpec) -> set[tuple[str, str]]:
    """Return (trial id, path) where null is a choice of the space, not an absent parameter."""
    offered = {
        searched.path
        for searched in spec.domains
        if isinstance(searched.domain, Choice) and None in searched.domain.values
    }
    return {
        (trial_id, path)
        for trial_id in params
        for path in offered
        if path in planned.get(trial_id, offered)
    }


def _varying(params: Planned, spec: BenchmarkSpec) -> list[str]:
    """Return the paths with several values among these configurations, in the file's order."""
    known = dict.fromkeys(path for values in params.values() for path in values)
    order = dict.fromkeys(["variant", *(searched.path for searched in spec.domains), *known])
    return [
        path for path in order if len({_key(values.get(path)) for values in params.values()}) > 1
    ]


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


_Count = Annotated[int, Field(ge=0, le=2**53)]
_Counts = dict[str, _Count]
_Ids = list[str | int | float]


class _Shape(BaseModel):
    """What the page reads of a JSON file; what is not named here is ignored."""

    model_config = ConfigDict(extra="ignore", strict=True)


class _Record(_Shape):
    """The contents of run.json."""

    command: str | None = None


class _Dataset(_Shape):
    name: str
    front_end: dict[str, Any] | None = None
    limit: _Count | None = None
    train_per_class: _Count | None = None


class _Fold(_Shape):
    repeat: _Count = 1
    fold: _Count
    test_part: int | None = None
    counts: dict[str, _Counts] = {}


class _Card(_Shape):
    """A dataset's entry of data_card.json."""

    title: str | None = None
    source: str | None = None
    licence: str | None = None
    sample_rate_hz: _Count | None = None
    dataset: _Dataset | None = None
    n_examples: _Count = 0
    input_shape: list[_Count] = []
    counts: _Counts = {}
    folds: list[_Fold] = []
    n_groups: _Count | None = None
    groups_in_two_roles: list[Any] = []
    n_duplicates: _Count | None = None
    findings: list[str] = []
    examples: dict[str, _Ids] = {}
    set_aside: _Counts = {}


class _Class(_Shape):
    ids: _Ids = []
    texts: list[Any] = []
    peaks: list[Annotated[int, Field(ge=-100, le=100)]] = []
    seconds: float = 0.0


class _Previews(_Shape):
    """A dataset's entry of previews.json."""

    n_classes: _Count = 0
    classes: list[_Class] = []


_SHAPES: Mapping[str, TypeAdapter[Any]] = {
    RECORD: TypeAdapter(_Record),
    CARD: TypeAdapter(dict[str, _Card]),
    PREVIEWS: TypeAdapter(dict[str, _Previews]),
}


def _read_records(run: Path) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Read what a run says in JSON of itself and of its data.

    Returns:
        File name -> contents, and one sentence about each file that is damaged and left out. A
        file that is missing holds nothing, as in a run that read no data.
    """
    records: dict[str, dict[str, Any]] = {}
    left_out = []
    for name, shape in _SHAPES.items():
        records[name] = {}
        try:
            contents = read_json(run / name)
            shape.validate_python(contents)
            records[name] = contents
        except FileNotFoundError:
            continue
        except DamagedPart as error:
            left_out.append(f"{error}; left out here")
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "the whole"
            left_out.append(f"{run / name}: {where}: {first['msg']}; the file is left out here")
    return records, left_out
