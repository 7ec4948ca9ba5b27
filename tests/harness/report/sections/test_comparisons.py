"""Comparisons with the baseline: on which scores, and which may be paired."""

import pytest

from harness.report.sections import comparisons
from tests.harness.report.folders import Trial, results_of

LOW = Trial(1, [0.5, 0.6, 0.7])
HIGH = Trial(4, [0.7, 0.8, 0.9])


def hashed(trial, split):
    return trial._replace(row={"config": f'{{"dataset": {{"name": "{split}"}}}}'})


def test_other_data_are_shown_without_interval_and_test(tmp_path):
    trials = hashed(LOW, "digits"), hashed(HIGH, "letters")
    found = comparisons.compute(results_of(tmp_path, *trials))
    (row,) = found.rows
    assert not row.difference.paired
    assert row.difference.mean == pytest.approx(-0.2)
    assert (row.difference.low, row.difference.p_holm, found.power) == (None, None, None)


def test_comparisons_use_test_scores_where_the_test_rotates(tmp_path):
    trials = LOW, Trial(4, [0.7, 0.8, 0.9], test=[0.4, 0.5, 0.6])
    rotating = comparisons.compute(results_of(tmp_path / "a", *trials, baseline="num_heads=1"))
    assert rotating.split == "test"
    assert rotating.rows[0].difference.mean == pytest.approx(-0.1)
    shared = [trial._replace(rotates=False) for trial in trials]
    found = comparisons.compute(results_of(tmp_path / "b", *shared, baseline="num_heads=1"))
    assert (found.split, found.rows[0].difference.mean) == ("val", pytest.approx(0.2))


def test_two_runs_with_fixed_test_parts_of_their_own_do_not_rotate(tmp_path):
    """As `--all` shows them: all folds of one test part 1, all folds of the other part 2."""
    trials = LOW._replace(rotates=False), HIGH._replace(rotates=False, test_part=2)
    results = results_of(tmp_path, *trials)
    assert sorted(results.folds["test_part"].unique()) == [1, 2]
    assert not results.test_rotates
    assert comparisons.compute(results).split == "val"
    assert "the test part does not rotate" in comparisons.comparisons(results).blocks[0].text
