"""From the results folder to ranked configurations."""

import pytest

from harness.errors import BenchError
from harness.report.load import load_benchmark_results
from tests.harness.report.folders import FILE, RUN, Trial, make_results, results_of


def test_configurations_come_ranked_and_the_unfinished_last(tmp_path):
    results = results_of(
        tmp_path, Trial(1, [0.5, 0.5]), Trial(2, status="failed"), Trial(4, [0.75, 0.75])
    )
    assert [(one.name, one.label) for one in results.configurations[:2]] == [
        ("#1", "num_heads=4"),
        ("#2", "num_heads=1"),
    ]
    assert [one.status for one in results.configurations] == ["complete", "complete", "failed"]


def test_a_planned_trial_without_a_row_is_missing(tmp_path):
    folder = make_results(tmp_path, Trial(1, [0.5, 0.5]), planned=[Trial(2)])
    results = load_benchmark_results(folder)
    assert [one.status for one in results.configurations] == ["complete", "missing"]
    assert results.configurations[1].label == "num_heads=2"


def test_the_baseline_is_found_by_parameter_or_id(tmp_path):
    trials = Trial(1, [0.5, 0.5]), Trial(4, [0.75, 0.75])
    assert results_of(tmp_path / "a", *trials, baseline="num_heads=1").baseline.place == 2
    assert results_of(tmp_path / "b", *trials, baseline="10000").baseline.place == 2


def test_an_unknown_baseline_and_run_are_named_with_what_there_is(tmp_path):
    trial = Trial(1, [0.5, 0.5])
    with pytest.raises(BenchError, match=r"model\.num_heads=9; there are: 1, 2"):
        results_of(tmp_path / "a", trial, Trial(2, [0.4, 0.4]), baseline="num_heads=9")
    with pytest.raises(BenchError, match=r"no run 'x'.*20260101T000000-0001"):
        results_of(tmp_path / "b", trial, run_id="x")


def test_a_folder_without_runs_is_said(tmp_path):
    with pytest.raises(BenchError, match="no results in"):
        load_benchmark_results(tmp_path)


def test_a_baseline_of_the_file_that_is_not_complete_is_none(tmp_path):
    text = FILE + "baseline: {model.num_heads: 2}\n"
    trials = Trial(1, [0.5, 0.5]), Trial(2, status="failed")
    assert results_of(tmp_path, *trials, text=text).baseline is None


def test_a_damaged_plan_is_an_error_in_words(tmp_path):
    folder = make_results(tmp_path, Trial(1, [0.5, 0.5]))
    (folder / "runs" / RUN / "plan.parquet").write_bytes(b"not parquet")
    with pytest.raises(BenchError, match=r"plan\.parquet is damaged"):
        load_benchmark_results(folder)


def test_repeats_that_only_some_have_count_for_themselves_alone(tmp_path):
    """Three folds against two: comparisons take the two that both have."""
    results = results_of(tmp_path, Trial(1, [0.5, 0.7]), Trial(4, [0.7, 0.9, 0.8]))
    assert results.shared_folds == [(1, 1), (1, 2)]
    means = [one.mean for one in results.estimates("val_accuracy").values()]
    assert means == [pytest.approx(0.8), pytest.approx(0.6)]
