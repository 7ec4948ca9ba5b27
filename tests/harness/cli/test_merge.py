"""`bench merge` in a terminal."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.cli import bench, main
from harness.results.lock import hold
from harness.results.rows import TrialRows
from tests.results_folders import fold, trial_rows, write_results


def write(folder: Path, *trial_ids: str) -> Path:
    trials = [trial_rows(one, [fold(1)]) for one in trial_ids]
    named = [TrialRows({**one.trial, "benchmark": "vision"}, one.folds) for one in trials]
    return write_results(folder, *named)


def test_several_folders_become_one(tmp_path: Path) -> None:
    write(tmp_path / "lab" / "vision", "a")
    write(tmp_path / "cluster" / "vision", "a", "b")
    arguments = [str(tmp_path / "lab"), str(tmp_path / "cluster" / "vision")]
    done = CliRunner().invoke(bench, ["merge", *arguments, "--results", str(tmp_path / "all")])
    first, second = done.output.splitlines()
    assert first.endswith("1 new, 0 replaced, 0 already there")
    assert second.endswith("1 new, 0 replaced, 1 already there")
    assert (tmp_path / "all" / "vision" / "trials").is_dir()


@pytest.mark.parametrize(
    ("source", "words"), [("empty", "holds no results"), ("results", "is where its trials would")]
)
def test_what_cannot_be_merged_is_said(
    tmp_path: Path, source: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    write(tmp_path / "results" / "vision", "a")
    with pytest.raises(SystemExit, match="2"):
        main(["merge", str(tmp_path / source), "--results", str(tmp_path / "results")])
    assert words in capsys.readouterr().err


def test_a_source_that_a_run_is_writing_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write(tmp_path / "lab" / "vision", "a")
    with hold(source), pytest.raises(SystemExit, match="2"):
        main(["merge", str(source), "--results", str(tmp_path / "results")])
    assert "is being written" in capsys.readouterr().err
