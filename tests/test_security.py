"""What a file, a results folder or an archive from somebody else must not be able to do."""

import io
import json
import pickle
import re
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from data_prep.download import unpack
from data_prep.examples import DataError, Examples
from harness.config.read import parse_benchmark
from harness.data.cache import cached_examples
from harness.engine.options import RunOptions
from harness.engine.runner import run_benchmark
from harness.errors import BenchError, SpecError
from harness.plugins import catalog
from harness.report.report_writer import write_report
from harness.results.journal import finish_pending, pending
from harness.results.merge import benchmark_of
from harness.results.parquet_parts import is_plain_name
from harness.results.tables import TrialRow
from harness.training.checkpoint import CheckpointError
from harness.training.weights_io import (
    read_pretrained,
    read_pretraining_checkpoint,
    read_state,
)
from tests.checkpoints import SETTING
from tests.harness.report.folders import FILE as QUESTION
from tests.harness.report.folders import Trial, make_results
from tests.plans import FILE, plan_of, write_trials
from tests.without_ray import run_without_ray


class Evil:
    """Makes a file where it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return (Path.touch, (self.mark,))


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    """Exists once foreign code ran."""
    return tmp_path / "pwned"


LAUGHS = "a: &a [ha, ha]\nb: &b [*a, *a]\nc: &c [*b, *b]\n"


@pytest.mark.parametrize(
    ("added", "said"),
    [
        ("seed: !!python/object/apply:os.system ['touch pwned']\n", "tags are not supported"),
        ("seed: !!python/name:os.system\n", "tags are not supported"),
        (LAUGHS, "aliases are not supported"),
        (f"seed: {'9' * 6000}\n", "must fit 64 bits"),
        (f"published: {'[' * 3000}{']' * 3000}\n", "nested more than"),
        ("seed: \0\n", "control characters"),
    ],
    ids=["object", "name", "laughs", "huge", "deep", "nul"],
)
def test_yaml_is_only_data(added: str, said: str) -> None:
    """Each is a mistake of that line."""
    with pytest.raises(SpecError, match=said):
        parse_benchmark(FILE + added, file="rates.yaml")


@pytest.mark.parametrize("name", ["../../evil", "/tmp/evil", "os.path", "evil/../linear"])
def test_a_name_can_only_be_a_file_of_its_folder(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a file, and where a row of a results folder names its model."""
    (tmp_path / "evil.py").write_text("def build(*, input_shape, num_classes): ...\n")
    (tmp_path / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a" / "b")
    with pytest.raises(SpecError, match="letters, digits and _"):
        parse_benchmark(FILE.replace("linear", name), file="rates.yaml")
    with pytest.raises(BenchError, match="unknown model"):
        catalog.find("model", name)


def test_a_name_that_no_file_can_have_is_unknown() -> None:
    """And no error of the system's."""
    with pytest.raises(BenchError, match="unknown model"):
        catalog.find("model", "a" * 5000)


def test_weights_that_are_code_are_refused(tmp_path: Path, mark: Path) -> None:
    """A state dict, pretrained weights and a checkpoint of it."""
    folder = tmp_path / "pretraining"
    folder.mkdir()
    about = {"epochs": [], "val_accuracy": None, "test_accuracy": None}
    (folder / "a.json").write_text(json.dumps(about))
    for name in ("a.pt", "a.checkpoint"):
        torch.save({"weight": Evil(mark)}, folder / name)

    with pytest.raises(BenchError, match="not a file of weights alone"):
        read_state(folder / "a.pt")
    assert read_pretrained(tmp_path, "a") is None
    with pytest.raises(CheckpointError, match="damaged"):
        read_pretraining_checkpoint(tmp_path, "a", SETTING)
    assert not mark.exists()


def test_a_bare_pickle_is_no_file_of_weights(tmp_path: Path, mark: Path) -> None:
    """Whatever it is called."""
    (tmp_path / "w.pt").write_bytes(pickle.dumps(Evil(mark), protocol=2))

    with pytest.raises(BenchError, match="not a file of weights alone"):
        read_state(tmp_path / "w.pt")
    assert not mark.exists()


@pytest.mark.parametrize(
    "journal",
    [
        {"moves": [], "deletes": [["trials/../..", "thesis.txt"]]},
        {"moves": [], "deletes": [["trials", "../../thesis.txt"]]},
        {"moves": [["epochs", "../../thesis.txt"]], "deletes": []},
        {"moves": 3},
        [],
    ],
    ids=["table", "name", "move", "number", "list"],
)
def test_a_journal_touches_nothing_but_tables(tmp_path: Path, journal: object) -> None:
    """Not even one that came with a folder from somebody else."""
    folder = tmp_path / "results" / "rates"
    (folder / ".tmp").mkdir(parents=True)
    (folder / ".tmp" / "journal.json").write_text(json.dumps(journal))
    (tmp_path / "results" / "thesis.txt").write_text("all my work")

    for read in (pending, finish_pending):
        with pytest.raises(BenchError, match=r"journal\.json is not from bench"):
            read(folder)
    assert (tmp_path / "results" / "thesis.txt").read_text() == "all my work"


def test_merged_results_can_not_choose_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their benchmark's name is part of a path."""
    monkeypatch.chdir(tmp_path)
    plan = plan_of(tmp_path / "results" / "rates")
    monkeypatch.setattr("tests.plans.identity", _named("../../elsewhere"))
    write_trials(plan, {0: "complete"})

    with pytest.raises(BenchError, match="names no benchmark"):
        benchmark_of(plan.folder)


def _named(benchmark: str) -> Callable[..., TrialRow]:
    from harness.training.trial_rows import identity

    return lambda *arguments, **options: replace(
        identity(*arguments, **options), benchmark=benchmark
    )


def test_names_in_paths_stay_in_their_folder() -> None:
    """Hidden ones are ours."""
    assert is_plain_name("0123456789abcdef.parquet")
    for name in ("", ".", "..", "../x", "a/b", "a\\b", "/etc/passwd", ".tmp", "a\0b"):
        assert not is_plain_name(name)


def archive_of(file: Path, name: str, kind: bytes | str) -> Path:
    """A tar or zip with one entry of this name and kind."""
    if kind == "zip":
        with zipfile.ZipFile(file, "w") as packed:
            packed.writestr(name, "evil")
        return file
    with tarfile.open(file, "w") as packed:
        entry = tarfile.TarInfo(name)
        entry.type, entry.linkname = bytes(kind), "/etc/passwd"  # type: ignore[arg-type]
        entry.size = 4 if kind == tarfile.REGTYPE else 0
        packed.addfile(entry, io.BytesIO(b"evil") if entry.size else None)
    return file


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("../evil", tarfile.REGTYPE),
        ("/evil", tarfile.REGTYPE),
        ("in/../../evil", tarfile.REGTYPE),
        ("evil", tarfile.SYMTYPE),
        ("evil", tarfile.LNKTYPE),
        ("evil", tarfile.CHRTYPE),
        ("evil", tarfile.FIFOTYPE),
        ("../evil", "zip"),
        ("..\\evil", "zip"),
        ("C:/evil", "zip"),
    ],
)
def test_archives_write_nowhere_else(tmp_path: Path, name: str, kind: bytes | str) -> None:
    """Names that lead out, links, devices, pipes: refused before anything is written."""
    target = tmp_path / "data"
    with pytest.raises(DataError, match="refused"):
        unpack(archive_of(tmp_path / "archive", name, kind), target)

    assert [*tmp_path.rglob("evil")] == []
    assert not target.exists()


