"""Several benchmarks: who meets whom, and ranks."""

import pytest

from harness.report.chapters import build_chapters
from harness.report.cross_benchmark import side_by_side
from harness.report.sections.across_benchmarks import across
from tests.harness.report.folders import FILE, Trial, results_of

LOW = Trial(1, [0.5, 0.6, 0.7])
HIGH = Trial(4, [0.7, 0.8, 0.9])


def test_the_best_of_each_meet_on_the_same_folds(tmp_path):
    """Bests of 0.6 and 0.8 on every fold: the second is 0.2 better."""
    found = side_by_side([results_of(tmp_path / "a", LOW), results_of(tmp_path / "b", LOW, HIGH)])
    (meeting,) = found.meetings
    assert meeting.found.folds.unpaired is None
    assert meeting.found.folds.difference.mean == pytest.approx(0.2)
    assert meeting.found.folds.difference.p_holm == pytest.approx(0.0)


def test_one_meeting_leads_with_its_difference(tmp_path):
    (part,) = across([results_of(tmp_path / "a", LOW), results_of(tmp_path / "b", HIGH)])
    assert "does better than" in part.blocks[0].text
    assert "+0.2000 [" in part.blocks[0].text
    (part,) = across([results_of(tmp_path / "c", LOW), results_of(tmp_path / "d", LOW)])
    assert part.blocks[0].text.startswith("No difference seen between ")


def test_baselines_meet_where_both_name_one_that_is_not_the_best(tmp_path):
    text = FILE + "baseline: {model.num_heads: 1}\n"
    found = side_by_side([results_of(tmp_path / name, LOW, HIGH, text=text) for name in "ab"])
    assert [(one.a.role, one.b.role) for one in found.meetings] == [
        ("best", "best"),
        ("baseline", "baseline"),
    ]


def test_ranks_are_of_what_all_hold_and_called_descriptive(tmp_path):
    """4 heads win in the first, 1 head in the second; 2 heads are in one of them only."""
    swapped = LOW._replace(val=HIGH.val), HIGH._replace(val=LOW.val)
    others = *swapped, Trial(2, [0.1, 0.1, 0.1])
    found = side_by_side(
        [results_of(tmp_path / "a", LOW, HIGH), results_of(tmp_path / "b", *others)]
    )
    assert found.ranked == "configurations"
    assert dict(zip(found.ranks.names, found.ranks.mean_ranks, strict=True)) == {
        "vit, num_heads=1": 1.5,
        "vit, num_heads=4": 1.5,
    }
    assert found.ranks.label.startswith("descriptive")


def test_what_nobody_shares_has_no_rank(tmp_path):
    found = side_by_side([results_of(tmp_path / "a", LOW), results_of(tmp_path / "b", HIGH)])
    assert found.ranks is None


def test_several_benchmarks_are_led_by_a_chapter_of_their_own(tmp_path):
    benchmarks = [results_of(tmp_path / "a", LOW), results_of(tmp_path / "b", HIGH)]
    assert len(build_chapters(benchmarks)) == 3
    assert len(build_chapters(benchmarks[:1])) == 1
