"""The commands that repeat a run and export its best model."""

from harness.report.sections import provenance
from tests.harness.report.folders import Trial, results_of

EVEN = Trial(1, [0.5, 0.6, 0.7])


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
