"""Comparisons with the baseline, of all pairs and example by example; and the answer from them."""

import numpy as np
import pytest

from harness.report.sections import answer, comparisons, example_tests, pairwise_matrix
from harness.results.rows import FoldPredictions
from tests.harness.report.folders import FILE, Trial, results_of

LOW = Trial(1, [0.5, 0.6, 0.7])
HIGH = Trial(4, [0.7, 0.8, 0.9])
NEAR = Trial(2, [0.7, 0.9, 0.8])


def test_all_pairs_are_a_matrix_marked_after_holm(tmp_path):
    """4 heads beat 1 by 0.2 on every fold, which no spread doubts; 4 and 2 differ by 0 on average
    and by 0.1 on two folds."""
    found = pairwise_matrix.compute(results_of(tmp_path, LOW, HIGH, NEAR))
    place = {one.params["model.num_heads"]: i for i, one in enumerate(found.configurations)}
    assert found.n_pairs == 3
    assert found.differences[place[4], place[1]] == pytest.approx(0.2)
    assert found.differences[place[1], place[4]] == pytest.approx(-0.2)
    assert np.isnan(np.diag(found.differences)).all()
    assert found.clear[place[4], place[1]]
    assert not found.clear[place[4], place[2]]


def test_two_configurations_need_no_matrix(tmp_path):
    assert pairwise_matrix.compute(results_of(tmp_path, LOW, HIGH)) is None


def predicted(right, *, shared):
    """Four examples of class 1 in each of three folds, right or wrong as told."""
    flat = np.full((4, 2), 0.5, np.float32)
    return [FoldPredictions(1, fold, "test", [f"{1 if shared else fold}-{i}" for i in range(4)],
                            None, np.ones(4, int), np.array(right), flat)
            for fold in (1, 2, 3)]  # fmt: skip


def with_items(folder, *, shared):
    """Two trials whose folds test four examples each: 1 head is right on 2, 4 heads on 3."""
    trials = (LOW._replace(predictions=predicted([1, 1, 0, 0], shared=shared)),
              HIGH._replace(predictions=predicted([1, 1, 1, 0], shared=shared)))  # fmt: skip
    return example_tests.compute(results_of(folder, *trials, baseline="num_heads=1"))


def test_where_each_example_is_tested_once_mcnemar_counts_them(tmp_path):
    """Twelve examples; on three of them 4 heads alone is right: p = 2 / 2**3."""
    (pair,) = with_items(tmp_path, shared=False).pairs
    assert pair.found.difference.mean == pytest.approx(0.25)
    assert (pair.found.mcnemar.only_a, pair.found.mcnemar.only_b) == (0, 3)
    assert pair.found.mcnemar.p == pair.p_holm == pytest.approx(0.25)


def test_where_folds_share_their_test_there_is_no_mcnemar(tmp_path):
    """The four examples count once each, not three times."""
    found = with_items(tmp_path, shared=True)
    (pair,) = found.pairs
    assert pair.found.mcnemar is None
    assert pair.found.difference.n_examples == 4
    assert [one.name for one in example_tests.table(found).columns][-1] == "95 % interval"


def hashed(trial, split):
    return trial._replace(row={"config": f'{{"dataset": {{"name": "{split}"}}}}'})


def test_other_data_are_shown_without_interval_and_test(tmp_path):
    trials = hashed(LOW, "digits"), hashed(HIGH, "letters")
    found = comparisons.compute(results_of(tmp_path, *trials))
    (row,) = found.rows
    assert not row.difference.paired
    assert row.difference.mean == pytest.approx(-0.2)
    assert (row.difference.low, row.difference.p_holm, found.power) == (None, None, None)


def test_the_answer_says_what_could_have_been_seen(tmp_path):
    results = results_of(tmp_path, HIGH, NEAR)
    text = answer.sentence(answer.compute(results), results)
    assert "no difference to the other one was seen, and the smallest that could" in text


def test_the_optimism_of_the_winner_is_told_with_the_nested_estimate(tmp_path):
    """Validation picks 4 heads in folds 1 and 2, and 2 heads in fold 3: tests 0.5, 0.5 and 0.6."""
    results = results_of(
        tmp_path,
        Trial(4, [0.8, 0.8, 0.7], test=[0.5, 0.5, 0.5]),
        Trial(2, [0.6, 0.6, 0.8], test=[0.6, 0.6, 0.6]),
    )
    found = answer.compute(results)
    assert found.optimism.gap == pytest.approx(0.7667 - 0.5, abs=1e-4)
    assert found.nested.mean == pytest.approx(1.6 / 3)


def test_the_baseline_of_the_file_is_answered_first(tmp_path):
    text = FILE + "baseline: {model.num_heads: 1}\n"
    found = answer.compute(results_of(tmp_path, LOW, HIGH, text=text))
    assert found.baseline.difference.mean == pytest.approx(0.2)


def test_one_fold_has_an_interval_over_its_examples(tmp_path):
    """Wilson for 20 of 40: 0.352 to 0.648."""
    results = results_of(tmp_path, Trial(1, [0.5]))
    found = answer.compute(results).validation
    assert (found.low, found.high) == pytest.approx((0.352, 0.648), abs=5e-4)
