"""Two trials fold by fold: which scores, paired or not, and the numbers by hand."""

import math

import pytest

from harness.errors import BenchError
from harness.statistics.fold_comparison import compare_folds, rotates, scored_role
from tests.results_folders import fold, rotating

FIXED = [fold(n, val=0.5, test=0.5, test_part=1) for n in (2, 3, 4)]


def test_a_test_part_rotates_where_each_fold_has_its_own():
    assert rotates(rotating([0.5] * 4))
    assert rotates(rotating([0.5] * 8, repeats=2))
    assert not rotates(FIXED)
    assert not rotates([fold(1, test_part=2)])
    assert not rotates([fold(1), fold(2)])
    assert not rotates()


def test_it_rotates_only_where_it_does_in_every_trial():
    """Two fixed test parts are two numbers, yet no trial tests every part."""
    other = [fold(n, test_part=2) for n in (1, 3, 4)]
    assert not rotates(FIXED, other)
    assert not rotates(rotating([0.5] * 3), FIXED)
    assert rotates(rotating([0.5] * 3), rotating([0.5] * 4))


def test_the_role_is_told_with_its_reason():
    assert scored_role(rotating([0.5] * 3))[0] == "test"
    assert scored_role(FIXED)[0] == "validation"
    assert "does not rotate" in scored_role(FIXED)[1]
    assert "only one" in scored_role(FIXED, rotating([0.5] * 3))[1]
    assert "no test part" in scored_role([fold(1, n_test=0)])[1]


def test_differences_of_the_same_folds_are_b_minus_a():
    """Differences 0.1, 0.2, 0.3: factor 1/3 + 10/40, t(2) = 4.302653 from any table."""
    found = compare_folds(rotating([0.5, 0.5, 0.5]), rotating([0.6, 0.7, 0.8]), metric="accuracy")

    half = 4.302653 * 0.1 * math.sqrt(1 / 3 + 1 / 4)
    assert (found.role, found.unpaired, found.n_folds, found.n_repeats) == ("test", None, 3, 1)
    assert (found.mean_a, found.mean_b) == pytest.approx((0.5, 0.7))
    assert (found.difference.low, found.difference.high) == pytest.approx((0.2 - half, 0.2 + half))
    assert found.difference.posterior.p_right > found.difference.posterior.p_left
    assert found.detectable > 0.2


def test_the_correction_counts_the_examples_of_the_role():
    """Validation parts of 20 beside 40: factor 1/3 + 1/2."""
    rows = [fold(n, val=0.1 * n, n_validation=20) for n in (1, 2, 3)]
    assert compare_folds(rows, rows, metric="accuracy").difference.variance_factor == pytest.approx(
        1 / 3 + 1 / 2
    )


def test_a_trial_with_more_repeats_is_paired_on_those_that_both_have():
    found = compare_folds(
        rotating([0.5, 0.5, 0.5]), rotating([0.6, 0.6, 0.6, 0.9, 0.9, 0.9], repeats=2),
        metric="accuracy",
    )  # fmt: skip
    assert (found.n, found.n_repeats) == (3, 1)
    assert found.difference.mean == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (rotating([0.6, 0.7, 0.8], split="other"), "no fold holds the same examples"),
        ([*rotating([0.6, 0.7, 0.8])[:2], rotating([0.6, 0.7, 0.8], split="x")[2]], "only 2 of 3"),
        (rotating([0.6, 0.7, 0.8, 0.9]), "3 folds against 4"),
    ],
)
def test_other_folds_are_not_paired_and_it_is_said(other, words):
    found = compare_folds(rotating([0.4, 0.5, 0.6]), other, metric="accuracy")

    assert words in found.unpaired
    assert found.difference.posterior is None and found.detectable is None and found.repeats is None
    assert found.difference.mean == pytest.approx(found.mean_b - found.mean_a)


def test_other_data_is_not_paired_even_if_the_folds_look_alike():
    rows = rotating([0.5, 0.6, 0.7])
    assert compare_folds(rows, rows, metric="accuracy", other_data="why").unpaired == "why"


def test_one_fold_has_a_difference_without_interval():
    found = compare_folds([fold(1, val=0.5)], [fold(1, val=0.75)], metric="accuracy")

    assert (found.difference.mean, found.difference.high) == (0.25, None)
    assert found.difference.posterior is None


def test_a_fold_without_a_score_is_named():
    with pytest.raises(BenchError, match="1 of 2 folds have no val_accuracy"):
        compare_folds([fold(1), fold(2, val=None)], [fold(1), fold(2)], metric="accuracy")
    with pytest.raises(BenchError, match="no val_macro_f1"):
        compare_folds([fold(1)], [fold(1)], metric="macro_f1")
