"""Results of two machines become one folder, each trial once."""

from pathlib import Path
from typing import Any

import pytest

from harness.errors import BenchError
from harness.results.merge import benchmark_of, merge
from harness.results.parquet_parts import read_file
from harness.results.rows import TrialRows
from harness.results.runs import last_plan
from harness.results.table_reader import done_trials, parts, read_results
from tests.results_folders import RUN, fold, predicted, trial_rows, write_results

COMMAND = "bench merge there"


def trial(trial_id: str, val: float = 0.5, **choices: Any) -> TrialRows:
    status = choices.pop("status", "complete")
    folds = [fold(1, val=val), fold(2, val=val)] if status == "complete" else []
    predictions = [predicted([True, False], role="validation")] if folds else []
    return trial_rows(trial_id, folds, status=status, predictions=predictions, **choices)


def statuses(folder: Path) -> dict[str, str]:
    return {trial_id: row.status for trial_id, row in done_trials(folder).items()}


def test_what_the_target_lacks_comes_over_with_its_rows_in_all_tables(tmp_path: Path) -> None:
    ours = write_results(tmp_path / "here", trial("a"))
    theirs = write_results(tmp_path / "there", trial("a"), trial("b", 0.7), run="20260102T000000-b")
    report = merge(theirs, ours, command=COMMAND)
    assert (report.new, report.better, report.kept) == (("b",), (), ("a",))
    results = read_results(ours)
    assert results.trials.trial_id.tolist() == ["a", "b"]
    assert results.folds.groupby("trial_id").size().to_dict() == {"a": 2, "b": 2}
    assert results.predictions().groupby("trial_id").size().to_dict() == {"a": 2, "b": 2}


def test_merging_twice_changes_nothing_the_second_time(tmp_path: Path) -> None:
    ours = write_results(tmp_path / "here", trial("a"))
    theirs = write_results(tmp_path / "there", trial("b"), run="20260102T000000-b")
    merge(theirs, ours, command=COMMAND)
    before = sorted(path for path in ours.rglob("*") if path.is_file())
    report = merge(theirs, ours, command=COMMAND)
    assert (report.new, report.kept) == ((), ("b",))
    assert sorted(path for path in ours.rglob("*") if path.is_file()) == before


@pytest.mark.parametrize("lesser", ["failed", "pruned", "interrupted"])
def test_a_complete_row_takes_the_place_of_a_lesser_one_and_never_the_reverse(
    tmp_path: Path, lesser: str
) -> None:
    complete = write_results(tmp_path / "complete", trial("a"))
    other = write_results(tmp_path / "other", trial("a", status=lesser))
    assert merge(other, complete, command=COMMAND).kept == ("a",)
    assert statuses(complete) == {"a": "complete"}
    assert merge(complete, other, command=COMMAND).better == ("a",)
    assert statuses(other) == {"a": "complete"}
    assert len(read_results(other).folds) == 2


def test_more_repeats_take_the_place_of_fewer(tmp_path: Path) -> None:
    more = trial_rows("a", [fold(1, repeat=1), fold(1, repeat=2)])
    ours = write_results(tmp_path / "here", trial("a"))
    theirs = write_results(tmp_path / "there", more)
    assert merge(theirs, ours, command=COMMAND).better == ("a",)
    assert read_results(ours).folds.repeat.tolist() == [1, 2]


def test_the_same_trial_with_other_numbers_is_named_and_ours_stays(tmp_path: Path) -> None:
    ours = write_results(tmp_path / "here", trial("a", 0.5))
    theirs = write_results(tmp_path / "there", trial("a", 0.6))
    assert merge(theirs, ours, command=COMMAND).different == {"a": (0.5, 0.6)}
    assert done_trials(ours, objective="accuracy")["a"].objective_mean == 0.5


def test_tables_become_as_wide_as_both(tmp_path: Path) -> None:
    ours = write_results(tmp_path / "here", trial("a", width=8), params={"model.width": [8]})
    run = "20260102T000000-b"
    theirs = write_results(tmp_path / "there", trial("b", depth=2, width=16), run=run,
                           params={"model.depth": [2]})  # fmt: skip
    merge(theirs, ours, command=COMMAND)
    table = read_results(ours).trials.set_index("trial_id")
    assert table["params.model.width"].tolist() == [8, 16]
    assert table["params.model.depth"].fillna(0).tolist() == [0, 2]


def test_the_run_of_the_merge_stands_for_both_plans(tmp_path: Path) -> None:
    ours = write_results(tmp_path / "here", trial("a"))
    theirs = write_results(tmp_path / "there", trial("b"), run="20260102T000000-b")
    for folder, run in ((ours, RUN), (theirs, "20260102T000000-b")):
        (folder / "runs" / run / "benchmark.yaml").write_text("question: Does it?\n")
    merge(theirs, ours, command=COMMAND)
    assert last_plan(ours) == ["a", "b"]
    assert len(list((ours / "runs").iterdir())) == 3


def test_weights_come_with_their_trial(tmp_path: Path) -> None:
    ours = write_results(tmp_path / "here", trial("a"))
    theirs = write_results(tmp_path / "there", trial("a"), trial("b"))
    for name in ("a", "b"):
        (theirs / "weights" / name).mkdir(parents=True)
        (theirs / "weights" / name / "1-1.pt").write_bytes(b"weights")
    merge(theirs, ours, command=COMMAND)
    assert [path.name for path in (ours / "weights").iterdir()] == ["b"]


def test_a_damaged_part_is_named_and_its_trials_stay_behind(tmp_path: Path) -> None:
    theirs = write_results(tmp_path / "there", trial("a"))
    write_results(theirs, trial("b"), run=None)
    (broken,) = [path for path in parts(theirs, "folds") if not _holds(theirs, path, "a")]
    broken.write_bytes(broken.read_bytes()[:-20])
    report = merge(theirs, tmp_path / "here", command=COMMAND)
    assert report.new == ("a",)
    assert report.damaged == (broken,)
    assert broken.exists()


def _holds(folder: Path, part: Path, trial_id: str) -> bool:
    return trial_id in read_file(folder / "trials" / part.name)["trial_id"].to_pylist()


def test_a_folder_says_whose_results_it_holds_whatever_its_name(tmp_path: Path) -> None:
    rows = trial("a")
    named = TrialRows({**rows.trial, "benchmark": "quickstart"}, rows.folds)
    assert benchmark_of(write_results(tmp_path / "copy of it", named)) == "quickstart"
    with pytest.raises(BenchError, match="no finished trial"):
        benchmark_of(tmp_path)
