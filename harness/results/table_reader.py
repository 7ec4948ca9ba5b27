"""Reading the tables back, also while a run is writing them."""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pyarrow as pa

from harness.errors import BenchError, nearest
from harness.results.column_types import union_schema
from harness.results.integrity import check_cells, lost_rows
from harness.results.journal import live_files
from harness.results.parquet_parts import read_file, read_schema
from harness.results.tables import TABLES, table_schemas

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

EXAMPLE_COLUMNS = ("trial_id", "repeat", "fold", "example_id", "group", "target", "predicted")
ATTEMPTS = 20  # a compaction may take a file away between listing and reading it
Filters = Sequence[tuple[str, str, Any]]
T = TypeVar("T")


@dataclass(frozen=True)
class DoneTrial:
    """What planning needs to know of a trial in the tables: columns of its row.

    A number or text that may not be None is 0 or empty where the row has null.

    Attributes:
        objective_mean: On validation; None unless complete and asked for.
        objective_std: The same.
        lost: The tables in which it has other rows than its own row promises.
    """

    trial_id: str
    run_id: str
    status: str
    attempt: int
    n_repeats: int
    objective_mean: float | None
    objective_std: float | None
    fit_time_s: float | None
    n_parameters: int | None
    error: str | None
    config: str
    data_fingerprint: str
    code_fingerprint: str
    fold_execution: str | None
    lost: tuple[str, ...] = ()

    @property
    def settings(self) -> dict[str, Any]:
        """The configuration as values; a row may be without one."""
        return dict(json.loads(self.config or "{}"))


@dataclass(frozen=True)
class Results:
    """The tables of one benchmark as frames, sorted by trial; predictions are read when asked.

    Attributes:
        folder: Where they lie.
        trials: Rows of `trials`.
        folds: Rows of `folds`.
        epochs: Rows of `epochs`.
    """

    folder: Path
    trials: "pd.DataFrame"
    folds: "pd.DataFrame"
    epochs: "pd.DataFrame"

    def predictions(
        self,
        *,
        trial_ids: Collection[str] | None = None,
        role: str | None = None,
        columns: Sequence[str] | None = None,
    ) -> "pd.DataFrame":
        """Read predictions.

        Args:
            trial_ids: Of these trials; of all that are committed by default.
            role: `validation` or `test`; both by default.
            columns: All by default.
        """
        wanted = self.trials["trial_id"].tolist() if trial_ids is None else list(trial_ids)
        filters: list[tuple[str, str, Any]] = [("trial_id", "in", wanted)]
        if role is not None:
            filters.append(("role", "==", role))
        return read_table(self.folder, "predictions", columns=columns, filters=filters)


def parts(folder: Path, table: str) -> list[Path]:
    """Return the files of one table, as if a change under way were finished.

    A part counts once there is one of `trials` with its name, which is written last. A file may be
    gone when it is read: then ask again.
    """
    files = live_files(folder, table)
    if table == "trials":
        return list(files.values())
    committed = live_files(folder, "trials")
    return [path for name, path in files.items() if name in committed]


def read_results(folder: Path) -> Results:
    """Read all tables of `results/<benchmark>/`, without rows whose trial is not committed.

    Raises:
        BenchError: There are no results, or a newer version wrote them.
    """
    trials = _sorted(_read(folder, "trials"))  # first: what is written later has its rows already
    if not len(trials):
        raise BenchError(f"no results in {folder}")
    others = {table: _committed(_read(folder, table), trials) for table in ("folds", "epochs")}
    return Results(
        folder,
        trials.to_pandas(),
        _sorted(others["folds"]).to_pandas(),
        _sorted(others["epochs"]).to_pandas(),
    )


