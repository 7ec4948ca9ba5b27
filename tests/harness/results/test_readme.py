"""The README describes exactly the columns that the tables have, with their types."""

import re
from pathlib import Path

import pyarrow as pa
import pytest

from harness.results.schema import TABLES, param_type, table_schemas

README = Path(__file__).parents[3] / "results" / "README.md"
TYPES = {
    "text": pa.string(),
    "text (JSON)": pa.string(),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "double": pa.float64(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "list of float": pa.list_(pa.float32()),
    "from the parameter": pa.float64(),
}
STANDS_FOR = {"<metric>": "macro_f1", "<objective>": "macro_f1", "<path>": "training.lr"}


@pytest.mark.parametrize("table", TABLES)
def test_every_column_is_described(table):
    params = {"training.lr": param_type([0.1])}
    schema = table_schemas(metrics=("macro_f1",), objective="macro_f1", params=params)[table]
    assert _described(table) == [(field.name, field.type) for field in schema]


def _described(table):
    section = README.read_text(encoding="utf-8").split(f"\n## {table}\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `([^`]+)` \| ([^|]+) \|", section, flags=re.MULTILINE)
    return [(column, TYPES[kind]) for column, kind in _expanded(rows)]


def _expanded(rows):
    """`{train,val,test}_<metric>` and its neighbours, column by column in the schema's order."""
    columns = []
    for name, kind in rows:
        for word, meaning in STANDS_FOR.items():
            name = name.replace(word, meaning)
        _, braces, rest = name.partition("}")
        names = [f"{split}{rest}" for split in ("train", "val", "test")] if braces else [name]
        columns += [(one, kind) for one in names]
    return _means_beside_stds(columns)


def _means_beside_stds(columns):
    """The schema has each mean next to its std; the README has a row for all means."""
    stds = {name: kind for name, kind in columns if name.endswith("_std")}
    ordered = []
    for name, kind in columns:
        if name not in stds:
            ordered.append((name, kind))
            std = name.removesuffix("_mean") + "_std"
            if name.endswith("_mean") and std in stds:
                ordered.append((std, stds[std]))
    return ordered
