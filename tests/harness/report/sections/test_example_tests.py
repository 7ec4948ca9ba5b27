"""The baseline and others, example by example."""

import numpy as np
import pytest

from harness.report.sections import example_tests
from harness.results.rows import FoldPredictions
from tests.harness.report.folders import Trial, results_of

LOW = Trial(1, [0.5, 0.6, 0.7])
HIGH = Trial(4, [0.7, 0.8, 0.9])


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
