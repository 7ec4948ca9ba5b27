"""The numbers of each section, from rows chosen by hand."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from harness.report.blocks import Table
from harness.report.sections import (
    answer,
    comparisons,
    data_card,
    findings,
    fold_map,
    importance,
    leaderboard,
    methods,
    pareto,
    provenance,
    published,
)
from harness.training.probes import FINDINGS
from tests.harness.report.folders import CARD, FILE, Trial, results_of

EVEN = Trial(1, [0.5, 0.6, 0.7])
BETTER = Trial(4, [0.7, 0.8, 0.9])


def test_the_answer_names_the_best_and_who_is_not_told_apart(tmp_path):
    """Every fold differs by 0.2, so the other one is told apart."""
    found = answer.compute(results_of(tmp_path, EVEN, BETTER))
    assert found.best.label == "num_heads=4"
    assert found.validation.mean == pytest.approx(0.8)
    assert (found.tied, found.tried) == (0, 2)


def test_without_a_complete_trial_there_is_no_answer(tmp_path):
    assert answer.compute(results_of(tmp_path, Trial(1, status="failed"))) is None


def test_the_leaderboard_scores_validation_and_test(tmp_path):
    board = leaderboard.compute(results_of(tmp_path, EVEN, Trial(2, status="pruned")))
    assert board.columns == ("val_accuracy", "test_accuracy")
    assert board.scores[EVEN.trial_id]["val_accuracy"].mean == pytest.approx(0.6)
    assert [one.status for one in board.unfinished] == ["pruned"]


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


def test_comparisons_use_test_scores_where_the_test_rotates(tmp_path):
    trials = EVEN, Trial(4, [0.7, 0.8, 0.9], test=[0.4, 0.5, 0.6])
    rotating = comparisons.compute(results_of(tmp_path / "a", *trials, baseline="num_heads=1"))
    assert rotating.split == "test"
    assert rotating.rows[0].difference.mean == pytest.approx(-0.1)
    shared = [trial._replace(rotates=False) for trial in trials]
    found = comparisons.compute(results_of(tmp_path / "b", *shared, baseline="num_heads=1"))
    assert (found.split, found.rows[0].difference.mean) == ("val", pytest.approx(0.2))


def test_two_runs_with_fixed_test_parts_of_their_own_do_not_rotate(tmp_path):
    """As `--all` shows them: all folds of one test part 1, all folds of the other part 2."""
    trials = EVEN._replace(rotates=False), BETTER._replace(rotates=False, test_part=2)
    results = results_of(tmp_path, *trials)
    assert sorted(results.folds["test_part"].unique()) == [1, 2]
    assert not results.test_rotates
    assert comparisons.compute(results).split == "val"
    assert "the test part does not rotate" in comparisons.comparisons(results).blocks[0].text


@pytest.mark.parametrize(("mode", "front"), [("max", (0, 2)), ("min", (0, 1))])
def test_the_front_holds_what_nothing_beats_on_both(mode, front):
    assert pareto.undominated([1, 2, 3], [0.5, 0.4, 0.9], mode) == front


def test_the_fold_map_splits_the_variance(tmp_path):
    """Folds 0.5, 0.6, 0.7 and 0.7, 0.8, 0.9: variance 0.1**2 between configurations, and
    0.02 / 3 between folds."""
    found = fold_map.compute(results_of(tmp_path, EVEN, BETTER))
    total = 0.01 + 0.02 / 3
    assert found.between_configurations == pytest.approx(0.01 / total)
    assert found.between_folds == pytest.approx(0.02 / 3 / total)


def test_parallel_coordinates_take_switches_for_words():
    """True and False are places on the axis, not numbers."""
    axis = importance._axis("batch_norm", [True, False, True])
    assert axis["ticktext"] == ["False", "True"]
    assert axis["values"] == [1, 0, 1]


def test_importance_goes_to_the_parameter_that_matters(tmp_path):
    trials = EVEN, BETTER, Trial(2, [0.9, 0.9, 0.9])
    assert importance.compute(results_of(tmp_path / "three", *trials)) is None
    with_fourth = results_of(tmp_path / "four", *trials, Trial(3, [0.1] * 3))
    assert importance.compute(with_fourth).shares == (("num_heads", pytest.approx(1.0)),)
    assert "4 configurations are few" in importance.importance(with_fourth).blocks[-1].text


def test_findings_count_failures_codes_and_copies(tmp_path):
    results = results_of(
        tmp_path,
        EVEN._replace(row={"findings": "dead_parameters,softmax_outputs"}),
        EVEN._replace(heads=2),
        Trial(4, status="failed", row={"error": "boom"}),
    )
    found = findings.compute(results)
    assert found.statuses == {"complete": 2, "failed": 1}
    assert set(found.codes) == {"dead_parameters", "softmax_outputs"}
    assert [[one.name for one in group] for group in found.identical] == [["#1", "#2"]]


def test_a_finding_with_an_attribute_keeps_its_meaning(tmp_path):
    """What follows the colon says where, what precedes it says what."""
    code = "unregistered_parameters:encoder.layers"
    results = results_of(tmp_path, EVEN._replace(row={"findings": code}))
    (table,) = [one for one in findings.findings(results).blocks if hasattr(one, "rows")]
    assert [cell.text for cell in table.rows[0]][:2] == [
        code,
        findings.MEANINGS["unregistered_parameters"],
    ]


def test_every_finding_has_a_meaning():
    """The report and its page know each code that a probe gives."""
    page = (Path(__file__).parents[4] / "docs" / "reading_the_report.md").read_text("utf-8")
    assert set(FINDINGS) <= set(findings.MEANINGS)
    assert all(f"| `{code}" in page for code in findings.MEANINGS)


def test_an_accuracy_that_no_count_of_examples_gives_is_flagged(tmp_path):
    """23 of 40 is 0.575; 0.58 of 40 is 23.2."""
    results = results_of(tmp_path, Trial(1, [0.575, 0.6]), Trial(2, [0.58, 0.6]))
    assert [one.params["model.num_heads"] for one in findings.compute(results).impossible] == [2]


def test_equal_scores_with_other_curves_are_no_copy(tmp_path):
    """Both validate alike in every fold, but one trains to another loss."""
    results = results_of(tmp_path, EVEN, EVEN._replace(heads=2))
    logs = results.epochs([EVEN.trial_id, EVEN._replace(heads=2).trial_id])
    logs.loc[logs["trial_id"] == EVEN.trial_id, "train_loss"] = 0.4
    changed = replace(results, epochs=lambda _: logs)
    assert findings.compute(changed).identical == ()


def test_the_data_card_counts_examples_of_each_role():
    found = data_card.compute(CARD)
    assert found.sizes == ((1, 1, "2", (80, 40, 0)),)
    assert found.classes == (("cat", 70, "a"), ("dog", 50, "b"))


def test_methods_say_what_was_done(tmp_path):
    text = methods.compute(results_of(tmp_path, EVEN, BETTER))
    assert "2 configurations of vit (grid over num_heads) were trained on digits" in text
    assert "compared on test scores, paired by fold, with the best one" in text
    assert "operators" not in text


def test_methods_say_whose_operators_trained(tmp_path):
    results = results_of(tmp_path, EVEN, BETTER)
    training = results.spec.training.model_copy(update={"fast_operators": True})
    variants = (replace(results.spec.variants[0], training=training),)
    other = replace(results, spec=replace(results.spec, variants=variants))
    text = "On CPUs, pools, dropout and attention were bench's operators, not torch's."
    assert text in methods.compute(other)


def test_methods_say_how_repeats_are_cut_and_what_an_epoch_leaves_out(tmp_path):
    """75 of 80 in one fold, all of them in the others."""
    twice = EVEN._replace(row={"n_repeats": 2})
    results = results_of(tmp_path, twice)
    assert ": 3 folds, 2 repeats, each cut anew" in methods.compute(results)
    assert "leaves out" not in methods.compute(results)
    counted = replace(results, folds=results.folds.assign(n_train_per_epoch=[75, 80, 80]))
    assert "leaves out up to 5 train examples of a fold" in methods.compute(counted)


def test_provenance_ends_with_how_the_best_model_is_used(tmp_path):
    results = results_of(tmp_path, EVEN)
    taken_out = "bench export digits --out digits_model\nbench predict digits_model INPUTS"
    assert provenance.export_commands(results) == (
        f"bench run digits weights=all --force  # its weights are not kept\n{taken_out}"
    )
    best = next(one for one in results.configurations if one.place == 1)
    (results.folder / "weights" / best.trial_id).mkdir(parents=True)
    assert provenance.export_commands(results) == taken_out


def test_provenance_repeats_the_run_under_its_own_name(tmp_path):
    assert provenance.command(results_of(tmp_path, EVEN)).endswith("bench run digits.yaml")


def test_every_table_has_a_cell_for_each_column(tmp_path):
    from harness.report.chapters import build_sections

    results = results_of(tmp_path, EVEN, BETTER, Trial(2, status="failed"))
    tables = [block for section in build_sections(results) for block in section.blocks
              if isinstance(block, Table)]  # fmt: skip
    assert len(tables) >= 6
    assert all(len(row) == len(table.columns) for table in tables for row in table.rows)


def test_without_optuna_the_report_says_what_importance_needs(tmp_path, monkeypatch):
    trials = [Trial(heads, [heads / 10, heads / 10, 0.5]) for heads in (1, 2, 4, 8)]
    monkeypatch.setitem(sys.modules, "optuna", None)
    made = importance.importance(results_of(tmp_path, *trials))
    assert "needs optuna" in made.blocks[-1].text
