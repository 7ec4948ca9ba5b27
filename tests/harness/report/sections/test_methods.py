"""The methods paragraph."""

from dataclasses import replace

from harness.report.sections import methods
from tests.harness.report.folders import Trial, results_of

EVEN = Trial(1, [0.5, 0.6, 0.7])
BETTER = Trial(4, [0.7, 0.8, 0.9])


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