def read_table(
    folder: Path,
    table: str,
    columns: Sequence[str] | None = None,
    filters: Filters | None = None,
    *,
    within: Collection[str] | None = None,
) -> "pd.DataFrame":
    """Read one table as a frame; empty, with its fixed columns, where it has no parts.

    Args:
        folder: The results folder.
        table: Its name.
        columns: All by default.
        filters: All must hold, such as `[("role", "==", "test"), ("trial_id", "in", ids)]`.
        within: Names of the parts that are looked into, as `part_names` gave them; all are, where
            one of them has gone since.

    Raises:
        BenchError: The table or a column is unknown.
    """
    if table not in TABLES:
        raise BenchError(f"no table {table!r}; there are {', '.join(TABLES)}")
    frame: pd.DataFrame = _read(folder, table, columns, filters, within).to_pandas()
    return frame


def part_names(folder: Path) -> dict[str, str]:
    """Return trial id -> the name of the part that holds its rows, in every table."""

    def names() -> dict[str, str]:
        return {
            trial_id: path.name
            for path in parts(folder, "trials")
            for trial_id in read_file(path, ["trial_id"])["trial_id"].to_pylist()
        }

    return _again(names)


def done_trials(
    folder: Path, *, objective: str | None = None, leaving_out: Collection[str] = ()
) -> dict[str, DoneTrial]:
    """Read what planning needs, without pandas.

    Args:
        folder: The results folder, which need not exist.
        objective: The metric whose validation mean and std are wanted.
        leaving_out: Names of parts, such as damaged ones.

    Returns:
        Trial id -> what its row says.
    """
    numbers = {f"objective_{end}": f"val_{objective}_{end}" for end in ("mean", "std")}
    fields = [name for name in DoneTrial.__dataclass_fields__ if name != "lost"]
    names = {name: numbers.get(name, name) for name in fields}

    def rows() -> list[dict[str, Any]]:
        files = live_files(folder, "trials").items()
        paths = [path for name, path in files if name not in leaving_out]
        return [row for path in paths for row in read_file(path, list(names.values())).to_pylist()]

    lost = lost_rows(folder, leaving_out=leaving_out)
    done = {row["trial_id"]: _done(row, names) for row in _again(rows)}
    return {
        trial_id: replace(row, lost=lost[trial_id]) if trial_id in lost else row
        for trial_id, row in done.items()
    }


def fold_rows(folder: Path, trial_ids: Collection[str]) -> dict[str, list[dict[str, Any]]]:
    """Return trial id -> its rows of `folds` as plain values, in order of repeat and fold."""
    if not trial_ids:
        return {}
    rows = _read(folder, "folds", None, [("trial_id", "in", list(trial_ids))]).to_pylist()
    by_trial: dict[str, list[dict[str, Any]]] = {trial_id: [] for trial_id in trial_ids}
    for row in sorted(rows, key=lambda row: (row["repeat"], row["fold"])):
        by_trial[row["trial_id"]].append(row)
    return by_trial


def read_examples(folder: Path, trial_ids: Collection[str], *, role: str) -> "pd.DataFrame":
    """Read the predictions of these trials for one role, without probabilities; may be empty."""
    filters = [("trial_id", "in", list(trial_ids) or [""]), ("role", "==", role)]
    return read_table(folder, "predictions", columns=EXAMPLE_COLUMNS, filters=filters)


def probability_matrix(predictions: "pd.DataFrame") -> "np.ndarray[Any, Any]":
    """Return the `probabilities` of a frame as one (rows, classes) float32 array."""
    import numpy as np

    if predictions.empty:
        return np.empty((0, 0), np.float32)
    return np.stack(list(predictions["probabilities"]))


def _done(row: Mapping[str, Any], names: Mapping[str, str]) -> DoneTrial:
    values: dict[str, Any] = {name: row.get(column) for name, column in names.items()}
    for name, field in DoneTrial.__dataclass_fields__.items():
        if values.get(name, 0) is None and field.type in (int, str):
            values[name] = field.type()
    return DoneTrial(**values)


