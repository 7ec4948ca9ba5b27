"""Nothing is opened that is a link, a pipe or a device, and nothing waits for one."""

import os
from pathlib import Path

import pytest

from harness.errors import BenchError
from harness.results.layout import (
    check_files,
    check_plain,
    create_plain,
    open_plain,
    part_files,
    read_plain,
    run_files,
    run_folders,
)

PART = "0123456789abcdef.parquet"


def make_link(path: Path) -> None:
    path.symlink_to(path.parent.parent / "elsewhere")


@pytest.mark.parametrize(
    ("make", "kind"), [(make_link, "a link"), (os.mkfifo, "a pipe"), (os.mkdir, "a folder")]
)
def test_other_kinds_of_files_are_named(tmp_path: Path, make, kind: str) -> None:
    (tmp_path / "folds").mkdir()
    make(tmp_path / "folds" / PART)
    for read in (
        lambda: part_files(tmp_path, "folds"),
        lambda: read_plain(tmp_path / "folds" / PART),
    ):
        with pytest.raises(BenchError, match=f"{PART} is {kind}, and bench keeps a file"):
            read()


def test_a_file_that_is_not_there_is_said_as_ever(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_plain(tmp_path / "a")


def test_a_new_file_takes_the_place_of_a_link(tmp_path: Path) -> None:
    """What it led to stays as it was."""
    (tmp_path / "mine").write_text("PRECIOUS")
    (tmp_path / "new").symlink_to(tmp_path / "mine")
    with os.fdopen(create_plain(tmp_path / "new"), "w") as file:
        file.write("rows")
    assert (tmp_path / "new").read_text() == "rows"
    assert not (tmp_path / "new").is_symlink()
    assert (tmp_path / "mine").read_text() == "PRECIOUS"


@pytest.mark.parametrize(
    "place", [".lock", ".tmp", "runs", "weights/0123456789abcdef", "tracking/tensorboard/a/b"]
)
def test_links_in_our_places_are_found_however_deep(tmp_path: Path, place: str) -> None:
    (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / place).symlink_to(tmp_path)
    with pytest.raises(BenchError, match=f"{place} is a link"):
        check_plain(tmp_path)


@pytest.mark.parametrize("place", ["notes", "latest", "tracking/wandb/latest-run"])
def test_links_that_are_not_in_our_way_stay(tmp_path: Path, place: str) -> None:
    """A user's own, and those of Weights & Biases."""
    (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / place).symlink_to(tmp_path)
    check_plain(tmp_path)


def test_a_run_is_what_bench_named_one(tmp_path: Path) -> None:
    """A copy of its folder is none."""
    names = ("20260102T000000-0001", "20260101T000000-0002", "20260102T000000-0001 (1)", "latest")
    for name in names:
        (tmp_path / "runs" / name).mkdir(parents=True)
    (tmp_path / "runs" / names[1] / "run.json").write_text("{}")
    assert [run.name for run in run_folders(tmp_path)] == [names[1], names[0]]
    assert [file.parent.name for file in run_files(tmp_path, "run.json")] == [names[1]]


def test_an_exported_folder_may_have_links_and_no_pipes(tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "a").write_text("weights")
    (tmp_path / "weights" / "b").symlink_to(tmp_path / "weights" / "a")
    check_files(tmp_path)
    os.mkfifo(tmp_path / "weights" / "c")
    with pytest.raises(BenchError, match="c is a pipe"):
        check_files(tmp_path)
