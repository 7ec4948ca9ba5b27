"""Results folders as nobody should send them: each is a small whole one with one thing wrong."""

import json
import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from harness.engine.results_folder import record_run
from tests.plans import FILE, plan_of, write_trials

NAME = "rates"
RUN = "20260101T000000-0001"
CARD = {"d": {"n_examples": 6, "input_shape": [1, 8, 8], "counts": {"a": 3, "b": 3},
              "folds": [{"repeat": 1, "fold": 1, "counts": {"validation": {"a": 1, "b": 2}}}],
              "examples": {"a": ["x"]}}}  # fmt: skip
PREVIEWS = {"d": {"n_classes": 2, "classes": [{"class": "a", "ids": ["x"], "texts": ["purr"]}]}}

Hostile = Callable[[Path, Path], None]
CASES: dict[str, Hostile] = {}


def make_whole(place: Path) -> Path:
    """A benchmark of three trials, two complete and one failed, with a run and weights."""
    folder = place / "results" / NAME
    plan = plan_of(folder, FILE)
    write_trials(plan, {0: "complete", 1: "complete", 2: "failed"})
    plan = plan_of(folder, FILE)
    record_run(plan, RUN, settings={"command": "bench run rates"}, data_card=CARD,
               previews=PREVIEWS)  # fmt: skip
    shutil.rmtree(folder / ".tmp")
    weights = folder / "weights" / plan.trials[0].trial_id
    weights.mkdir(parents=True)
    for name in ("1-1.pt", "1-2.pt"):
        (weights / name).write_bytes(b"no weights")
    (folder / "runs" / RUN / "checkpoints").mkdir()
    (folder / "runs" / RUN / "checkpoints" / "a.checkpoint").write_bytes(b"{}\n")
    (folder / "pretraining").mkdir()
    (folder / "pretraining" / "a.json").write_text("{}")
    return folder


def part(folder: Path, table: str) -> Path:
    """The one part of a table."""
    (found,) = (folder / table).glob("*.parquet")
    return found


def case(name: str) -> Callable[[Hostile], Hostile]:
    """Adds a case under this name."""

    def add(make: Hostile) -> Hostile:
        assert name not in CASES
        CASES[name] = make
        return make

    return add


def _moved_and_linked(path: Path, outside: Path) -> None:
    """What lay there lies outside, and a link leads to it."""
    target = outside / path.name.lstrip(".")
    if path.exists():
        shutil.move(path, target)
    elif path.suffix or path.name == ".lock":
        target.write_text("PRECIOUS")
    else:
        target.mkdir()
        (target / "mine").write_text("PRECIOUS")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)


def _of_trial(folder: Path) -> str:
    return next((folder / "weights").iterdir()).name


LINKED: dict[str, Callable[[Path], Path]] = {
    "lock": lambda folder: folder / ".lock",
    **{table: lambda folder, table=table: folder / table  # type: ignore[misc]
       for table in ("attention", "predictions", "folds", "trials")},
    **{f"{table} part": lambda folder, table=table: part(folder, table)  # type: ignore[misc]
       for table in ("predictions", "folds", "trials")},
    "runs": lambda folder: folder / "runs",
    "run": lambda folder: folder / "runs" / RUN,
    **{name: lambda folder, name=name: folder / "runs" / RUN / name  # type: ignore[misc]
       for name in ("plan.parquet", "run.json", "benchmark.yaml", "data_card.json",
                    "checkpoints", "logs")},
    "weights": lambda folder: folder / "weights",
    "weights of a trial": lambda folder: folder / "weights" / _of_trial(folder),
    "weight file": lambda folder: folder / "weights" / _of_trial(folder) / "1-1.pt",
    "temporary": lambda folder: folder / ".tmp",
    "journal": lambda folder: folder / ".tmp" / "journal.json",
    "staged part": lambda folder: folder / ".tmp" / f"folds-{part(folder, 'folds').name}",
    "set aside": lambda folder: folder / ".damaged",
    "set aside folds": lambda folder: folder / ".damaged" / "folds",
    "pretraining": lambda folder: folder / "pretraining",
    "pretrained": lambda folder: folder / "pretraining" / "a.json",
    "tracking": lambda folder: folder / "tracking",
    "curves of a trial": lambda folder: folder / "tracking" / "tensorboard" / _of_trial(folder),
}  # fmt: skip
for _name, _place in LINKED.items():
    CASES[f"link: {_name}"] = lambda folder, outside, place=_place: _moved_and_linked(  # type: ignore[misc]
        place(folder), outside
    )


@case("link: lock to a file that is not there")
def _(folder: Path, outside: Path) -> None:
    (folder / ".lock").symlink_to(outside / "new")


