"""All pairs of configurations as one matrix."""

import numpy as np
import pytest

from harness.report.sections import pairwise_matrix
from tests.harness.report.folders import Trial, results_of

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
