"""How the variance lies between folds and between configurations."""

import pytest

from harness.report.sections import fold_map
from tests.harness.report.folders import Trial, results_of

EVEN = Trial(1, [0.5, 0.6, 0.7])
BETTER = Trial(4, [0.7, 0.8, 0.9])


def test_the_fold_map_splits_the_variance(tmp_path):
    """Folds 0.5, 0.6, 0.7 and 0.7, 0.8, 0.9: variance 0.1**2 between configurations, and
    0.02 / 3 between folds."""
    found = fold_map.compute(results_of(tmp_path, EVEN, BETTER))
    total = 0.01 + 0.02 / 3
    assert found.between_configurations == pytest.approx(0.01 / total)
    assert found.between_folds == pytest.approx(0.02 / 3 / total)
