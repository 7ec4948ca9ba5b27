"""Rewriting parts as a whole: columns that come later, and metrics of old rows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from harness.metrics import compute
from harness.results.column_types import conform, params_from_config, union_schema
from harness.results.integrity import check_cells
from harness.results.journal import commit, finish_pending
from harness.results.layout import part_files
from harness.results.parquet_parts import (
    Part,
    read_file,
    read_schema,
    run_starts,
    trials_by_part,
)
from harness.results.summaries import metric_summary
from harness.results.tables import PARAMS, SPLITS, TABLES

SPLIT_OF = {"validation": "val", "test": "test"}
Row = dict[str, Any]
Values = Mapping[tuple[str, int, int], Row]


def widen(folder: Path, schemas: Mapping[str, pa.Schema]) -> dict[str, pa.Schema]:
    """Rewrite the parts that lack a column of `schemas`, or hold it in a narrower type.

    New `params.*` columns are filled from each row's `config`, other new columns are null.

    Returns:
        The schemas that new parts must have: the columns of both.
    """
    finish_pending(folder)
    present = {table: _part_schemas(folder, table) for table in TABLES}
    wide = {table: _union([*present[table].values(), schemas[table]]) for table in TABLES}
    commit(folder, _widened(present, wide))
    return wide


def is_wide_enough(folder: Path, schemas: Mapping[str, pa.Schema]) -> bool:
    """Return whether `widen` would change nothing."""
    return all(
        union_schema(old, schemas[table]).equals(old)
        for table in TABLES
        for old in _part_schemas(folder, table).values()
    )


def _part_schemas(folder: Path, table: str) -> dict[Path, pa.Schema]:
    return {path: read_schema(path) for path in part_files(folder, table).values()}


def _union(schemas: Sequence[pa.Schema]) -> pa.Schema:
    wide = schemas[0]
    for schema in schemas[1:]:
        wide = union_schema(wide, schema)
    return wide


def _widened(
    present: Mapping[str, Mapping[Path, pa.Schema]], wide: Mapping[str, pa.Schema]
) -> Iterator[Part]:
    for table, schemas in present.items():
        for path, schema in schemas.items():
            if schema.equals(wide[table]):
                continue
            data = conform(read_file(path), wide[table])
            new = [name for name in wide[table].names if name not in schema.names]
            params = [name for name in new if name.startswith(PARAMS)]
            yield Part(table, path.name, params_from_config(data, params))


@dataclass(frozen=True)
class FillReport:
    """What became of the new metrics of trials that had none.

    Attributes:
        filled: Trials whose validation and test columns were computed; their train columns stay
            null, as predictions of train examples are not kept.
        without_predictions: Trials that keep all of them null.
    """

    filled: tuple[str, ...] = ()
    without_predictions: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """Return one line for each thing that a user should know."""
        text = []
        if self.filled:
            text.append(f"computed new metrics of {len(self.filled)} trials from predictions")
        if self.without_predictions:
            count = len(self.without_predictions)
            text.append(f"new metrics stay empty for {count} trials: no predictions were kept")
        return text


def fill_metrics(folder: Path, metrics: Sequence[str]) -> FillReport:
    """Compute metrics that complete trials lack, in folds and trials, part by part.

    A metric is lacking where it is null in every fold.

    Args:
        folder: The results folder, held by the caller.
        metrics: Those whose columns exist (see `widen`).
    """
    filled: list[str] = []
    without: list[str] = []
    for name in trials_by_part(folder):
        path = folder / "folds" / name
        folds = read_file(path).to_pylist() if path.exists() else []
        lacking = _lacking(folds, metrics)
        if not lacking:
            continue
        values = _from_predictions(folder, name, lacking)
        known = {trial_id for trial_id, *_ in values}
        filled += known
        without += lacking.keys() - known
        if values:
            commit(folder, _filled(folder, name, values, lacking))
    return FillReport(tuple(sorted(filled)), tuple(sorted(without)))


def _lacking(folds: Sequence[Row], metrics: Sequence[str]) -> dict[str, list[str]]:
    """Return trial id -> the metrics that none of its folds has for any split."""
    present: dict[str, set[str]] = {row["trial_id"]: set() for row in folds}
    for row in folds:
        present[row["trial_id"]].update(
            metric
            for metric in metrics
            if any(row[f"{split}_{metric}"] is not None for split in SPLITS)
        )
    lacking = {
        trial_id: [metric for metric in metrics if metric not in known]
        for trial_id, known in present.items()
    }
    return {trial_id: names for trial_id, names in lacking.items() if names}


def _from_predictions(folder: Path, name: str, lacking: Mapping[str, Sequence[str]]) -> Values:
    """Return (trial id, repeat, fold) -> the new cells of its row."""
    path = folder / "predictions" / name
    if not path.exists():
        return {}
    keys = ["trial_id", "repeat", "fold", "role"]
    columns = [*keys, "target", "probabilities"]
    rows = read_file(path, columns, coded=["trial_id", "role"]).unify_dictionaries()
    check_cells("predictions", rows, [path])
    rows = rows.combine_chunks()
    cells: dict[tuple[str, int, int], Row] = {}
    for start, stop in pairwise([*run_starts(rows, keys).tolist(), len(rows)]):
        block = rows.slice(start, stop - start)
        trial_id, repeat, fold, role = (block[key][0].as_py() for key in keys)
        if trial_id in lacking:
            numbers = compute(lacking[trial_id], block["target"].to_numpy(), _matrix(block))
            row = cells.setdefault((trial_id, repeat, fold), {})
            row.update({f"{SPLIT_OF[role]}_{metric}": value for metric, value in numbers.items()})
    return cells


def _matrix(block: pa.Table) -> np.ndarray[Any, Any]:
    flat = block["probabilities"].combine_chunks().flatten().to_numpy()
    return np.asarray(flat.reshape(len(block), -1))


def _filled(
    folder: Path, name: str, values: Values, lacking: Mapping[str, Sequence[str]]
) -> Iterator[Part]:
    folds = read_file(folder / "folds" / name)
    rows = [{**row, **values.get(_key(row), {})} for row in folds.to_pylist()]
    yield Part("folds", name, _changed(folds, rows, "{split}_{metric}", lacking))
    by_trial: dict[str, list[Row]] = {trial_id: [] for trial_id, *_ in values}
    for row in rows:
        if row["trial_id"] in by_trial:
            by_trial[row["trial_id"]].append(row)
    trials = read_file(folder / "trials" / name)
    summaries = [
        {**row, **_summary(by_trial.get(row["trial_id"], []), lacking.get(row["trial_id"], []))}
        for row in trials.to_pylist()
    ]
    for number in ("mean", "std"):
        trials = _changed(trials, summaries, "{split}_{metric}_" + number, lacking)
    yield Part("trials", name, trials)


def _summary(folds: Sequence[Row], metrics: Sequence[str]) -> Row:
    """Return the summary of these metrics alone; losses and other metrics stay as they are."""
    return metric_summary(folds, metrics) if folds else {}


def _changed(
    table: pa.Table, rows: Sequence[Row], column: str, lacking: Mapping[str, Sequence[str]]
) -> pa.Table:
    """Return the table with validation and test columns of the new metrics taken from the rows."""
    metrics = sorted({metric for names in lacking.values() for metric in names})
    for metric in metrics:
        for split in SPLIT_OF.values():
            name = column.format(split=split, metric=metric)
            place, field = table.schema.get_field_index(name), table.schema.field(name)
            cells = pa.array([row[name] for row in rows], field.type, from_pandas=True)
            table = table.set_column(place, field, cells)
    return table


def _key(row: Row) -> tuple[str, int, int]:
    return row["trial_id"], row["repeat"], row["fold"]
