"""Hardest examples: who is wrong how often, about what."""

import pytest

from harness.report.sections import hardest_examples
from tests.harness.report.folders import Trial, results_of
from tests.harness.report.sections.predictions import pooled

NAMES = ("cat", "dog", "cow")
FIRST = pooled([0, 1], [[0.1, 0.8, 0.1], [0.1, 0.8, 0.1]], names=NAMES)
SECOND = pooled([0, 1], [[0.2, 0.7, 0.1], [0.5, 0.3, 0.2]], names=NAMES, place=2)
THIRD = pooled([0, 1], [[0.3, 0.2, 0.5], [0.1, 0.9, 0.0]], names=NAMES, place=3)


def test_examples_are_ordered_by_how_often_they_are_wrong():
    """a, a cat, is called dog, dog and cow; b, a dog, is called dog, cat and dog."""
    a, b = hardest_examples.compute([FIRST, SECOND, THIRD]).examples
    assert (a.example_id, a.target, a.wrong, a.answer, a.times) == ("a", "cat", 3, "dog", 2)
    assert a.p_truth == pytest.approx(0.2)
    assert (b.example_id, b.wrong, b.n, b.answer) == ("b", 1, 3, "cat")


def test_an_example_that_is_never_wrong_is_counted_and_not_listed():
    found = hardest_examples.compute([FIRST])
    assert len(hardest_examples.table(found).rows) == 1
    (bars,) = hardest_examples.draw(found).data
    assert bars.y == (1, 0, 0, 0, 0, 1)


def test_the_section_says_how_many_are_always_wrong(tmp_path):
    """Of cat, dog, dog, cat the third is called cat by both."""
    section = hardest_examples.hardest(
        results_of(tmp_path, Trial(1, [0.5] * 3), Trial(2, [0.6] * 3))
    )
    assert section.blocks[1].title == "Of 4 examples 1 is always wrong, 3 never"


def test_without_predictions_the_section_stays_in_one_line(tmp_path):
    section = hardest_examples.hardest(results_of(tmp_path, Trial(1, status="failed")))
    assert len(section.blocks) == 1