NASTY = "```\n</script><script>alert(1)</script>\x1b[31m [bold]x[/bold] $x$ \\input{/etc/passwd}"


@pytest.mark.parametrize("name", ["html", "md", "csv", "latex"])
def test_a_report_shows_names_and_runs_none(tmp_path: Path, name: str) -> None:
    """A question, classes and errors that are code in one of the formats."""
    asked = QUESTION.replace("Do more heads help <b>here</b>?", json.dumps(NASTY))
    classes = {"class_names": json.dumps([NASTY, "calm"])}
    trials = (
        Trial(1, val=(0.5, 0.6, 0.7), row=classes),
        Trial(2, val=(0.4, 0.6, 0.5), row=classes),
        Trial(4, status="failed", row={"error": NASTY}),
    )
    folder = make_results(tmp_path, *trials, text=asked)
    (file,) = write_report([folder], results=tmp_path, formats=[name])
    text = file.read_text(encoding="utf-8")

    if name == "md":
        text = re.sub(r"^(`{3,})\n.*?^\1$", "", text, flags=re.DOTALL | re.MULTILINE)
    assert "<script>alert(1)" not in text or name == "csv"
    assert name != "latex" or "\\input{" not in text
    assert "alert(1)" in text


def test_arrays_of_the_cache_hold_no_objects(tmp_path: Path, mark: Path) -> None:
    """A prepared array that is a pickle is prepared anew, not read."""

    def make() -> Examples:
        return Examples(
            inputs=np.zeros((2, 3), np.float32),
            targets=np.array([0, 1]),
            example_ids=np.array(["a", "b"]),
            parts=None,
            groups=None,
            class_names=("x", "y"),
        )

    cached_examples("key", make, tmp_path)
    for file in tmp_path.rglob("*.npy"):
        np.save(file, np.array([Evil(mark)], dtype=object), allow_pickle=True)
    again = cached_examples("key", make, tmp_path)

    assert again.inputs.shape == (2, 3)
    assert not mark.exists()


def test_no_secret_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the environment nor the address of a repository, also where a trial fails."""
    subprocess.run(["git", "init", "-q", "."], cwd=tmp_path, check=True)
    remote = "https://me:hunter2@example.org/private.git"
    subprocess.run(["git", "remote", "add", "origin", remote], cwd=tmp_path, check=True)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "moody.py").write_text(MOODY)
    (tmp_path / "moods.yaml").write_text(MOODS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("AWS_SECRET_ACCESS_KEY", "RAY_AUTH_TOKEN", "WANDB_API_KEY"):
        monkeypatch.setenv(name, "hunter2")
    run_without_ray(monkeypatch)
    outcome = run_benchmark(RunOptions("moods"), lambda event: None)

    written = [file for file in (tmp_path / "results").rglob("*") if file.is_file()]
    assert (outcome.summary.complete, outcome.summary.failed) == (1, 1)
    assert {"run.json", "distributions.txt", "benchmark.yaml"} <= {file.name for file in written}
    for file in written:
        text = str(pq.read_table(file).to_pylist()) if file.suffix == ".parquet" else ""
        assert "hunter2" not in text, file
        assert b"hunter2" not in file.read_bytes(), file


MOODY = """
from math import prod
from torch import nn

def build(*, input_shape: tuple[int, ...], num_classes: int, mood: str = "calm"):
    if mood == "raises":
        raise RuntimeError("no mood for this")
    return nn.Sequential(nn.Flatten(), nn.Linear(prod(input_shape), num_classes))
"""
MOODS = """\
question: Which mood?
dataset: {name: digits, limit: 40}
model: {name: moody}
training: {epochs: 1, batch_size: 8, optimizer: adam, lr: 0.05}
cross_validation: {strategy: holdout}
search: {space: {model.mood: [calm, raises]}}
objective: {metric: accuracy}
"""
