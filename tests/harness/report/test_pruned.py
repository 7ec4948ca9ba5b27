"""Pruned trials: named with their epochs, drawn faintly, in no mean and in no ranking."""

import pytest

from harness.report.pruned import pruned_configurations, pruned_table, pruned_text
from harness.report.sections import (
    answer,
    curves,
    effects,
    findings,
    leaderboard,
    methods,
)
from tests.harness.report.folders import FILE, Trial, results_of

GOOD = Trial(1, [0.5, 0.6, 0.7])
BETTER = Trial(2, [0.8, 0.8, 0.8])
PRUNED = Trial(4, [0.9, 0.9, 0.9], status="pruned", row={"epochs_trained": 2})
ASHA = FILE.replace("space:", "scheduler: {name: asha, grace_epochs: 1}\n  space:", 1)


@pytest.fixture
def results(tmp_path):
    """Two complete trials, and a pruned one whose last epoch was better than theirs."""
    return results_of(tmp_path, GOOD, BETTER, PRUNED, text=ASHA)


def test_they_are_told_with_their_epochs(results):
    """One place after another."""
    assert [one.trial_id for one in pruned_configurations(results)] == [PRUNED.trial_id]
    assert pruned_text(results).startswith("1 configuration was stopped after 2 epochs")
    assert [[cell.text for cell in row] for row in pruned_table(results).rows] == [["2", "1"]]
    assert any(getattr(block, "caption", None) == pruned_table(results).caption
               for block in findings.findings(results).blocks)  # fmt: skip


def test_several_are_told_as_a_span(tmp_path):
    """Epochs 1, 1 and 3."""
    trials = [Trial(heads, [0.1] * 3, status="pruned", row={"epochs_trained": epochs})
              for heads, epochs in ((1, 1), (2, 3), (4, 1))]  # fmt: skip
    found = pruned_text(results_of(tmp_path, *trials, text=ASHA))
    assert found.startswith("3 configurations were stopped after 1 to 3 (median 1) epochs")


def test_they_are_in_no_ranking_and_in_no_mean(results):
    """The effect of heads knows 1 and 2 alone; the winner is a complete one."""
    board = leaderboard.compute(results)
    assert [one.trial_id for one in board.ranked] == [BETTER.trial_id, GOOD.trial_id]
    assert [one.trial_id for one in board.unfinished] == [PRUNED.trial_id]
    assert answer.compute(results).best.trial_id == BETTER.trial_id
    (heads,) = effects.compute(results)
    assert [one.mean for one in heads.means] == pytest.approx([0.6, 0.8])


def test_their_curves_are_faint_and_end_where_they_did(results):
    """Two epochs, a mean over folds of 0.45 and 0.9; the best curve is drawn above."""
    rows = results.epochs([PRUNED.trial_id])
    (line,) = curves.compute(rows, pruned_configurations(results), "val_accuracy", "")
    (trace,) = curves.pruned_lines([line])
    assert list(trace.x) == [1, 2]
    assert list(trace.y) == pytest.approx([0.45, 0.9])
    made = curves.draw([line], "accuracy", [line])
    assert made.data[0].name == "pruned"


def test_methods_and_answer_say_how_many_were_compared(results):
    """The stopped ones were looked at too."""
    text = methods.compute(results)
    assert "2 of them completed. 1 configuration was stopped after 2 epochs" in text
    assert "(ASHA, from epoch 1 on, reduction factor 3)" in text
    assert "the best of 2 complete configurations (and 1 that were stopped early)" in text
    found = answer.compute(results)
    assert "3 configurations (1 of them stopped early) were tried" in answer._optimism(
        found, results
    )


def test_without_them_nothing_is_said(tmp_path):
    """As in most benchmarks."""
    assert pruned_text(results_of(tmp_path, GOOD, BETTER)) == ""
