"""The winner's optimism, ranks and copies, by hand."""

import numpy as np
import pytest

from harness.statistics.selection_bias import identical_logs, mean_ranks, optimism


def test_the_winner_is_chosen_on_validation_and_judged_on_test():
    """Means 0.7 and 0.8: the second wins, its test mean is 0.6; fold by fold first, second win."""
    validation, test = [[0.8, 0.6], [0.7, 0.9]], [[0.75, 0.5], [0.4, 0.8]]
    found = optimism(validation, test, mode="max", test_rotates=True)

    assert (found.winner, found.n_tried) == (1, 2)
    assert (found.validation, found.test, found.gap) == pytest.approx((0.8, 0.6, 0.2))
    assert found.per_fold == pytest.approx((0.75, 0.8))
    assert found.nested == pytest.approx((0.75 + 0.8) / 2)


def test_of_losses_the_smallest_wins_and_a_larger_test_loss_is_the_gap():
    validation, test = [[0.2, 0.4], [0.5, 0.5]], [[0.6, 0.6], [0.1, 0.1]]
    found = optimism(validation, test, mode="min", test_rotates=False)

    assert (found.winner, found.nested) == (0, None)
    assert (found.validation, found.test, found.gap) == pytest.approx((0.3, 0.6, 0.3))


def test_a_missing_score_is_refused():
    with pytest.raises(ValueError, match="every configuration"):
        optimism([[0.5, np.nan]], [[0.5, 0.5]], mode="max", test_rotates=True)


def test_ranks_are_averaged_over_benchmarks_and_shared_by_ties():
    found = mean_ranks({"a": [0.9, 0.5], "b": [0.8, 0.5], "c": [0.7, 0.9]}, mode="max")

    assert found.mean_ranks == (1.75, 2.25, 2.0)
    assert found.n_benchmarks == 2
    assert found.label.startswith("descriptive")
    assert mean_ranks({"a": [0.9], "b": [0.8]}, mode="min").mean_ranks == (2.0, 1.0)


def test_equal_logs_are_found_to_the_last_bit():
    logs = {"a": [0.1, 0.2], "b": [0.1, 0.2], "c": [0.1, 0.2 + 1e-16], "d": [0.1], "e": []}
    assert identical_logs(logs) == (("a", "b"),)
    assert identical_logs({"a": [], "b": []}) == ()
