"""The front of accuracy and cost."""

import pytest

from harness.report.sections import pareto


@pytest.mark.parametrize(("mode", "front"), [("max", (0, 2)), ("min", (0, 1))])
def test_the_front_holds_what_nothing_beats_on_both(mode, front):
    assert pareto.undominated([1, 2, 3], [0.5, 0.4, 0.9], mode) == front
