"""What the comparisons with a baseline say in words."""

from harness.report.baseline_comparison import power_text, sign_text
from harness.statistics.power import Power

ONE_POINT_IN_SIGHT = Power(
    n=3, n_repeats=1, n_comparisons=2, detectable=0.03, of_all=0.04, repeats=7
)


def test_power_says_what_is_seen_and_what_a_point_would_take():
    text = power_text(ONE_POINT_IN_SIGHT)
    assert "about 0.030 is the smallest that a single comparison would find" in text
    assert "corrected for 2 comparisons it is about 0.040" in text
    assert text.endswith("you would need about 7 repeats (now 1).")


def test_power_says_where_no_number_of_repeats_helps():
    text = power_text(ONE_POINT_IN_SIGHT._replace(repeats=None, n_comparisons=1))
    assert "No number of repeats would show a difference of 0.01" in text
    assert "corrected for" not in text


def test_six_pairs_are_enough_for_a_sign_test_and_five_are_not():
    assert "5 pairs can't give p below 0.0625" in sign_text(5)
    assert sign_text(6) == ""
