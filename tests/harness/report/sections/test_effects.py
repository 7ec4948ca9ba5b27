"""Leads, interactions and times of parameters, by hand."""

import numpy as np
import pytest

from harness.report.factors import factors_of, is_balanced
from harness.report.sections import effects

PARAMS = [{"a": x, "b": y} for x in (1, 2) for y in ("u", "v")]
NAMES = {"a": "a", "b": "b"}
SCORES = np.array([[0.1, 0.3], [0.3, 0.5], [0.5, 0.7], [0.7, 0.9]])


def test_a_lead_is_tested_on_the_same_folds():
    """Level 2 of `a` lies 0.4 above level 1 in both folds: no spread, so no doubt."""
    of_a, _ = effects.compute(factors_of(PARAMS, NAMES), SCORES, 0.5)
    assert (of_a.lead.best, of_a.lead.second) == ("2", "1")
    assert of_a.lead.difference.mean == pytest.approx(0.4)
    assert of_a.lead.difference.p_holm == pytest.approx(0.0)


def test_of_losses_the_lowest_level_leads():
    of_a, _ = effects.compute(factors_of(PARAMS, NAMES), SCORES, 0.5, mode="min")
    assert (of_a.lead.best, of_a.lead.difference.mean) == ("1", pytest.approx(-0.4))


def test_a_single_fold_leads_without_a_test():
    of_a, _ = effects.compute(factors_of(PARAMS, NAMES), SCORES[:, :1], 0.5)
    assert of_a.lead.difference.p_holm is None


def test_times_are_averaged_within_each_value():
    of_a, of_b = effects.compute(factors_of(PARAMS, NAMES), SCORES, 0.5, fit_time_s=[1, 2, 3, 6])
    assert of_a.times == ((1.5, 1, 2), (4.5, 3, 6))
    assert of_b.times == ((2, 1, 3), (4, 2, 6))


def test_an_unknown_time_gives_no_times():
    of_a, _ = effects.compute(factors_of(PARAMS, NAMES), SCORES, 0.5, fit_time_s=[1, 2, 3, None])
    assert of_a.times is None


def test_interaction_is_the_distance_from_the_sum_of_both_effects():
    """Rows add 0.1, columns add 0.2; one cell is 0.4 too high, a quarter of it in every cell."""
    added = np.array([[0.1, 0.3], [0.2, 0.4]])
    assert effects.interaction(added) == pytest.approx(0.0)
    added[1, 1] += 0.4
    assert effects.interaction(added) == pytest.approx(0.1)
    assert effects.interaction(np.array([[0.1, np.nan], [0.2, 0.3]])) is None


def test_a_full_grid_is_balanced_and_a_part_of_it_is_not():
    assert is_balanced(factors_of(PARAMS, NAMES))
    assert not is_balanced(factors_of([*PARAMS, PARAMS[0]], NAMES))


def test_parameters_that_change_together_are_named_and_get_no_claim_of_their_own():
    params = [{"opt": one, "lr": lr} for one, lr in [("adam", 0.1), ("sgd", 0.2)] * 2]
    factors = factors_of(params, {"opt": "opt", "lr": "lr"})
    texts = effects._explanations("accuracy", factors)
    assert [factor.linked for factor in factors] == [("opt", "lr")]
    assert any(text.startswith("opt and lr always change together") for text in texts)
