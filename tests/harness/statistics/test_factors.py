"""Levels, marginal means, leads, interactions and times of parameters, by hand."""

import itertools

import numpy as np
import pytest

from harness.statistics.factors import (
    factors_of,
    interaction,
    is_balanced,
    linked_factors,
    marginal_effects,
    pair_means,
)

PARAMS = [{"a": x, "b": y} for x in (1, 2) for y in ("u", "v")]
NAMES = {"a": "a", "b": "b"}
SCORES = np.array([[0.1, 0.3], [0.3, 0.5], [0.5, 0.7], [0.7, 0.9]])


def test_a_lead_is_tested_on_the_same_folds():
    """Level 2 of `a` lies 0.4 above level 1 in both folds: no spread, so no doubt."""
    of_a, _ = marginal_effects(factors_of(PARAMS, NAMES), SCORES, 0.5)
    assert (of_a.lead.best, of_a.lead.second) == ("2", "1")
    assert of_a.lead.difference.mean == pytest.approx(0.4)
    assert of_a.lead.difference.p_holm == pytest.approx(0.0)


def test_of_losses_the_lowest_level_leads():
    of_a, _ = marginal_effects(factors_of(PARAMS, NAMES), SCORES, 0.5, mode="min")
    assert (of_a.lead.best, of_a.lead.difference.mean) == ("1", pytest.approx(-0.4))


def test_a_single_fold_leads_without_a_test():
    of_a, _ = marginal_effects(factors_of(PARAMS, NAMES), SCORES[:, :1], 0.5)
    assert of_a.lead.difference.p_holm is None


def test_times_are_averaged_within_each_value():
    of_a, of_b = marginal_effects(factors_of(PARAMS, NAMES), SCORES, 0.5, fit_time_s=[1, 2, 3, 6])
    assert of_a.times == ((1.5, 1, 2), (4.5, 3, 6))
    assert of_b.times == ((2, 1, 3), (4, 2, 6))


def test_an_unknown_time_gives_no_times():
    of_a, _ = marginal_effects(factors_of(PARAMS, NAMES), SCORES, 0.5, fit_time_s=[1, 2, 3, None])
    assert of_a.times is None


def test_interaction_is_the_distance_from_the_sum_of_both_effects():
    """Rows add 0.1, columns add 0.2; one cell is 0.4 too high, a quarter of it in every cell."""
    added = np.array([[0.1, 0.3], [0.2, 0.4]])
    assert interaction(added) == pytest.approx(0.0)
    added[1, 1] += 0.4
    assert interaction(added) == pytest.approx(0.1)
    assert interaction(np.array([[0.1, np.nan], [0.2, 0.3]])) is None


def test_a_full_grid_is_balanced_and_a_part_of_it_is_not():
    assert is_balanced(factors_of(PARAMS, NAMES))
    assert not is_balanced(factors_of([*PARAMS, PARAMS[0]], NAMES))


def test_marginal_means_average_over_everything_else():
    params = [{"a": x, "b": y} for x in (1, 2) for y in ("u", "v")]
    factors = factors_of(params, {"a": "a", "b": "b"})
    scores = np.array([[0.1, 0.3], [0.3, 0.5], [0.5, 0.7], [0.7, 0.9]])
    of_a, of_b = marginal_effects(factors, scores, 0.5)
    assert [one.mean for one in of_a.means] == pytest.approx([0.3, 0.7])
    assert [one.mean for one in of_b.means] == pytest.approx([0.4, 0.6])
    assert of_a.counts == (2, 2)
    assert pair_means(*factors, scores).tolist() == [
        pytest.approx([0.2, 0.4]),
        pytest.approx([0.6, 0.8]),
    ]


def test_parameters_that_change_together_are_one_factor():
    params = [{"opt": one, "lr": lr} for one, lr in [("adam", 0.1), ("sgd", 0.2)] * 2]
    (found,) = factors_of(params, {"opt": "opt", "lr": "lr"})
    assert (found.name, found.order) == ("opt, lr", ("adam, 0.1", "sgd, 0.2"))


def test_many_values_are_cut_into_ranges_of_equal_count():
    params = [{"lr": float(value)} for value in range(1, 11)] * 2
    (found,) = factors_of(params, {"lr": "lr"})
    assert found.binned
    assert [found.levels.count(level) for level in found.order] == [4] * 5


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
