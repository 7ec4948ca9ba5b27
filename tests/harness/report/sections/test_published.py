"""Published numbers beside ours, and what is said of a run that trained otherwise than its file."""

from dataclasses import replace

import pytest

from harness.report.sections import published
from harness.report.sections.published import changed_settings
from tests.harness.report.folders import FILE, Trial, results_of

EVEN = Trial(1, [0.5, 0.6, 0.7])


def test_a_published_number_of_a_fold_meets_our_row_of_that_fold(tmp_path):
    text = FILE + (
        "published:\n"
        "  - {where: {model.num_heads: 1}, fold: 2, test_accuracy: 0.5, source: a}\n"
        "  - {where: {model.num_heads: 1}, test_accuracy: 0.5, source: b}\n"
    )
    of_fold, of_mean = published.compute(results_of(tmp_path, EVEN, text=text))
    assert (of_fold.compared_with, of_fold.difference) == ("fold 2", pytest.approx(0.1))
    assert (of_mean.compared_with, of_mean.difference) == ("mean over folds", pytest.approx(0.1))
    # Wilson for 24 of 40: 0.446 to 0.737
    assert (of_fold.ours.low, of_fold.ours.high) == pytest.approx((0.446, 0.737), abs=5e-4)
    assert of_fold.inside


def test_a_published_number_without_a_configuration_of_ours_stays(tmp_path):
    text = FILE + "published: [{where: {model.num_heads: 2}, test_accuracy: 0.5, source: a}]\n"
    (found,) = published.compute(results_of(tmp_path, EVEN, text=text))
    assert (found.configuration, found.difference, found.inside) == (None, None, None)


def test_a_published_number_is_not_trained_or_not_in_this_plan(tmp_path):
    """The file searches 1, 2 and 4 heads; with 1 trained, 2 is still to come and 3 never will."""
    text = FILE + (
        "published:\n"
        "  - {where: {model.num_heads: 2}, test_accuracy: 0.5, source: a}\n"
        "  - {where: {model.num_heads: 3}, test_accuracy: 0.5, source: b}\n"
    )
    found = published.compute(results_of(tmp_path, EVEN, text=text))
    assert [one.planned for one in found] == [True, False]
    ours = [row[3].text for row in published.table(found).rows]
    assert ours == ["not trained", "not in this plan"]


LIMITED = FILE.replace("{name: digits}", "{name: digits, limit: 160}")


def test_a_limit_is_said_with_the_examples_that_trained(tmp_path):
    (text,) = changed_settings(results_of(tmp_path, Trial(1, [0.5, 0.6, 0.7]), text=LIMITED))
    assert "kept 160 of all, 80 to train in a fold" in text


def test_what_the_command_changed_is_named_but_for_the_space(tmp_path):
    results = results_of(tmp_path, Trial(1, [0.5, 0.6, 0.7]))
    assert changed_settings(results) == []
    command = "bench run digits training.epochs=2 --data=x search.space.model.num_heads=[1]"
    (text,) = changed_settings(replace(results, record={"command": command}))
    assert "(training.epochs=2)" in text