def _read(
    folder: Path,
    table: str,
    columns: Sequence[str] | None = None,
    filters: Filters | None = None,
    within: Collection[str] | None = None,
) -> pa.Table:
    def read() -> pa.Table:
        paths = parts(folder, table)
        named = [path for path in paths if path.name in (within or ())]
        if named and len(named) == len(set(within or ())):
            paths = named
        schema = _schema(table, [read_schema(path) for path in paths])
        _check_columns(table, [*(columns or ()), *(name for name, *_ in filters or ())], schema)
        return _scan(table, paths, schema, columns=columns, filters=filters)

    return _again(read)


def _scan(
    table: str,
    paths: Sequence[Path],
    schema: pa.Schema,
    *,
    columns: Sequence[str] | None,
    filters: Filters | None,
) -> pa.Table:
    import pyarrow.dataset as ds
    import pyarrow.parquet as pq

    names = list(columns) if columns is not None else schema.names
    if not paths:
        return schema.empty_table().select(names)
    dataset = ds.dataset([str(path) for path in paths], schema=schema, format="parquet")
    where = pq.filters_to_expression(list(filters)) if filters else None
    try:
        rows = dataset.to_table(columns=names, filter=where)
    except (pa.ArrowException, ValueError) as error:
        raise BenchError(f"{paths[0].parent} can't be read: {error}") from None
    check_cells(table, rows, paths)
    return rows


def _schema(table: str, schemas: Sequence[pa.Schema]) -> pa.Schema:
    if not schemas:
        return table_schemas(metrics=(), objective="accuracy", params={})[table]
    wide = schemas[0]
    for schema in schemas[1:]:
        wide = wide if wide.equals(schema) else union_schema(wide, schema)
    return wide


def _check_columns(table: str, names: Sequence[str], schema: pa.Schema) -> None:
    for name in names:
        if name not in schema.names:
            guess = nearest(name, schema.names)
            hint = f"; did you mean {guess!r}?" if guess else ""
            raise BenchError(f"{table} has no column {name!r}{hint}")


def _committed(rows: pa.Table, trials: pa.Table) -> pa.Table:
    import pyarrow.compute as pc

    return rows.filter(pc.is_in(rows["trial_id"], trials["trial_id"].combine_chunks()))


def _sorted(rows: pa.Table) -> pa.Table:
    import pyarrow.compute as pc

    return rows.take(pc.sort_indices(rows["trial_id"]))  # stable: a trial's rows keep their order


def _again(read: Callable[[], T]) -> T:
    """Return the result of reading files that a change of the tables may take away meanwhile."""
    for _ in range(ATTEMPTS):
        try:
            return read()
        except FileNotFoundError:
            continue
    return read()


Curve = tuple[tuple[int, float], ...]


def fold_means(folder: Path, trial_ids: Collection[str], *, metric: str) -> dict[str, Curve]:
    """Read what trials reported, epoch by epoch.

    A fold or repeat that stopped early counts with its last value. Trials without epochs, and
    epochs without a value, are left out.

    Args:
        folder: The results folder.
        trial_ids: The trials.
        metric: Of which the validation values are read.

    Returns:
        Trial id -> (epoch, mean over folds and repeats) of each epoch.
    """
    if not trial_ids:
        return {}
    column = f"val_{metric}"
    where = [("trial_id", "in", sorted(trial_ids)), ("stage", "==", "training")]
    rows = read_table(folder, "epochs", filters=where)
    if column not in rows.columns or rows.empty:
        return {}
    curves: dict[str, Curve] = {}
    for trial_id, of_trial in rows.groupby("trial_id"):
        wide = of_trial.pivot_table(index="epoch", columns=["repeat", "fold"], values=column)
        means = wide.sort_index().ffill().mean(axis=1).dropna()
        epochs = (int(epoch) for epoch in means.index)
        curves[str(trial_id)] = tuple(zip(epochs, means.tolist(), strict=True))
    return curves
