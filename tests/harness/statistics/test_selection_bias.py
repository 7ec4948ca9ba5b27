"""The winner's optimism, ranks and linked factors, by hand."""

import itertools

import numpy as np
import pytest

from harness.statistics.selection_bias import (
    identical_logs,
    linked_factors,
    mean_ranks,
    optimism,
)


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


def grid(**domains):
    return [
        dict(zip(domains, point, strict=True)) for point in itertools.product(*domains.values())
    ]


def test_a_full_grid_links_nothing():
    assert linked_factors(grid(heads=[1, 2], width=[8, 16, 32])) == ()


def test_parameters_that_move_together_are_linked():
    pairs = [{"optimizer": "adam", "lr": 0.003}, {"optimizer": "sgd", "lr": 0.05}]
    params = [one | other for one in pairs for other in grid(heads=[1, 4])]

    assert linked_factors(params) == (("optimizer", "lr"),)


def test_a_parameter_that_never_changes_without_another_is_linked_to_it():
    """Three widths, two numbers of heads: no two configurations differ in heads alone."""
    rows = [{"width": 48, "heads": 4}, {"width": 96, "heads": 4}, {"width": 120, "heads": 10}]
    assert linked_factors([row | {"lr": lr} for row in rows for lr in (0.1, 0.2)]) == (
        ("width", "heads"),
    )


def test_a_parameter_of_one_optimizer_alone_is_judged_where_it_exists():
    params = [{"optimizer": "adam"}, *grid(optimizer=["sgd"], momentum=[0.0, 0.9])]
    assert linked_factors(params) == ()


def test_independent_draws_are_not_linked_but_draws_along_a_line_are():
    draws = [{"lr": 0.1, "dropout": 0.5}, {"lr": 0.2, "dropout": 0.1}, {"lr": 0.3, "dropout": 0.4}]
    assert linked_factors(draws) == ()
    line = [{"width": 48, "heads": 4}, {"width": 96, "heads": 8}, {"width": 120, "heads": 10}]
    assert linked_factors(line) == (("width", "heads"),)


def test_true_is_not_one():
    assert linked_factors(grid(flag=[True, 1], heads=[1, 2])) == ()


def test_equal_logs_are_found_to_the_last_bit():
    logs = {"a": [0.1, 0.2], "b": [0.1, 0.2], "c": [0.1, 0.2 + 1e-16], "d": [0.1], "e": []}
    assert identical_logs(logs) == (("a", "b"),)
    assert identical_logs({"a": [], "b": []}) == ()