KINDS: dict[str, Callable[[Path], object]] = {
    "pipe": os.mkfifo,
    "socket": lambda path: _socket(path),
    "folder": os.mkdir,
}
PLACES = {
    "lock": LINKED["lock"],
    "trials part": LINKED["trials part"],
    "folds part": LINKED["folds part"],
    "plan": LINKED["plan.parquet"],
    "record": LINKED["run.json"],
    "resolved file": LINKED["benchmark.yaml"],
    "journal": LINKED["journal"],
}


def _socket(path: Path) -> None:
    """Bound by a short name, as those of sockets are limited."""
    here = Path.cwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(here)


def _replaced(path: Path, make: Callable[[Path], object]) -> None:
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    make(path)


for _kind, _make in KINDS.items():
    for _name, _place in PLACES.items():
        CASES[f"{_kind}: {_name}"] = lambda folder, outside, p=_place, m=_make: _replaced(  # type: ignore[misc]
            p(folder), m
        )

for _name in ("trials", "folds", "runs", "weights", ".tmp", ".damaged"):

    @case(f"file: {_name}")
    def _(folder: Path, outside: Path, name: str = _name) -> None:
        shutil.rmtree(folder / name, ignore_errors=True)
        (folder / name).write_text("no folder")


TEXTS: dict[str, bytes] = {
    "nothing": b"",
    "half": b'{"d": {"counts": {"a": 1',
    "no text": b"\xff\xfe\x00",
    "list": b"[1, 2]",
    "number": b"3",
    "null": b"null",
    "deep": b"[" * 50_000 + b"]" * 50_000,
    "nan": b'{"d": NaN}',
    "text": b'{"d": "data", "command": 3}',
    "lists": b'{"d": {"counts": [1], "folds": {"fold": 1}, "classes": {"class": 1}}}',
    "texts": b'{"d": {"counts": {"a": "many"}, "folds": [3], "classes": [{"peaks": ["x"]}]}}',
    "huge": b'{"d": {"n_examples": 1' + b"0" * 4000 + b', "n_classes": -1}}',
}
WRITTEN = {
    "run.json": ("nothing", "no text", "deep", "text"),
    "data_card.json": ("half", "list", "null", "nan", "text", "lists", "texts", "huge"),
    "previews.json": ("number", "nan", "lists", "texts", "huge"),
}
for _name, _kinds in WRITTEN.items():
    for _kind in _kinds:

        @case(f"{_name}: {_kind}")
        def _(folder: Path, outside: Path, name: str = _name, text: bytes = TEXTS[_kind]) -> None:
            (folder / "runs" / RUN / name).write_bytes(text)


for _kind in ("nothing", "half", "no text", "list", "deep"):

    @case(f"benchmark.yaml: {_kind}")
    def _(folder: Path, outside: Path, text: bytes = TEXTS[_kind]) -> None:
        (folder / "runs" / RUN / "benchmark.yaml").write_bytes(text)

    @case(f"journal: {_kind}")
    def _(folder: Path, outside: Path, text: bytes = TEXTS[_kind]) -> None:
        (folder / ".tmp").mkdir()
        (folder / ".tmp" / "journal.json").write_bytes(text)


def rewritten(path: Path, column: str, change: Callable[[Any], Any]) -> None:
    """The file with one column's cells, as plain values, changed; types follow from the values."""
    rows = pq.ParquetFile(path).read()
    cells = pa.array([change(cell) for cell in rows[column].to_pylist()])
    place = rows.schema.get_field_index(column)
    pq.write_table(rows.set_column(place, column, cells), path)


def without(path: Path, column: str) -> None:
    """The file without a column."""
    rows = pq.ParquetFile(path).read()
    pq.write_table(rows.drop_columns([column]), path)


CELLS: dict[tuple[str, str], dict[str, Callable[[Any], Any]]] = {
    ("trials", "trial_id"): {"int": lambda _: 1, "null": lambda _: None, "path": lambda _: "../x"},
    ("trials", "run_id"): {"path": lambda _: "../../../etc", "int": lambda _: 3},
    ("trials", "status"): {"odd": lambda _: "done", "null": lambda _: None, "int": lambda _: 1},
    ("trials", "config"): {
        "no JSON": lambda _: "{",
        "list": lambda _: "[]",
        "empty": lambda _: "{}",
        "null": lambda _: None,
        "sections": lambda _: '{"model": 3, "objective": "accuracy"}',
        "metric": lambda text: json.dumps({**json.loads(text), "objective": {"metric": 3}}),
        "unknown metric": lambda text: json.dumps(
            {**json.loads(text), "objective": {"metric": "x"}}
        ),
        "dataset": lambda text: json.dumps({**json.loads(text), "dataset": {"name": "../x"}}),
    },
    ("trials", "n_repeats"): {"negative": lambda _: -1, "huge": lambda _: 2**40},
    ("trials", "finished_at"): {"text": lambda _: "today"},
    ("trials", "class_names"): {"no list": lambda _: '{"a": 1}', "no JSON": lambda _: "a, b"},
    ("trials", "versions"): {"list": lambda _: "[1]", "no JSON": lambda _: "torch"},
    ("trials", "val_accuracy_mean"): {"text": lambda _: "good", "nan": lambda _: float("nan")},
    ("trials", "params.training.lr"): {"list": lambda _: [0.1], "text": lambda _: "fast"},
    ("trials", "n_rows_folds"): {"negative": lambda _: -2, "null": lambda _: None},
    ("folds", "fold"): {"null": lambda _: None, "text": lambda _: "one", "same": lambda _: 1},
    ("folds", "repeat"): {"huge": lambda _: 2**40, "negative": lambda _: -1},
    ("folds", "val_accuracy"): {"text": lambda _: "good", "null": lambda _: None},
    ("folds", "trial_id"): {"other": lambda _: "f" * 16, "null": lambda _: None},
    ("predictions", "role"): {"odd": lambda _: "training", "null": lambda _: None},
    ("predictions", "target"): {"large": lambda _: 99, "negative": lambda _: -1},
    ("predictions", "predicted"): {"text": lambda _: "cat", "large": lambda _: 99},
    ("predictions", "example_id"): {"null": lambda _: None, "int": lambda _: 1},
    ("predictions", "probabilities"): {
        "text": lambda _: "0.5",
        "null": lambda _: None,
        "empty": lambda _: [],
        "doubles": lambda cell: cell,
    },
    ("predictions", "fold"): {"null": lambda _: None},
}
for (_table, _column), _changes in CELLS.items():
    for _kind, _change in _changes.items():

        @case(f"{_table}.{_column}: {_kind}")
        def _(
            folder: Path, outside: Path, at: Any = (_table, _column), change: Any = _change
        ) -> None:
            rewritten(part(folder, at[0]), at[1], change)


def _with_probabilities(values: list[list[float]]) -> Hostile:
    """Of single floats, as the column has them."""

    def make(folder: Path, outside: Path) -> None:
        path = part(folder, "predictions")
        rows = pq.ParquetFile(path).read()
        cells = pa.array(
            [values[i % len(values)] for i in range(len(rows))], pa.list_(pa.float32())
        )
        place = rows.schema.get_field_index("probabilities")
        pq.write_table(rows.set_column(place, "probabilities", cells), path)

    return make


CASES["predictions.probabilities: ragged"] = _with_probabilities([[0.5, 0.5], [1.0]])
CASES["predictions.probabilities: nan"] = _with_probabilities([[float("nan"), 0.5]])
CASES["predictions.probabilities: three classes"] = _with_probabilities([[0.2, 0.3, 0.5]])

for _table, _column in (("trials", "trial_id"), ("trials", "status"), ("trials", "config"),
                        ("folds", "fold"), ("predictions", "role"), ("trials", "n_rows_folds"),
                        ("trials", "run_id"), ("folds", "split_hash")):  # fmt: skip

    @case(f"{_table}: without {_column}")
    def _(folder: Path, outside: Path, table: str = _table, column: str = _column) -> None:
        without(part(folder, table), column)


for _table in ("trials", "folds", "predictions"):

    @case(f"{_table}: foreign")
    def _(folder: Path, outside: Path, table: str = _table) -> None:
        pq.write_table(pa.table({"x": [1]}), part(folder, table))

    @case(f"{_table}: no Parquet")
    def _(folder: Path, outside: Path, table: str = _table) -> None:
        part(folder, table).write_bytes(b"PAR1 and nothing more PAR1")

    @case(f"{_table}: gone")
    def _(folder: Path, outside: Path, table: str = _table) -> None:
        part(folder, table).unlink()


PLANS: dict[str, Any] = {
    "foreign": {"x": [1]},
    "ids": {"trial_id": [1], "variant": ["a"], "params": ["{}"]},
    "params": {"trial_id": ["a"], "variant": ["a"], "params": ["["], "state": ["done"],
               "reason": [""]},
    "params list": {"trial_id": ["a"], "variant": ["a"], "params": ["[1, 2]"], "state": ["done"],
                    "reason": [""]},
}  # fmt: skip
for _kind, _rows in PLANS.items():

    @case(f"plan: {_kind}")
    def _(folder: Path, outside: Path, rows: Any = _rows) -> None:
        pq.write_table(pa.table(rows), folder / "runs" / RUN / "plan.parquet")
